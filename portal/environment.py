"""What the site is told by its environment: each variable is read once, in one form.

Whatever is wrong is found here, before Django or Celery reads a setting, because a Celery worker
ignores what system checks say. All that is wrong is told together, a sentence for each variable;
no sentence holds the value of a secret, nor what another library says about one.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar, cast
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured
from kombu.transport import TRANSPORT_ALIASES
from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict
from redis.connection import parse_url

from core import keyring

T = TypeVar("T")

_LOCAL = {"localhost", "127.0.0.1", "::1"}
_MIN_SECRET_KEY_CHARS = 50
# A key by its own ARN: what an alias names may change, and what it had wrapped would not open.
_KMS_KEY = re.compile(r"arn:aws(-cn|-us-gov)?:kms:[a-z0-9-]+:[0-9]{12}:key/[A-Za-z0-9-]{36}")


class Misconfigured(ImproperlyConfigured):
    """Variables of the environment are wrong. Its text is for whoever set them."""


class _Wrong(Exception):
    """A value is wrong; says how, as what follows the variable's name in a sentence."""


@contextmanager
def told_plainly() -> Iterator[None]:
    """End the process with what is wrong in its environment, instead of with a traceback."""
    try:
        yield
    except Misconfigured as exc:
        sys.exit(str(exc))


@dataclass(frozen=True)
class Form(Generic[T]):
    """How a variable is written: in words, and what reads it (raises _Wrong or ValueError)."""

    words: str
    read: Callable[[str], T]


class Environment:
    """Reads variables, each from `NAME` or from the file that `NAME_FILE` names."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        self._variables = variables
        self._wrong: list[str] = []

    def read(self, name: str, form: Form[T], *, default: str | None = None) -> T:
        """Return the value of a variable, which is required unless there is a default.

        What is wrong with it is kept for `refuse_what_is_wrong`; until then the value is None.
        """
        try:
            return form.read(self._text(name, default))
        except _Wrong as exc:
            wrong = str(exc)
        except ValueError:  # a parser's; its message may quote the value
            wrong = "cannot be read"
        self._wrong.append(f"{name} {wrong}: it has to be {form.words}.")
        return cast(T, None)

    def refuse_what_is_wrong(self) -> None:
        """Raise Misconfigured unless everything that was read is right."""
        if self._wrong:
            raise Misconfigured("\n".join(self._wrong))

    def _text(self, name: str, default: str | None) -> str:
        value, path = self._variables.get(name), self._variables.get(f"{name}_FILE")
        if value and path:
            raise _Wrong(f"and {name}_FILE are both set, of which one has to go")
        if path:
            return _content(Path(path), name)
        if value is None:
            value = default
        if value is None:
            raise _Wrong(f"is not set, and neither is {name}_FILE")
        return value


def _content(path: Path, name: str) -> str:
    """Return what is in a file, without the line end that editors put behind it."""
    try:
        return path.read_text(encoding="utf-8").rstrip("\r\n")
    except OSError as exc:
        raise _Wrong(f"cannot be read from {name}_FILE ({exc.strerror})") from None
    except UnicodeDecodeError:
        raise _Wrong(f"cannot be read from {name}_FILE (it is not UTF-8)") from None


def text(words: str) -> Form[str]:
    """Return the form of a value that may be anything but empty."""
    return Form(words, _not_empty)


def listed(words: str) -> Form[list[str]]:
    """Return the form of words separated by commas, of which there may be none."""
    return Form(words, _words)


def given_to(names: Collection[str]) -> Form[dict[str, frozenset[str]]]:
    """Return the form of `name=group` separated by commas, a name of `names` as often as needed."""

    def read(value: str) -> dict[str, frozenset[str]]:
        found: dict[str, set[str]] = {}
        for word in _words(value):
            name, _is, group = (part.strip() for part in word.partition("="))
            if name not in names or not group:
                raise _Wrong(f"holds {word!r}")
            found.setdefault(name, set()).add(group)
        return {name: frozenset(groups) for name, groups in found.items()}

    return Form(f"name=group separated by commas, a name being {_either(names)}", read)


def whole(*, least: int, most: int) -> Form[int]:
    """Return the form of a whole number within bounds."""

    def read(value: str) -> int:
        if not re.fullmatch(r"[0-9]{1,9}", value) or not least <= int(value) <= most:
            raise _Wrong(f"is {value!r}")
        return int(value)

    return Form(f"a whole number from {least} to {most}", read)


def one_of(*choices: str) -> Form[str]:
    """Return the form of a value that is one of `choices`."""

    def read(value: str) -> str:
        if value not in choices:
            raise _Wrong(f"is {value!r}")
        return value

    return Form(_either(choices), read)


def _either(choices: Collection[str]) -> str:
    *others, last = choices
    return f"{', '.join(others)} or {last}"


def _not_empty(value: str) -> str:
    if not value:
        raise _Wrong("is empty")
    return value


def _words(value: str) -> list[str]:
    return [word.strip() for word in value.split(",") if word.strip()]


def _told(value: str) -> str:
    """Return a wrong address as a sentence quotes it: not where it may hold a password."""
    return "holds a user or a password" if "@" in value else f"is {value!r}"


def _site_url(value: str) -> str:
    """Return an origin that sends no cookie in clear across a network."""
    parts = urlsplit(value.rstrip("/"))
    secure = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOCAL)
    bare = not (parts.path or parts.query or parts.fragment or "@" in parts.netloc)
    if not (secure and bare and parts.hostname and parts.port != 0):
        raise _Wrong(_told(value))
    return value.rstrip("/")


def _secret_key(value: str) -> str:
    if len(_not_empty(value)) < _MIN_SECRET_KEY_CHARS:
        raise _Wrong("is so short that it could be guessed")
    return value


def _key_ring(value: str) -> str:
    try:
        keyring.parse(_not_empty(value))
    except ImproperlyConfigured as exc:
        raise _Wrong(f"cannot be read ({exc})") from None
    return value


def _kms_key(value: str) -> str:
    if value and not _KMS_KEY.fullmatch(value):
        raise _Wrong(_told(value))
    return value


def _database(value: str) -> dict[str, str]:
    """Return libpq's own reading, so that whatever psql takes is right here too."""
    try:
        found = {key: str(part) for key, part in conninfo_to_dict(_not_empty(value)).items()}
    except ProgrammingError:
        raise _Wrong("cannot be read") from None
    # What a password with an unescaped character looks like; libpq would quote it in its errors.
    if "@" in found.get("host", "") or not re.fullmatch(r"[0-9,]*", found.get("port", "")):
        raise _Wrong("has a host or a port that cannot be one")
    if not found.get("dbname") and not found.get("service"):
        raise _Wrong("names no database")
    return found


