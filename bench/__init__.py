"""Measures what the site does, on this machine, against bare loops that do almost nothing.

`python -m bench` starts engines that sync every commit to the disk, as in production, and the site
as `manage.py serve` does, and prints a table. Nothing of it is left afterwards.
"""
