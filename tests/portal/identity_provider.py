"""An OpenID provider that people sign in with: the misbehaving issuer, able to log people in."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, unquote, urlencode, urlsplit

from django.test import Client
from joserfc.jwk import OKPKey

from tests.fixtures.issuer import Issuer, Key, Reply, Request, issuing

CLIENT_ID, CLIENT_SECRET = "portal", "a secret with : and % in it"
LOGOUT_EVENT = "http://schemas.openid.net/event/backchannel-logout"


@dataclass
class Person:
    """Somebody with an account at the provider; `claims` are those of the ID token."""

    sub: str
    claims: dict[str, Any] = field(default_factory=dict)


@dataclass
class Forgery:
    """How the next ID tokens differ from good ones."""

    claims: dict[str, Any] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)


class Provider:
    """What the tests tell the provider to be, and what it saw."""

    def __init__(self, issuer: Issuer) -> None:
        self.issuer = issuer
        self.people = {
            "alice": Person(
                "alice", {"name": "Alice", "groups": ["admins"], "email": "a@x.example"}
            ),
            "bob": Person("bob", {"name": "Bob", "groups": ["staff"], "email": "b@x.example"}),
            "charlie": Person("charlie", {"name": "Charlie", "groups": [], "email": "c@x.example"}),
        }
        self.forgery = Forgery()
        self.access_token_s = 300
        self.token_status = 200
        self.refreshed = 0
        self.revoked: list[str] = []
        # The session of each person's last sign-in here; without, ID tokens name none.
        self.sids: dict[str, str] = {}
        self.names_sessions = True
        self._lock = threading.Lock()
        self._codes: dict[str, dict[str, str]] = {}
        self._refresh_tokens: dict[str, str] = {}
        issuer.metadata |= {
            "token_endpoint_auth_methods_supported": ["client_secret_basic"],
            "end_session_endpoint": f"{issuer.url}/logout",
            "revocation_endpoint": f"{issuer.url}/revoke",
            "userinfo_endpoint": f"{issuer.url}/userinfo",
        }
        issuer.routes |= {
            "POST /token": self._token,
            "POST /revoke": self._revoke,
        }

    @property
    def url(self) -> str:
        return self.issuer.url

    def callback_for(self, authorization_url: str, person: str) -> dict[str, str]:
        """Return the query with which `person`'s browser comes back to the site."""
        asked = {
            name: values[0] for name, values in parse_qs(urlsplit(authorization_url).query).items()
        }
        assert asked["client_id"] == CLIENT_ID
        assert asked["code_challenge_method"] == "S256"
        code = secrets.token_urlsafe(16)
        self._codes[code] = {**asked, "person": person}
        return {"code": code, "state": asked["state"]}

    def lets_in(self, person: str) -> None:
        """Let browsers be signed in as `person`, so that they come back at once."""

        def authorize(request: Request) -> Reply:
            back = self.callback_for(f"/?{urlencode(request.query)}", person)
            where = f"{request.query['redirect_uri']}?{urlencode(back)}"
            return Reply(status=302, headers={"Location": where})

        self.issuer.routes["GET /authorize"] = authorize

    def forget_refresh_tokens(self) -> None:
        """Let every renewal be refused from now on."""
        self._refresh_tokens.clear()

    def id_token(self, person: str, *, nonce: str | None, access_token: str) -> str:
        """Return the ID token of `person`, forged as was asked."""
        who = self.people[person]
        claims = {
            "sub": who.sub,
            "aud": CLIENT_ID,
            "nonce": nonce,
            "client_id": None,
            "scope": None,
            "sid": self.sids.get(person),
            "at_hash": _half_hash(access_token, self.forgery.options.get("key")),
            **who.claims,
            **self.forgery.claims,
        }
        return self.issuer.token(**{"header": {"typ": "JWT"}, **self.forgery.options}, **claims)

    def logout_token(self, *, options: dict[str, Any] | None = None, **changed: Any) -> str:
        """Return a logout token; a claim changed to None is left out."""
        claims = {
            "aud": CLIENT_ID,
            "sub": None,
            "client_id": None,
            "scope": None,
            "jti": secrets.token_hex(8),
            "events": {LOGOUT_EVENT: {}},
            **changed,
        }
        return self.issuer.token(**{"header": {"typ": "logout+jwt"}, **(options or {})}, **claims)

    def unsigned(self, token: str, *, alg: str) -> str:
        """Return `token` with another algorithm, an HMAC keyed with the provider's public key."""
        header, claims, _ = token.split(".")
        changed = json.loads(_decoded(header)) | {"alg": alg}
        signed = f"{_encoded(json.dumps(changed).encode())}.{claims}"
        if alg == "none":
            return f"{signed}."
        public = self.issuer.keys[0].as_pem(private=False)
        digest = hashlib.sha256 if alg == "HS256" else hashlib.sha512
        return f"{signed}.{_encoded(hmac.new(public, signed.encode(), digest).digest())}"

    def _token(self, request: Request) -> Reply:
        if self.token_status != 200:
            return Reply({}, status=self.token_status)
        if not _is_our_client(request):
            return Reply({"error": "invalid_client"}, status=401)
        form = request.form
        with self._lock:
            if form["grant_type"] == "refresh_token":
                person = self._refresh_tokens.pop(form["refresh_token"], None)
                if person is None:
                    return Reply({"error": "invalid_grant"}, status=400)
                self.refreshed += 1
                return self._issue(person, nonce=None)
            asked = self._codes.pop(form["code"], None)
            proof = base64.urlsafe_b64encode(
                hashlib.sha256(form["code_verifier"].encode()).digest()
            )
            if (
                asked is None
                or asked["redirect_uri"] != form["redirect_uri"]
                or asked["code_challenge"] != proof.rstrip(b"=").decode()
            ):
                return Reply({"error": "invalid_grant"}, status=400)
            if self.names_sessions:
                self.sids[asked["person"]] = secrets.token_hex(8)
            return self._issue(asked["person"], nonce=asked["nonce"])

    def _issue(self, person: str, *, nonce: str | None) -> Reply:
        access = self.issuer.token(sub=self.people[person].sub, jti=secrets.token_hex(8))
        refresh = secrets.token_urlsafe(24)
        self._refresh_tokens[refresh] = person
        return Reply(
            {
                "access_token": access,
                "token_type": "Bearer",
                "expires_in": self.access_token_s,
                "refresh_token": refresh,
                "id_token": self.id_token(person, nonce=nonce, access_token=access),
            }
        )

    def _revoke(self, request: Request) -> Reply:
        assert _is_our_client(request)
        self.revoked.append(request.form["token"])
        return Reply({})