def _redis(value: str) -> str:
    parse_url(_not_empty(value))  # type: ignore[no-untyped-call]  # redis-py has no type here
    if "@" in urlsplit(value).path:
        raise _Wrong("has a host that cannot be one")
    return value


def _broker(value: str) -> str:
    transport = urlsplit(_not_empty(value)).scheme.partition("+")[0]
    if transport not in TRANSPORT_ALIASES:
        raise _Wrong("does not begin with a scheme that Celery knows")
    return value


def _issuer(value: str) -> str:
    # Whether it may be asked is a system check, which knows the hosts that are listed.
    parts = urlsplit(_not_empty(value))
    if not parts.hostname or "@" in parts.netloc:
        raise _Wrong(_told(value))
    return value


def _short_names(value: str) -> list[str]:
    names = _words(value)
    for name in names:
        if not re.fullmatch(r"[a-z][a-z0-9]{0,19}", name) or names.count(name) > 1:
            raise _Wrong(f"holds {name!r}")
    return names


def _issuers(value: str) -> list[str]:
    # A system check looks at each and quotes it.
    listed = _words(value)
    if any("@" in issuer for issuer in listed):
        raise _Wrong(_told(value))
    return listed


def _private_hosts(value: str) -> list[str]:
    hosts = _words(value)
    for host in hosts:
        if "*" in host or "/" in host:
            raise _Wrong(_told(value) if "@" in host else f"holds {host!r}")
    return hosts


SITE_URL: Form[str] = Form("scheme, host and port, with https except on localhost", _site_url)
SECRET_KEY: Form[str] = Form(f"at least {_MIN_SECRET_KEY_CHARS} random characters", _secret_key)
KEY_RING: Form[str] = Form(
    "id:base64 of 32 random bytes, newest first, separated by commas or line ends", _key_ring
)
KMS_KEY: Form[str] = Form(
    "the ARN of a symmetric key in AWS KMS, not of an alias, such as "
    "arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab",
    _kms_key,
)
DATABASE: Form[dict[str, str]] = Form(
    "a URL such as postgresql://user:password@host:5432/name, "
    "with special characters of the password percent-encoded",
    _database,
)
REDIS: Form[str] = Form("a URL such as redis://host:6379/0, rediss://… or unix:///path", _redis)
BROKER: Form[str] = Form(
    "a URL such as redis://host:6379/1 or, for a socket, redis+socket:///path; "
    "where it is not set, it is REDIS_URL",
    _broker,
)
ISSUER: Form[str] = Form(
    "the https URL of your identity provider, as its metadata names it", _issuer
)
SHORT_NAMES: Form[list[str]] = Form(
    "different words of a-z and 0-9 that begin with a letter, of at most 20 characters, "
    "separated by commas",
    _short_names,
)
ISSUERS: Form[list[str]] = Form("https URLs separated by commas", _issuers)
PRIVATE_HOSTS: Form[list[str]] = Form(
    "host names separated by commas, without scheme, port or wildcard", _private_hosts
)
PORT: Form[int] = whole(least=1, most=65535)
LOG_LEVEL: Form[str] = one_of("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
