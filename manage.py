#!/usr/bin/env python
"""Run a management command of the site."""

import os
import sys

from django.core.management import execute_from_command_line
from django.db import OperationalError

from portal.environment import told_plainly
from portal.unreachable import database_fault

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
    with told_plainly():
        try:
            execute_from_command_line(sys.argv)
        except OperationalError:
            if fault := database_fault():
                sys.exit(fault)
            raise
