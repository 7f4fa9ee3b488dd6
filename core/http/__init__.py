"""Outbound HTTP, the only one there is.

Requests built from configuration go to public servers and to those that an admin listed; redirects
are off; time and size are bounded. `fetch` is for documents and tokens, `exchange` for the way to
the agents.
"""

from core.http.background import background_loop, fetch_sync, run
from core.http.errors import HttpError, HttpRefused, HttpTooLarge, HttpUnanswered, HttpUnreachable
from core.http.fetching import (
    OK,
    Form,
    Response,
    close,
    fetch,
    pairs_of,
    retry_after_s,
    session,
)
from core.http.guard import address_is_public, check_url, private_host_is_allowed
from core.http.kept import exchange

__all__ = [
    "OK",
    "Form",
    "HttpError",
    "HttpRefused",
    "HttpTooLarge",
    "HttpUnanswered",
    "HttpUnreachable",
    "Response",
    "address_is_public",
    "background_loop",
    "check_url",
    "close",
    "exchange",
    "fetch",
    "fetch_sync",
    "pairs_of",
    "private_host_is_allowed",
    "retry_after_s",
    "run",
    "session",
]
