"""Patterns as policies have them: `*` stands for anything, `?` for one character."""

from __future__ import annotations


def matches(pattern: str, value: str) -> bool:
    """Say whether the whole of `value` is as `pattern` has it.

    Only the last star is ever gone back to, so that no pattern takes longer than the product of
    both lengths. A regular expression made of many stars would not end.
    """
    at = seen = after_star = covered = 0
    while seen < len(value):
        if pattern[at : at + 1] == "*":
            at += 1
            after_star, covered = at, seen
        elif at < len(pattern) and pattern[at] in ("?", value[seen]):
            at, seen = at + 1, seen + 1
        elif after_star:
            covered += 1
            at, seen = after_star, covered
        else:
            return False
    return not pattern[at:].strip("*")
