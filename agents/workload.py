"""Workload access tokens: proof of (workload identity, person), opaque to the agent.

A token is a sealed value, so that nothing needs to be stored to issue or to read one: only this
site can make it, and whoever holds it learns nothing from it. It says who; whether that identity
and that person may still act is asked of the database at every use.

An agent that calls another one shows its own token, and the other's token then names it: like the
nested `act` claims of RFC 8693 section 4.1, the newest first.
"""

from __future__ import annotations

import base64
import binascii
import json
import time
from dataclasses import dataclass

from agents.errors import WorkloadTokenInvalid
from core import crypto, database
from core.secret import Secret
from core.subject import Subject

_PREFIX = "wat1."
LIFETIME_S = 3600
# What a person called with is carried along so that it can be exchanged, sealed like the rest. The
# token stands in two headers, and servers take 8 KiB for one (nginx, gunicorn, aiohttp) and 16 KiB
# for all (Node): 4,096 characters make a token of 7 KiB. A longer one is left out, and so is one
# that has no room beside long names.
MAX_USER_TOKEN_CHARS = 4096
_MAX_BODY_CHARS = 5600
_ENCODER = json.JSONEncoder(separators=(",", ":"))
_BINDING = crypto.Binding("workload_access_token", "", "token", "")


@dataclass(frozen=True, slots=True)
class Link:
    """A workload identity through which an agent was called. The id tells it from a namesake."""

    workload_id: int
    name: str


Chain = tuple[Link, ...]  # the newest first


@dataclass(frozen=True, slots=True)
class VerifiedWorkload:
    """Who acts, and for whom. Only `read` makes one."""

    workload_id: int
    workload_name: str
    subject: Subject | None
    session_id: str
    expires_at: int  # epoch seconds
    # Those of the agent's groups that the person was in when the agent's rule let them in; None:
    # they were not asked for, since no rule of an agent stood before this token.
    groups: frozenset[str] | None
    invocation: str = ""  # the reference of the call that the agent got this token with
    # The verified JWT that the person called with, where there was one and it was not too long.
    user_token: Secret | None = None
    chain: Chain = ()

    @property
    def actors(self) -> Chain:
        """Return the chain of whoever is called by this one."""
        return (Link(self.workload_id, self.workload_name), *self.chain)

    @property
    def called_through(self) -> tuple[str, ...]:
        """Return the names of those through whom this one was called."""
        return tuple(link.name for link in self.chain)


def issue(
    *,
    workload_id: int,
    workload_name: str,
    subject: Subject | None,
    session_id: str = "",
    groups: frozenset[str] | None = None,
    invocation: str = "",
    user_token: Secret | None = None,
    chain: Chain = (),
    expires_by: int | None = None,
) -> Secret:
    """Return a token for `workload_name` acting for `subject`; None: for itself alone.

    `groups` are those by which an agent's rule let the person in, if one did. `session_id` is the
    runtime session in which the agent was called, so that a consent that it comes to need is shown
    there; `invocation` is the reference of that call. `user_token` is the JWT, verified, that the
    person called with. Where the agent was called through others (`chain`), session and reference
    are those of the first call, and the token ends by `expires_by`, as the one that it was called
    with does. May query once a process, for the data key.
    """
    now = int(time.time())
    body = {
        "w": workload_id,
        "n": workload_name,
        "i": subject.iss if subject else None,
        "s": subject.sub if subject else None,
        "r": session_id,
        "g": None if groups is None else sorted(groups),
        "e": min(now + LIFETIME_S, expires_by or now + LIFETIME_S),
        **({"v": invocation} if invocation else {}),
        **({"c": [[link.workload_id, link.name] for link in chain]} if chain else {}),
    }
    text = ""
    if user_token is not None and len(user_token.reveal()) <= MAX_USER_TOKEN_CHARS:
        text = _ENCODER.encode({**body, "t": user_token.reveal()})
    if not text or len(text) > _MAX_BODY_CHARS:
        text = _ENCODER.encode(body)
    return Secret(_PREFIX + _encoded(crypto.seal(text, bound_to=_BINDING)))


def _encoded(sealed: bytes) -> str:
    return base64.urlsafe_b64encode(sealed).rstrip(b"=").decode("ascii")


async def aissue(
    *,
    workload_id: int,
    workload_name: str,
    subject: Subject | None,
    session_id: str = "",
    groups: frozenset[str] | None = None,
    invocation: str = "",
    user_token: Secret | None = None,
    chain: Chain = (),
    expires_by: int | None = None,
) -> Secret:
    """Return what `issue` does, without holding up the event loop."""

    def work(_: None) -> Secret:
        return issue(
            workload_id=workload_id,
            workload_name=workload_name,
            subject=subject,
            session_id=session_id,
            groups=groups,
            invocation=invocation,
            user_token=user_token,
            chain=chain,
            expires_by=expires_by,
        )

    return await database.here_or_on_thread(work, None)


def read(unverified_token: str) -> VerifiedWorkload:
    """Return what a workload access token says.

    Raises:
        WorkloadTokenInvalid: it was not issued here, was changed, or has expired.
    """
    if not unverified_token.startswith(_PREFIX):
        raise WorkloadTokenInvalid(detail="not a workload access token")
    text = unverified_token[len(_PREFIX) :]
    try:
        sealed = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        if _encoded(sealed) != text:  # the decoder skips what it does not know
            raise ValueError("not canonical")
        body = json.loads(crypto.open_sealed(sealed, bound_to=_BINDING).reveal())
    except (binascii.Error, ValueError, crypto.SealBroken, crypto.KeyMissing) as exc:
        raise WorkloadTokenInvalid(detail=type(exc).__name__) from None
    if body["e"] <= time.time():
        raise WorkloadTokenInvalid(detail="expired")
    subject = None if body["i"] is None else Subject(body["i"], body["s"])
    groups = None if body["g"] is None else frozenset(body["g"])
    user_token = Secret(body["t"]) if "t" in body else None
    return VerifiedWorkload(
        workload_id=body["w"],
        workload_name=body["n"],
        subject=subject,
        session_id=body["r"],
        expires_at=body["e"],
        groups=groups,
        invocation=body.get("v", ""),
        user_token=user_token,
        chain=tuple(Link(*link) for link in body.get("c", [])),
    )
