"""A part of the bench that needs the site's models: `python -m bench.room PART TOLD`.

`PART` is a module of this package, whose `main` is given `TOLD`, which is JSON, once Django is set
up. What it says is a line of JSON each, for whoever started it.
"""

from __future__ import annotations

import json
import os
import sys
from importlib import import_module

import django

from bench.children import Failed
from portal.environment import told_plainly


def main() -> None:
    """Set up Django and run the part. Models can be imported only then, and so it is by name."""
    part, told = sys.argv[1:]
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
    with told_plainly():
        django.setup(set_prefix=False)
    try:
        import_module(f"bench.{part}").main(json.loads(told))
    except Failed as exc:
        sys.exit(str(exc))


if __name__ == "__main__":
    main()
