"""Issuing, rotating and ending the tokens of one authorization.

Every function that changes a family runs in the caller's transaction and holds the row lock of its
`Authorization`, so that of two requests with one token the second sees what the first did.
"""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone

from demo.acme import environment
from demo.acme.models import (
    AccessToken,
    Account,
    Authorization,
    AuthorizationCode,
    Client,
    RefreshToken,
    ServiceToken,
    digest,
)
from demo.acme.sealing import open_answer, seal_answer

TOKEN_BYTES = 32


def new_token(*args: Any, **kwargs: Any) -> str:
    """Return a fresh opaque token. Authlib passes what it is for, which does not show in it."""
    return secrets.token_urlsafe(TOKEN_BYTES)


def authorization_start(
    *, code: AuthorizationCode, answer: dict[str, Any], at: datetime
) -> Authorization:
    """Store the first tokens of a consent, those that `code` was exchanged for."""
    authorization = Authorization.objects.create(
        account=code.account, client=code.client, scope=code.scope, created_at=at
    )
    _store(authorization=authorization, number=1, answer=answer, at=at)
    code.authorization = authorization
    code.used_at = at
    code.save(update_fields=["authorization", "used_at"])
    return authorization


def authorization_exchange(
    *, account: Account, client: Client, answer: dict[str, Any], at: datetime
) -> Authorization:
    """Store the one token of an exchange, which nobody was asked for and nothing renews."""
    authorization = Authorization.objects.create(
        account=account, client=client, scope=answer["scope"], created_at=at
    )
    _access_store(authorization=authorization, answer=answer, at=at)
    return authorization


def service_token_store(*, client: Client, answer: dict[str, Any], at: datetime) -> None:
    """Store a client's own token."""
    ServiceToken.objects.create(
        client=client,
        token_hash=digest(answer["access_token"]),
        scope=answer["scope"],
        expires_at=at + timedelta(seconds=answer["expires_in"]),
    )


def refresh_rotate(
    *, used: RefreshToken, presented: str, answer: dict[str, Any], at: datetime
) -> None:
    """Mark `used` as spent and store what it was exchanged for.

    `presented` is the token itself; under it the answer is sealed while reuse is forgiven.
    """
    _store(authorization=used.authorization, number=used.number + 1, answer=answer, at=at)
    # What came before can be asked for no more: its successor has just been used.
    before = RefreshToken.objects.filter(
        authorization=used.authorization_id, number__lt=used.number
    )
    before.update(successor_sealed=None)
    used.used_at = at
    if environment.REUSE_GRACE_S > 0:
        dated = answer | {"expires_at": int(at.timestamp()) + environment.ACCESS_TOKEN_S}
        used.successor_sealed = seal_answer(dated, under=presented, family=used.authorization_id)
    used.save(update_fields=["used_at", "successor_sealed"])


def refresh_locked(*, presented: str, client: Client) -> RefreshToken | None:
    """Return the refresh token that `client` presented, its family locked; none if not its own."""
    token_hash = digest(presented)
    family = (
        Authorization.objects.select_for_update(of=("self",), no_key=True)
        .select_related("account")
        .filter(client=client, refresh_tokens__token_hash=token_hash)
        .first()
    )
    if family is None:
        return None
    # Read after the lock was had: a request before us may have spent it.
    token = RefreshToken.objects.get(token_hash=token_hash)
    token.authorization = family
    return token


def answer_again(*, used: RefreshToken, presented: str, at: datetime) -> dict[str, Any] | None:
    """Return the answer that `used` was exchanged for, where it may be given once more.

    It may for `REUSE_GRACE_S` seconds and only until the successor is used: from then on somebody
    has the successor and somebody else has this.
    """
    if used.used_at is None or used.successor_sealed is None:
        return None
    if at >= used.used_at + timedelta(seconds=environment.REUSE_GRACE_S):
        return None
    answer = open_answer(
        bytes(used.successor_sealed), under=presented, family=used.authorization_id
    )
    answer["expires_in"] = max(0, answer.pop("expires_at") - int(at.timestamp()))
    return answer


def authorization_end(*, authorization: Authorization, by: Authorization.End, at: datetime) -> None:
    """End the family: every token of it, access tokens included, is refused from now on."""
    Authorization.objects.filter(pk=authorization.pk, ended_at=None).update(
        ended_at=at, ended_by=by
    )
    RefreshToken.objects.filter(authorization=authorization).update(successor_sealed=None)


def token_revoke(*, token: AccessToken | RefreshToken | ServiceToken) -> None:
    """Revoke as RFC 7009 section 2.1 has it: a refresh token takes its family along."""
    if isinstance(token, RefreshToken):
        authorization_end(
            authorization=token.authorization, by=Authorization.End.CLIENT, at=timezone.now()
        )
    elif token.revoked_at is None:
        token.revoked_at = timezone.now()
        token.save(update_fields=["revoked_at"])


def _store(
    *, authorization: Authorization, number: int, answer: dict[str, Any], at: datetime
) -> None:
    _access_store(authorization=authorization, answer=answer, at=at)
    RefreshToken.objects.create(
        authorization=authorization,
        number=number,
        token_hash=digest(answer["refresh_token"]),
        expires_at=at + timedelta(seconds=environment.REFRESH_TOKEN_S),
    )


def _access_store(*, authorization: Authorization, answer: dict[str, Any], at: datetime) -> None:
    AccessToken.objects.create(
        authorization=authorization,
        token_hash=digest(answer["access_token"]),
        scope=answer["scope"],
        expires_at=at + timedelta(seconds=answer["expires_in"]),
    )
