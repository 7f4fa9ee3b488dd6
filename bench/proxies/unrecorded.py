"""The site with nothing put on record, so that what recording costs can be told.

There is no such switch in the site, and none is made: this process alone replaces the one function
by which calls get on record. Whoever measures checks that the trail has not grown.
"""

from __future__ import annotations

import portal.asgi
from core import audit

application = portal.asgi.application


async def _forget(event: audit.Event) -> None:
    """Do nothing with what was to be recorded."""


audit.arecord = _forget
