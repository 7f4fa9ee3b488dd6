"""Scopes: as providers write them, and as people read them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _

from core.errors import InvalidRequest

# OpenID Connect's own. Many servers answer without them, or under other names, though they granted
# what was asked; none of them gives access to a resource.
_NOT_REPEATED = frozenset({"openid", "profile", "email", "address", "phone", "offline_access"})
_TOKEN = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+")  # RFC 6749 section 3.3
# Lists of them are held against each other in the database, which takes the product of both.
MAX_ASKED = 256
_MAX_CHARS = 128  # of one, as the wire API has it


@dataclass(frozen=True, slots=True)
class ScopeInWords:
    """One scope as a person reads it; `words` is empty where nobody wrote any."""

    name: str
    words: str


def parsed(asked: Iterable[str]) -> list[str]:
    """Return the scopes that a caller asks for, each once.

    Raises:
        InvalidRequest: there are too many, or one of them is too long, or not a scope token of RFC
            6749 section 3.3.
    """
    found = {token for text in asked for token in text.split()}
    if len(found) > MAX_ASKED:
        raise InvalidRequest(f"More than {MAX_ASKED} scopes are asked for.")
    for token in found:
        if not _TOKEN.fullmatch(token):
            raise InvalidRequest("A scope holds characters that RFC 6749 does not allow.")
        if len(token) > _MAX_CHARS:
            raise InvalidRequest(f"A scope has more than {_MAX_CHARS} characters.")
    return sorted(found)


def granted(answered: str | None, *, asked: Iterable[str]) -> list[str]:
    """Return the scopes of a token from what the token endpoint said (RFC 6749 section 5.1).

    Nothing said means "as asked".
    """
    asked = set(asked)
    if answered is None:
        return sorted(asked)
    said = {token for token in answered.split() if _TOKEN.fullmatch(token)}
    return sorted(said | (asked & _NOT_REPEATED))


def in_words(names: Iterable[str], words: Mapping[str, Mapping[str, str]]) -> list[ScopeInWords]:
    """Return the scopes `names` in the language of the reader, else in the site's, else bare."""
    language = (get_language() or settings.LANGUAGE_CODE).partition("-")[0]
    found = []
    for name in names:
        known = words.get(name, {})
        fallback = known.get(settings.LANGUAGE_CODE) or known.get("en") or ""
        found.append(ScopeInWords(name, known.get(language) or fallback))
    return found


def check_words(value: Any) -> None:
    """Refuse a value that is not `{scope: {language: words}}`. Raises ValidationError."""
    languages = {code for code, _name in settings.LANGUAGES}
    if not isinstance(value, dict):
        raise ValidationError(_("Enter an object of scopes."))
    for scope, words in value.items():
        if not isinstance(words, dict) or not words:
            raise ValidationError(
                _("“%(scope)s” needs words by language."), params={"scope": scope}
            )
        for language, text in words.items():
            if language not in languages or not isinstance(text, str) or not text.strip():
                raise ValidationError(
                    _("“%(scope)s”: “%(language)s” is not a language of this site with words."),
                    params={"scope": scope, "language": language},
                )
