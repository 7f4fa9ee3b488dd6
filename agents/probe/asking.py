"""One question to another server, and what came of it in words for an admin."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _
from django_stubs_ext import StrOrPromise

from core import http

_TIMEOUT_S = 5.0


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at; `fix` says what to do where it is not well."""

    ok: bool
    what: StrOrPromise
    fix: StrOrPromise = ""

    def __str__(self) -> str:
        return f"{self.what} {self.fix}".strip()


def ask(
    url: str, *, if_away: StrOrPromise, method: str = "GET", **sent: Any
) -> http.Response | Finding:
    """Return the answer, or what kept it from coming."""
    try:
        return http.fetch_sync(method, url, timeout_s=_TIMEOUT_S, **sent)
    except http.HttpRefused as exc:
        what = _("%(url)s was not asked: this site may not reach that address.") % {"url": url}
        return Finding(False, what, str(exc.message))
    except http.HttpUnreachable:
        return Finding(False, _("Nothing answers at %(url)s.") % {"url": url}, if_away)
    except http.HttpError:
        what = _("Something accepts connections at %(url)s, and then gives no HTTP answer.")
        fix = _("Check that the port and http or https are right, and look into the log there.")
        return Finding(False, what % {"url": url}, fix)


def unwell(url: str, answer: http.Response, fix: StrOrPromise) -> Finding:
    """Return that a server answers with a status which says that something is wrong."""
    what = _("%(url)s answers with status %(status)d.") % {"url": url, "status": answer.status}
    return Finding(False, what, fix)


def parsed(body: bytes) -> Any:
    """Return the body as JSON; None where it is none."""
    try:
        return json.loads(body)
    except ValueError:
        return None


def member(value: Any, name: str) -> Any:
    """Return a member of a JSON object; None where there is none."""
    return value.get(name) if isinstance(value, dict) else None
