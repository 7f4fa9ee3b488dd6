"""Rows about what a token of the issuer says: whose it is, when it is good, and for whom."""

from __future__ import annotations

from typing import Any

from tests.agents.authorizer.rows import (
    EXPIRED,
    ISSUER,
    LET_IN,
    NO_EXPIRY,
    NOBODY,
    NOT_YET,
    In,
    Make,
    Outcome,
    Row,
    by_hand,
    claims,
)
from tests.fixtures.issuer import Issuer


def each(claim: str, *values: Any, outcome: Outcome) -> list[Row]:
    """One row for each value of one claim."""
    return [_row(claim, value, claims(**{claim: value}), outcome) for value in values]


def _row(claim: str, value: Any, token: Make, outcome: Outcome) -> Row:
    said = f"{value:+.0f} s" if isinstance(value, In) else repr(value)[:30]
    return Row(f"{claim} {said}", "client", token, outcome)


def _iss(change: Any) -> Make:
    def make(issuer: Issuer) -> str:
        return issuer.token(iss=change(issuer.url))

    return make


ISSUERS = [
    *each("iss", None, "", 7, [], {}, "https://issuer.example", outcome=ISSUER),
    Row("iss with a slash", "client", _iss(lambda url: url + "/"), ISSUER),
    Row("iss in large letters", "client", _iss(str.upper), ISSUER),
    Row("iss with a blank", "client", _iss(lambda url: url + " "), ISSUER),
    Row("iss below it", "client", _iss(lambda url: url + "/a"), ISSUER),
    Row("iss above it", "client", _iss(lambda url: url.rpartition("/")[0]), ISSUER),
    Row("iss in a list", "client", _iss(lambda url: [url]), ISSUER),
    Row("iss with a null", "client", _iss(lambda url: url + "\0"), ISSUER),
]
TIMES = [
    *each("exp", In(5), In(300), In(86_400 * 365), In(0.5), In(-40), outcome=LET_IN),
    *each("exp", In(-61), In(-3600), 0, 1, -1, -1e11, 1.5, outcome=EXPIRED),
    *each("exp", None, True, False, "", "1999999999", "soon", outcome=NO_EXPIRY),
    *each("exp", [], [1999999999], {}, 1e12, 1e300, -1e300, 10**40, outcome=NO_EXPIRY),
    *each("nbf", In(0), In(50), In(-3600), 0, -5, None, outcome=LET_IN),
    *each("nbf", In(90), In(86_400), 1e11, outcome=NOT_YET),
    *each("nbf", "now", "", True, [], {}, 1e300, outcome=NOT_YET),
    *each("iat", In(0), In(50), In(-86_400), 0, None, outcome=LET_IN),
    *each("iat", In(90), In(86_400), "now", False, [0], 1e300, outcome=NOT_YET),
    Row("nbf null", "client", by_hand(None, None), LET_IN),
]
SUBJECTS = [
    *each("sub", "bob", "a", "a" * 255, "日本語", "ålice", "a b", "auth0|7", outcome=LET_IN),
    *each("sub", "<script>", "' or 1=1", "../..", "🦊", outcome=LET_IN),
    *each("sub", None, "", 7, True, [], ["alice"], {}, outcome=NOBODY),
    *each("sub", "a" * 256, "a\x00", "a\nb", "\t", "a\ud800", "a\u202eb", "a\x7f", outcome=NOBODY),
    *each("sub", "a\u2028b", "\ufeffa", outcome=NOBODY),
]
OTHERS = [
    *each("aud", None, [], 7, {}, "other", outcome=LET_IN),
    *each("scope", None, 7, [], outcome=LET_IN),
    *each("jti", None, "x", 7, outcome=LET_IN),
    *each("cnf", {"jkt": "x"}, outcome=LET_IN),
    *each("filling", "x" * 9000, ["x"] * 1500, outcome=LET_IN),
]
ROWS = [*ISSUERS, *TIMES, *SUBJECTS, *OTHERS]
