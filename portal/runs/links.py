"""The links to consents in the answer of an agent on AWS, found in its text and in its events.

A link may come whole in one event, in an event of a kind that the agent's author made up, or letter
by letter, as a model writes. So what may become a link is held back until it is known to be one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from agents.aws.consents import Link, link_to, start_of
from portal.runs.decoded import ConsentLink, Decoded, Text

# The name of a request at AWS has so many characters. A shorter one that stands at the end of a
# piece may go on in the next.
_USUAL_NAME_CHARS = 48
# A request's URN does not end with a full stop: that is the sentence's. What an agent may have put
# behind it is no part of the link that is followed.
_REQUEST = r"[A-Za-z0-9\-._~%:]{0,1000}[A-Za-z0-9\-_~%]"
_MORE = r"(?:[&#][^\s<>()\[\]\"'`\\]{0,1000})?"
_UNFINISHED = re.compile(rf"[A-Za-z0-9\-._~%:]{{0,1001}}{_MORE}")
# A link of markdown, from its label to where its address has come to.
_LABEL = r"\[(?P<label>[^\[\]\n]{0,300})\]"
_LABELLED = re.compile(r"\[[^\[\]\n]{0,300}(?:\](?:\((?P<address>[^\s<>()]*))?)?")
_IN_ITS_PLACE = "…"
# More than an answer has cards for.
_MAX_LINKS = 50


class Links:
    """Finds the links that lead to `host`, in one answer."""

    def __init__(self, host: str) -> None:
        self._host = host
        self._start = start_of(host)
        start = re.escape(self._start)
        self._bare = re.compile(rf"{start}(?P<request>{_REQUEST}){_MORE}")
        self._link = re.compile(
            rf"{_LABEL}\({start}(?P<labelled>{_REQUEST}){_MORE}\)"
            rf"|<?{start}(?P<request>{_REQUEST}){_MORE}>?"
        )
        self._held = ""
        self._seen: set[str] = set()

    def in_text(self, text: str, *, in_pieces: bool) -> Iterator[Decoded]:
        """Yield as much of the text as is known, and the links in it.

        `in_pieces`: where it ends tells nothing of what its author wrote.
        """
        came_at = len(self._held)
        self._held += text
        at, opened = 0, self._opens_at(0)
        while found := self._link.search(self._held, at):
            if opened <= found.start():  # it may go on, or become the address of a label
                came_whole = not in_pieces and found.start() >= came_at
                if opened < found.start() or not (came_whole and _is_usual(found)):
                    break
                opened = self._opens_at(found.end())
            yield from self._split_at(found, at)
            at = found.end()
        if at < opened:
            yield Text(self._held[at:opened])
        self._held = self._held[opened:]

    def rest(self) -> Iterator[Decoded]:
        """Yield what was held back, since no more of it comes."""
        at = 0
        while found := self._link.search(self._held, at):
            yield from self._split_at(found, at)
            at = found.end()
        if at < len(self._held):
            yield Text(self._held[at:])
        self._held = ""

    def in_event(self, data: str) -> Iterator[ConsentLink]:
        """Yield the links in the data of an event, other than in one that is a text."""
        if "request_uri" not in data:
            return
        try:
            value = json.loads(data)
        except (ValueError, RecursionError):
            return  # it is a text
        if not isinstance(value, str):
            yield from self.in_value(value)

    def in_value(self, value: Any) -> Iterator[ConsentLink]:
        """Yield the links anywhere in a value of JSON, but for those that were found before."""
        waiting = [value]
        while waiting:
            each = waiting.pop()
            if isinstance(each, dict):
                waiting.extend(each.values())
            elif isinstance(each, list):
                waiting.extend(each)
            elif isinstance(each, str):
                for found in self._bare.finditer(each):
                    is_whole = found.end() < len(each) or _is_usual(found)
                    link = self._link_of(found["request"]) if is_whole else None
                    if link is not None and link.session_uri not in self._seen:
                        self._seen.add(link.session_uri)
                        yield ConsentLink(link)

    def _split_at(self, found: re.Match[str], at: int) -> Iterator[Decoded]:
        """Yield what is held from `at` to a link, and the link."""
        if at < found.start():
            yield Text(self._held[at : found.start()])
        link = self._link_of(found["labelled"] or found["request"])
        if link is None:
            yield Text(found[0])
            return
        self._seen.add(link.session_uri)
        label = found["label"] or ""
        instead = _IN_ITS_PLACE if not label or self._start in label else label
        yield ConsentLink(link, text=found[0], instead=instead)

    def _link_of(self, request: str) -> Link | None:
        link = link_to(self._host, request)
        known = link is not None and link.session_uri in self._seen
        return link if known or len(self._seen) < _MAX_LINKS else None

    def _opens_at(self, at: int) -> int:
        """Return where in what is held, from `at`, something begins that may become a link."""
        held = self._held
        label = held.rfind("[", at)
        if label >= 0 and (found := _LABELLED.fullmatch(held, label)):
            address = found["address"]
            if address is None or self._may_become(address):
                return label
        begun = held.rfind(self._start, at)
        if begun < 0 or not self._may_become(held[begun:]):
            begun = len(held) - next(
                (n for n in range(len(self._start), 0, -1) if held.endswith(self._start[:n], at)), 0
            )
        return begun - 1 if begun > at and held[begun - 1] == "<" else begun

    def _may_become(self, address: str) -> bool:
        if address.startswith(self._start):
            return _UNFINISHED.fullmatch(address, len(self._start)) is not None
        return self._start.startswith(address)


def _is_usual(found: re.Match[str]) -> bool:
    """Say whether a request's name is as long as they are, and so has come to its end."""
    name = found["request"].rpartition("%3A")[2].rpartition(":")[2]
    return len(name) >= _USUAL_NAME_CHARS
