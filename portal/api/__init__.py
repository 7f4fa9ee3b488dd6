"""The site's own JSON API, for its pages."""
