"""`python -m tests.leaks.demo`: the demo, every process of which writes down its secrets."""

from __future__ import annotations

import sys

from demo.run.command import main
from embedded import process
from tests.leaks.recorder.sitecustomize import FOLDER

# Its parts inherit next to nothing; this much more is what makes them write.
process.INHERITED = (*process.INHERITED, "PYTHONPATH", FOLDER)

if __name__ == "__main__":
    sys.exit(main())
