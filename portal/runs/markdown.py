"""An agent's markdown as HTML that may stand on a page, block by block.

Two walls, each of which would do alone: markdown-it makes no markup of raw HTML, and nh3 lets only
what is listed here through. What an agent says is not trusted: it may have read it anywhere.
"""

from __future__ import annotations

from collections.abc import Sequence

import nh3
from markdown_it import MarkdownIt
from markdown_it.token import Token

_TAGS = {
    "p", "br", "hr", "strong", "em", "s", "code", "pre", "blockquote", "ul", "ol", "li", "a",
    "h3", "h4", "h5", "h6", "table", "thead", "tbody", "tr", "th", "td",
}  # fmt: skip
_ATTRIBUTES = {"a": {"href", "title"}, "ol": {"start"}}
_SCHEMES = {"http", "https", "mailto"}
# The page's own headings come before those of an answer.
_HEADING_SHIFT, _LOWEST_HEADING = 2, 6

# No images: fetching one tells its server what the agent wants it to know.
_MARKDOWN = (
    MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"]).disable("image")
)


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
        tail = text[self._start :]
        env: dict[str, object] = {}
        groups = _top_level(_MARKDOWN.parse(tail, env))
        if not groups:
            return list(self._settled)
        html = [_html(group, env) for group in groups]
        self._settled += html[:-1]
        first_line = (groups[-1][0].map or [0])[0]
        self._start += sum(len(line) + 1 for line in tail.split("\n")[:first_line])
        return [*self._settled, html[-1]]


def render(text: str) -> list[str]:
    """Return the HTML of each block of a whole text."""
    env: dict[str, object] = {}
    return [_html(group, env) for group in _top_level(_MARKDOWN.parse(text, env))]


def render_whole(text: str) -> str:
    """Return a whole text as one piece of HTML."""
    return "\n".join(render(text))


def _top_level(tokens: Sequence[Token]) -> list[list[Token]]:
    groups: list[list[Token]] = []
    depth = 0
    for token in tokens:
        if depth == 0:
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
        url_schemes=_SCHEMES,
        link_rel="noopener noreferrer nofollow",
        set_tag_attribute_values={"a": {"target": "_blank"}},
    ).strip()
