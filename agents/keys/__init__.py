"""Access keys: kept, limited, rotated; and who signed with one, or showed it."""
