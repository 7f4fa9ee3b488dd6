"""An agent's markdown as HTML that may stand on a page, block by block.

Two walls, each of which would do alone: markdown-it makes no markup of raw HTML, and nh3 lets only
what is listed here through. What an agent says is not trusted: it may have read it anywhere.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from html import escape

import nh3
from markdown_it import MarkdownIt
from markdown_it.parser_block import RuleFuncBlockType
from markdown_it.rules_block import StateBlock, blockquote, list_block, table
from markdown_it.rules_core import StateCore
from markdown_it.token import Token
from markdown_it.utils import EnvType, OptionsDict

from portal.runs import formulas, highlighting

_TAGS = {
    "p", "br", "hr", "strong", "em", "s", "code", "pre", "blockquote", "ul", "ol", "li", "a",
    "h3", "h4", "h5", "h6", "table", "thead", "tbody", "tr", "th", "td", "span",
    "figure", "figcaption", *formulas.TAGS,
}  # fmt: skip
_NO_BREAK = "nowrap"
_ATTRIBUTES = {"a": {"href", "title"}, "ol": {"start"}, **formulas.ATTRIBUTES}
_CLASSES = {"span": {_NO_BREAK, "formula", *highlighting.CLASSES}, "figure": {"code"}}
_SCHEMES = {"http", "https", "mailto"}
# The page's own headings come before those of an answer.
_HEADING_SHIFT, _LOWEST_HEADING = 2, 6

# What one text may ask for in all. What goes beyond is shown as it was written, and none of it
# hangs on a clock: the same text always looks the same.
# Lines take time each, and once more for each quote and list around them.
_MAX_LINES = 4_000
_MAX_DEPTH = 6
_MAX_CONTAINERS = 1_000
# Marks inside one paragraph take time with the square of its length: each is looked for in the
# rest of it, and makes tokens besides.
_MARK = re.compile(r"[][*_~`<&!$\\\n]")
_CHARS_PER_MARK = 500
_MAX_EFFORT = 20_000_000
_MAX_INLINE_CHARS = 8_000
# Colours of code take time of their own.
_MAX_COLOURING = 30_000_000
# A row of a table has all the cells of its head, written or not.
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
        if _is_bearable(token.content, state.env):
            state.md.inline.parse(token.content, state.md, state.env, token.children)
            token.children = [part for child in token.children for part in _kept_whole(child)]
        else:
            token.children.append(Token("text", "", 0, content=token.content))


def _is_bearable(content: str, env: EnvType) -> bool:
    """Say whether there is effort left for the marks in `content`, and take it."""
    effort = len(_MARK.findall(content)) * (len(content) + _CHARS_PER_MARK)
    left = env.setdefault("effort", _MAX_EFFORT)
    if len(content) > _MAX_INLINE_CHARS or effort > left:
        return False
    env["effort"] = left - effort
    return True


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


def _contained(rule: RuleFuncBlockType) -> RuleFuncBlockType:
    """Return `rule`, for a quote or a list, such that few of them stand in each other."""

    def contained(state: StateBlock, first: int, end: int, silent: bool) -> bool:
        depth, opened = state.env.get("depth", 0), state.env.get("containers", 0)
        if depth >= _MAX_DEPTH or opened >= _MAX_CONTAINERS:
            return False
        if silent:
            return rule(state, first, end, True)
        state.env["depth"] = depth + 1
        try:
            found = rule(state, first, end, False)
        finally:
            state.env["depth"] = depth
        if found:
            state.env["containers"] = state.env.get("containers", 0) + 1
        return found

    return contained


def _fence(
    _renderer: object, tokens: Sequence[Token], index: int, _options: OptionsDict, env: EnvType
) -> str:
    """Return a fenced block, under the name of its language where that is known."""
    token = tokens[index]
    language = highlighting.language_of(token.info)
    if language is None:
        return f"<pre><code>{escape(token.content)}</code></pre>\n"
    code = (
        highlighting.highlighted(token.content, language)
        if _is_closed(token) and _may_be_coloured(token.content, env)
        else escape(token.content)
    )
    name = escape(language.name)
    return (
        f'<figure class="code"><figcaption>{name}</figcaption>'
        f"<pre><code>{code}</code></pre></figure>\n"
    )


def _is_closed(fence: Token) -> bool:
    """Say whether the block has both its fences: what still grows is coloured once it is whole."""
    first, end = fence.map or (0, 0)
    content = fence.content
    return content[-1:] in {"", "\n"} and end - first == content.count("\n") + 2


def _may_be_coloured(code: str, env: EnvType) -> bool:
    """Say whether there is effort left to colour `code`, and take it."""
    effort, left = highlighting.effort_of(code), env.setdefault("colouring", _MAX_COLOURING)
    if effort is None or effort > left:
        return False
    env["colouring"] = left - effort
    return True


_INTERRUPTS = ["paragraph", "reference", "blockquote"]
_MARKDOWN.core.ruler.at("inline", _inline)
_MARKDOWN.add_render_rule("fence", _fence)
formulas.teach(_MARKDOWN)
_MARKDOWN.block.ruler.at("table", _table, {"alt": ["paragraph", "reference"]})
_MARKDOWN.block.ruler.at("blockquote", _contained(blockquote), {"alt": [*_INTERRUPTS, "list"]})
_MARKDOWN.block.ruler.at("list", _contained(list_block), {"alt": _INTERRUPTS})


class Blocks:
    """The blocks of a text that grows at its end.

    A block that another one follows no longer changes while text is appended, so that only the
    last is made again. What refers back (link definitions) is settled by `render` at the end.
    """

    def __init__(self) -> None:
        self._settled: list[str] = []
        self._start = 0
        self._lines = 0

    def update(self, text: str) -> list[str]:
        """Return the HTML of each block of `text`, which begins with the text given before.

        Its lines end in "\\n" alone.
        """
        tail = _calm(text[self._start :])
        env: EnvType = {}
        room = max(_MAX_BLOCKS - len(self._settled), 1)
        groups = _groups(tail, env, blocks=room, lines=_MAX_LINES - self._lines)
        if not groups:
            return list(self._settled)
        html = [_html(group, env) for group in groups]
        self._settled += html[:-1]
        first_line = (groups[-1][0].map or [0])[0]
        self._lines += first_line
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
    env: EnvType = {}
    groups = _groups(text, env, blocks=_MAX_BLOCKS, lines=_MAX_LINES)
    return [_html(group, env) for group in groups]


def _groups(text: str, env: EnvType, *, blocks: int, lines: int) -> list[list[Token]]:
    """Return the tokens of each block; the last one is all that is beyond `lines`, unread."""
    read = text.split("\n", lines)
    beyond = read.pop() if len(read) > lines else ""
    groups = _top_level(_MARKDOWN.parse("\n".join(read), env), blocks)
    if beyond.strip():
        groups.append([Token("code_block", "code", 0, content=beyond, map=[lines, lines])])
    return groups


def _top_level(tokens: Sequence[Token], most: int) -> list[list[Token]]:
    groups: list[list[Token]] = []
    depth = 0
    for token in tokens:
        if depth == 0 and len(groups) < most:
            groups.append([])
        groups[-1].append(token)
        depth += token.nesting
    return groups


def _html(tokens: Sequence[Token], env: EnvType) -> str:
    for token in tokens:
        if token.type in {"heading_open", "heading_close"}:
            level = min(int(token.tag[1]) + _HEADING_SHIFT, _LOWEST_HEADING)
            token.tag = f"h{level}"
    return nh3.clean(
        _MARKDOWN.renderer.render(tokens, _MARKDOWN.options, env),
        tags=_TAGS,
        attributes=_ATTRIBUTES,
        allowed_classes=_CLASSES,
        url_schemes=_SCHEMES,
        link_rel="noopener noreferrer nofollow",
        set_tag_attribute_values={"a": {"target": "_blank"}},
    ).strip()