@contextmanager
def providing() -> Iterator[Provider]:
    """Run a provider for as long as the block runs."""
    with issuing() as issuer:
        yield Provider(issuer)


def begin_sign_in(client: Client, *, next_path: str = "/") -> str:
    """Return the URL at the provider that the site sends the browser to."""
    response = client.get("/oidc/authenticate/", {"next": next_path})
    assert response.status_code == 302, response.content
    return str(response["Location"])


def sign_in(client: Client, provider: Provider, person: str, *, next_path: str = "/") -> Any:
    """Let `person` sign in with this browser, and return the site's answer to the callback."""
    url = begin_sign_in(client, next_path=next_path)
    return client.get("/oidc/callback/", provider.callback_for(url, person))


def _is_our_client(request: Request) -> bool:
    kind, _, encoded = request.headers.get("authorization", "").partition(" ")
    name, _, secret = base64.b64decode(encoded).decode().partition(":")
    return kind == "Basic" and (unquote(name), unquote(secret)) == (CLIENT_ID, CLIENT_SECRET)


def _half_hash(token: str, key: Key | None) -> str:
    # Ed25519 has SHA-512 inside; the other keys here sign with SHA-256.
    digest = hashlib.sha512 if isinstance(key, OKPKey) else hashlib.sha256
    whole = digest(token.encode()).digest()
    return _encoded(whole[: len(whole) // 2])


def _encoded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
