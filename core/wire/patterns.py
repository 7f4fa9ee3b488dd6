"""The models' patterns, matched in bounded time.

The patterns were written for Java: they match the whole value, and `\\w`, `\\d`, `\\s` mean ASCII.
Python's engine backtracks, and one match holds the whole process. So a value is measured before it
is matched, and a pattern over long values must be one that was looked at.
"""

import re
from collections.abc import Callable

# Squared, as a careless pattern costs, this is still a few milliseconds.
MAX_CHARS = 8192

# A JWT of 128 KiB without a second dot takes this one cubic time, as its dots match everything.
# What replaces it wants real dots and never looks back.
_JWT = "[A-Za-z0-9-_=]+.[A-Za-z0-9-_=]+.[A-Za-z0-9-_=]+"
_JWT_LINEAR = r"[A-Za-z0-9_=-]++\.[A-Za-z0-9_=-]++\.[A-Za-z0-9_=-]++"
# The model lets no ARN of an OAuth2 credential provider be tagged: neither as its own answers write
# it, with the service `acps`, nor as AWS's documentation does, with a digit in the kind.
_TAGGABLE = (
    "arn:(?:[^:]+)?:bedrock-agentcore:[a-z0-9-]+:[0-9]{12}:([a-z-]+/[^/]+)(?:/[a-z-]+/[^/]+)*"
)
_TAGGABLE_PROVIDERS = (
    "arn:[^:]*:(?:bedrock-agentcore|acps):[a-z0-9-]+:[0-9]{12}:[a-z-]+/[^/]+(?:/[a-z0-9-]+/[^/]+)*"
)
# An agent runs where its owner runs it, and its URL stands where AWS has an image of its registry.
# What is no URL is refused where it is read (`agents/wire/runtimes/`), in words that say so.
CONTAINER_URI = (
    r"(([0-9]{12})\.dkr\.ecr\.([a-z0-9-]+)\.amazonaws\.com(\.cn)?|public\.ecr\.aws)/"
    r"((?:[a-z0-9]+(?:[._-][a-z0-9]+)*/)*[a-z0-9]+(?:[._-][a-z0-9]+)*)"
    r"(?::([^:@]{1,300}))?(?:@(.+))?"
)
_WITHOUT_BLANKS = r"[^\s]+"
_READ_AS = {_JWT: _JWT_LINEAR, _TAGGABLE: _TAGGABLE_PROVIDERS, CONTAINER_URI: _WITHOUT_BLANKS}


class PatternRefused(ValueError):
    """A pattern of the model does not compile, or may take too long."""


def matcher(pattern: str, *, max_chars: int | None) -> Callable[[str], bool]:
    """Return what says whether a value of at most `max_chars` characters matches.

    Where the model sets no limit, a value of more than MAX_CHARS does not match.

    Raises:
        PatternRefused: Python cannot compile it, or the model allows longer values than
            `MAX_CHARS` and nobody has found it to be linear.
    """
    read_as = _READ_AS.get(pattern)
    if read_as is None and max_chars is not None and max_chars > MAX_CHARS:
        raise PatternRefused(f"{pattern!r} on {max_chars} characters: show that it is linear.")
    try:
        compiled = re.compile(read_as or pattern, re.ASCII)
    except re.error as error:
        raise PatternRefused(f"{pattern!r} does not compile: {error}") from error
    limit = max_chars or MAX_CHARS

    def matches(value: str) -> bool:
        return len(value) <= limit and compiled.fullmatch(value) is not None

    return matches
