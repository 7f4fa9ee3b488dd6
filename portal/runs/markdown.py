"""An agent's markdown as HTML that may stand on a page, block by block.

Two walls, each of which would do alone: markdown-it makes no markup of raw HTML, and nh3 lets only
what is listed here through. What an agent says is not trusted: it may have read it anywhere.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence

import nh3
from markdown_it import MarkdownIt
from markdown_it.rules_block import StateBlock, table
from markdown_it.rules_core import StateCore
from markdown_it.token import Token

_TAGS = {
    "p", "br", "hr", "strong", "em", "s", "code", "pre", "blockquote", "ul", "ol", "li", "a",
    "h3", "h4", "h5", "h6", "table", "thead", "tbody", "tr", "th", "td", "span",
}  # fmt: skip
_NO_BREAK = "nowrap"
_ATTRIBUTES = {"a": {"href", "title"}, "ol": {"start"}}
_SCHEMES = {"http", "https", "mailto"}
# The page's own headings come before those of an answer.
_HEADING_SHIFT, _LOWEST_HEADING = 2, 6

# Marks inside one paragraph take time with the square of its length, and a row of a table has all
# the cells of its head, written or not. What goes beyond is shown as it was written.
_MAX_INLINE_CHARS = 8_000
_MAX_CELLS = 10_000
# Each block is an event of its own; from here on the rest is one.
_MAX_BLOCKS = 1_000

# A line of a table.
_ROW = re.compile(r" {0,3}\|")

# From one time of the day to another: after its dash a browser would begin a new line.
_TIMES = re.compile(r"(?<!\d)(\d{1,2}:\d{2}[-\u2013]\d{1,2}:\d{2})(?!\d)")

# Somewhere on the web, a mail address, or a page of this site; nothing that a browser has to guess.
_LINK = re.compile(r"https?://|mailto:|/(?![/\\])", re.IGNORECASE)


class _Markdown(MarkdownIt):
    """CommonMark with tables, without raw HTML and images: to fetch one tells its server things."""

    def __init__(self) -> None:
        super().__init__("commonmark", {"html": False})
        self.enable(["table", "strikethrough"]).disable("image")

    def validateLink(self, url: str) -> bool:
        """Say whether `url` may be linked to; if not, it stays text."""
        return _LINK.match(url) is not None


_MARKDOWN = _Markdown()


def _inline(state: StateCore) -> None:
    """Parse what stands in a block, in place of markdown-it's own rule."""
    for token in state.tokens:
        if token.type != "inline":
            continue
        token.children = []
        if len(token.content) <= _MAX_INLINE_CHARS:
            state.md.inline.parse(token.content, state.md, state.env, token.children)
            token.children = [part for child in token.children for part in _kept_whole(child)]
        else:
            token.children.append(Token("text", "", 0, content=token.content))


def _kept_whole(token: Token) -> list[Token]:
    """Return `token`, the times of the day in its text such that no line ends within them."""
    if token.type != "text":
        return [token]
    pieces = _TIMES.split(token.content)
    return [
        Token("html_inline", "", 0, content=f'<span class="{_NO_BREAK}">{piece}</span>')
        if odd
        else Token("text", "", 0, content=piece)
        for odd, piece in zip(itertools.cycle((False, True)), pieces, strict=False)
        if piece
    ]


def _table(state: StateBlock, first: int, end: int, silent: bool) -> bool:
    """Take a table for one, in place of markdown-it's own rule, while there are cells left."""
    if not table(state, first, end, True):
        return False
    if silent:
        return True
    columns = state.src[state.bMarks[first] : state.eMarks[first]].count("|") + 1
    rows = next((n for n in range(first, end) if state.isEmpty(n)), end) - first
    state.env["cells"] = state.env.get("cells", 0) + columns * rows
    return state.env["cells"] <= _MAX_CELLS and table(state, first, end, False)


_MARKDOWN.core.ruler.at("inline", _inline)
_MARKDOWN.block.ruler.at("table", _table, {"alt": ["paragraph", "reference"]})


class Blocks:
    """The blocks of a text that grows at its end.

    A block that another one follows no longer changes while text is appended, so that only the
    last is made again. What refers back (link definitions) is settled by `render` at the end.
    """

    def __init__(self) -> None:
        self._settled: list[str] = []
        self._start = 0

    def update(self, text: str) -> list[str]:
        """Return the HTML of each block of `text`, which begins with the text given before.

        Its lines end in "\\n" alone.
        """
        tail = _calm(text[self._start :])
        env: dict[str, object] = {}
        room = max(_MAX_BLOCKS - len(self._settled), 1)
        groups = _top_level(_MARKDOWN.parse(tail, env), room)
        if not groups:
            return list(self._settled)
        html = [_html(group, env) for group in groups]
        self._settled += html[:-1]
        first_line = (groups[-1][0].map or [0])[0]
        self._start += sum(len(line) + 1 for line in tail.split("\n")[:first_line])
        return [*self._settled, html[-1]]


def _calm(text: str) -> str:
    """Return a growing text without the end of it that is part of a table and may yet change.

    A table shows whole rows, and its head only with the line below it: until then it would be a
    paragraph full of bars.
    """
    *whole, under_way = text.split("\n")
    first = len(whole)
    while first and _ROW.match(whole[first - 1]):
        first -= 1
    rows = whole[first:]
    if not _ROW.match(under_way) and (under_way or len(rows) != 1):
        return text
    return "\n".join([*whole[:first], *(rows if len(rows) > 1 else []), ""])


def render(text: str) -> list[str]:
    """Return the HTML of each block of a whole text."""
    env: dict[str, object] = {}
    return [_html(group, env) for group in _top_level(_MARKDOWN.parse(text, env), _MAX_BLOCKS)]


def _top_level(tokens: Sequence[Token], most: int) -> list[list[Token]]:
    groups: list[list[Token]] = []
    depth = 0
    for token in tokens:
        if depth == 0 and len(groups) < most:
            groups.append([])
        groups[-1].append(token)
        depth += token.nesting
    return groups


def _html(tokens: Sequence[Token], env: dict[str, object]) -> str:
    for token in tokens:
        if token.type in {"heading_open", "heading_close"}:
            level = min(int(token.tag[1]) + _HEADING_SHIFT, _LOWEST_HEADING)
            token.tag = f"h{level}"
    return nh3.clean(
        _MARKDOWN.renderer.render(tokens, _MARKDOWN.options, env),
        tags=_TAGS,
        attributes=_ATTRIBUTES,
        allowed_classes={"span": {_NO_BREAK}},
        url_schemes=_SCHEMES,
        link_rel="noopener noreferrer nofollow",
        set_tag_attribute_values={"a": {"target": "_blank"}},
    ).strip()
