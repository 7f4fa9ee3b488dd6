"""What is particular about each vendor, as data."""
