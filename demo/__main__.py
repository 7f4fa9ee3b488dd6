"""`python -m demo`: the whole site with its demo world, until Ctrl-C."""

import sys

from demo.run.command import main

if __name__ == "__main__":
    sys.exit(main())
