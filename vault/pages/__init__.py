"""The browser's side of a consent."""
