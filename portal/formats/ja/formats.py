"""Times of people who read Japanese."""

from portal.formats.en.formats import DATETIME_FORMAT

__all__ = ["DATETIME_FORMAT"]
