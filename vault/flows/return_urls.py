"""Where a person's browser goes after consent."""

from __future__ import annotations

from urllib.parse import urlencode, urlsplit

from django.conf import settings

from agents.gateway.headers import CALLBACK_PATH
from agents.models import WorkloadIdentity
from core.secret import Secret
from vault.errors import ReturnUrlMissing, ReturnUrlNotAllowed


def own() -> str:
    """Return the URL of this site's own page, at which the signed-in person completes a consent."""
    return f"{settings.SITE_URL}{CALLBACK_PATH}"


def check(return_url: str | None, *, workload: WorkloadIdentity) -> str:
    """Return `return_url` if consent for `workload` may end there: exact strings, no patterns.

    Raises:
        ReturnUrlMissing: there is none.
        ReturnUrlNotAllowed: it is not this site's own and not registered, or not http(s).
    """
    if not return_url:
        raise ReturnUrlMissing
    if return_url == own():
        return return_url
    parts = urlsplit(return_url)
    if parts.scheme not in {"http", "https"} or not parts.netloc:
        raise ReturnUrlNotAllowed.because(return_url, workload.name, "is not an http(s) URL")
    if return_url not in workload.allowed_return_urls:
        raise ReturnUrlNotAllowed.because(return_url, workload.name, "is not registered")
    return return_url


def with_answer(return_url: str, *, session_uri: str, custom_state: Secret | None) -> str:
    """Return the URL that tells the page which consent session ended, in the wire API's words.

    The name under which AWS sends the custom state back is not documented, so it goes as both that
    are in use.
    """
    answer = {"session_id": session_uri}
    if custom_state is not None:
        answer |= {"custom_state": custom_state.reveal(), "state": custom_state.reveal()}
    base, mark, fragment = return_url.partition("#")
    joint = "&" if "?" in base else "?"
    return f"{base}{joint}{urlencode(answer)}{mark}{fragment}"
