"""`python -m demo.manage explain_token --agent concierge`: manage.py at the running demo's site."""

import argparse
import json
import os
import sys
from pathlib import Path

from demo.run.parts import CHECKOUT, site_environment_file


def main() -> None:
    """Become manage.py, with all arguments but `--home` and the environment of the demo's site.

    What the caller has set besides, such as AWS credentials, stays.
    """
    parser = argparse.ArgumentParser("python -m demo.manage", add_help=False, allow_abbrev=False)
    parser.add_argument("--home", type=Path, default=CHECKOUT / "var")
    given, rest = parser.parse_known_args()
    try:
        site = json.loads(site_environment_file(given.home).read_text())
    except FileNotFoundError:
        sys.exit("The demo does not run; start it with `make demo`.")
    command = [sys.executable, str(CHECKOUT / "manage.py"), *rest]
    os.execve(sys.executable, command, os.environ | site)  # noqa: S606  # no shell is wanted


if __name__ == "__main__":
    main()
