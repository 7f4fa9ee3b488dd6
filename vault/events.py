"""What the vault tells the rest of the site."""

from __future__ import annotations

from django.dispatch import Signal

# Sent, after the commit, when a consent session was begun, asked for again, or changed its status.
# Keyword arguments: `session`, the ConsentSession as it stands now, and `chain`, which is not empty
# where an agent asks that was called through others: by its sealed token, the newest first. A
# receiver that fails is logged and changes nothing for the journey.
consent_changed = Signal()
