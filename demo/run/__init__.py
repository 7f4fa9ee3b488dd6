"""The demo's supervisor: from an empty checkout to a running site, and all of it stopped again."""
