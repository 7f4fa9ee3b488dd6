"""Formulas in an answer: where one stands between its marks, and its LaTeX as MathML.

latex2mathml writes what it reads without escaping it, so only the tree that it makes is used: it is
written here, with the elements, attributes and values of the lists below and nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import escape, unescape
from typing import Any
from xml.etree.ElementTree import Element

from latex2mathml.converter import Converter
from markdown_it import MarkdownIt
from markdown_it.rules_block import StateBlock
from markdown_it.rules_inline import StateInline
from markdown_it.utils import EnvType

TAGS = {
    "math", "mrow", "mi", "mn", "mo", "mtext", "mspace", "mfrac", "msqrt", "mroot", "msub", "msup",
    "msubsup", "munder", "mover", "munderover", "mtable", "mtr", "mtd", "mstyle", "mphantom",
}  # fmt: skip
ATTRIBUTES = {
    "math": {"display"},
    "mi": {"mathvariant"},
    "mo": {"stretchy", "fence", "form", "minsize", "maxsize", "movablelimits"},
    "mspace": {"width"},
    "mfrac": {"linethickness"},
    "mover": {"accent"},
    "mstyle": {"displaystyle", "scriptlevel"},
    "mtd": {"columnalign"},
}
# How many parts it takes to draw one of these.
_ARITY = {
    "mfrac": 2, "mroot": 2, "msub": 2, "msup": 2, "munder": 2, "mover": 2,
    "msubsup": 3, "munderover": 3,
}  # fmt: skip
# Words of MathML, and lengths that do not lead out of the formula.
_VALUE = re.compile(
    r"true|false|block|inline|prefix|infix|postfix|normal|left|right|center|[0-2]"
    r"|-?0?\.\d{1,3}em|\d(?:\.\d{1,3})?em"
)
_REFERENCE = re.compile(r"&#x[0-9A-Fa-f]{1,6};")
# What is left of something that was not understood.
_UNKNOWN = re.compile(r"\\|&(?!#x)")
# These define commands, of which a few make millions; the last one doubles what stands in it.
_UNBOUNDED = re.compile(r"\\(?:re)?new|\\[gex]?def|\\Declare|\\let|\\sideset")
# What is written inside other marks of a formula, and is the same as this.
_SAME = {"aligned": "align*", "gathered": "align*", "equation": "align*", "equation*": "align*"}
_ENVIRONMENT = re.compile(r"\\(begin|end)\{(" + "|".join(map(re.escape, _SAME)) + r")\}")

_MAX_CHARS = 2_000
_MAX_LINES = 60
_MAX_DEPTH = 40
_MAX_CHARS_IN_ALL = 30_000

_DISPLAY = {"$$": "$$", "\\[": "\\]"}
_MARKS = {**_DISPLAY, "\\(": "\\)", "$": "$"}
# A price is none: nothing stands between the marks and what they enclose, and no digit or letter
# follows; nor does one stand before.
_DOLLARS = re.compile(r"\$(?=[^\s$])((?:[^\\$]|\\.)++)(?<!\s)\$(?![A-Za-z0-9_$])", re.DOTALL)
_WORD = re.compile(r"[A-Za-z0-9$]")


class _Unclear(ValueError):
    """It cannot be shown as a formula."""


def teach(markdown: MarkdownIt) -> None:
    """Let `markdown` know formulas, in lines of their own and between words."""
    interrupts = ["paragraph", "reference", "blockquote", "list"]
    markdown.block.ruler.before("fence", "formula", _in_lines, {"alt": interrupts})
    markdown.inline.ruler.before("escape", "formula", _between_words)
    markdown.add_render_rule("formula_block", _shown)
    markdown.add_render_rule("formula_inline", _shown)


def mathml(latex: str, *, display: bool) -> str | None:
    """Return LaTeX as MathML, or None where it is too long, or not understood."""
    if len(latex) > _MAX_CHARS or _UNBOUNDED.search(latex):
        return None
    latex = _ENVIRONMENT.sub(lambda found: f"\\{found[1]}{{{_SAME[found[2]]}}}", latex)
    try:
        tree = Converter(display="block" if display else "inline").convert_to_element(latex)
        return "".join(_written(tree, 0))
    except Exception:  # noqa: BLE001  (it stumbles in many ways over what is no LaTeX)
        return None


def _written(element: Element, depth: int) -> Iterator[str]:
    if depth > _MAX_DEPTH or len(element) != _ARITY.get(element.tag, len(element)):
        raise _Unclear
    tag = element.tag if element.tag in TAGS else "mrow"
    allowed = ATTRIBUTES.get(tag, set())
    attributes = "".join(
        f' {name}="{value}"'
        for name, value in element.attrib.items()
        if name in allowed and _VALUE.fullmatch(value)
    )
    text = element.text or ""
    if _UNKNOWN.search(text) and tag != "mtext":
        raise _Unclear
    yield f"<{tag}{attributes}>"
    yield escape(_REFERENCE.sub(lambda found: unescape(found[0]), text))
    for child in element:
        yield from _written(child, depth + 1)
    yield f"</{tag}>"


def _in_lines(state: StateBlock, first: int, end: int, silent: bool) -> bool:
    """Take a formula that begins a line and ends one, without an empty line within it."""
    begin = state.bMarks[first] + state.tShift[first]
    opening = state.src[begin : begin + 2]
    if opening not in _DISPLAY or state.is_code_block(first):
        return False
    closing = _DISPLAY[opening]
    for line in range(first, min(end, first + _MAX_LINES)):
        if line > first and (state.isEmpty(line) or state.sCount[line] < state.blkIndent):
            return False
        start = begin + 2 if line == first else state.bMarks[line] + state.tShift[line]
        at = state.src.find(closing, start, state.eMarks[line])
        if at >= 0:
            break
    else:
        return False
    if state.src[at + 2 : state.eMarks[line]].strip():
        return False
    lines = state.getLines(first, line + 1, state.blkIndent, False)
    latex = lines.strip()[2:-2]
    if not latex.strip():
        return False
    if not silent:
        state.line = line + 1
        token = state.push("formula_block", "math", 0)
        token.content, token.markup, token.map = latex, opening, [first, line + 1]
    return True


def _between_words(state: StateInline, silent: bool) -> bool:
    """Take a formula between its marks, before a backslash is read as anything else."""
    found = _found(state.src, state.pos, state.posMax)
    if found is None:
        return False
    opening, latex, after = found
    if not silent:
        token = state.push("formula_inline", "math", 0)
        token.content, token.markup = latex, opening
    state.pos = after
    return True


def _found(text: str, at: int, end: int) -> tuple[str, str, int] | None:
    """Return the mark and the LaTeX of the formula at `at`, and where it ends."""
    opening = text[at : at + 2]
    closing = _MARKS.get(opening)
    if closing is not None:
        close = text.find(closing, at + 2, end)
        # A bracket that is escaped so that it is no link is none of a formula either.
        if close < 0 or not text[at + 2 : close].strip() or text[close + 2 : close + 3] == "(":
            return None
        return opening, text[at + 2 : close], close + 2
    if at and _WORD.match(text[at - 1]):
        return None
    match = _DOLLARS.match(text, at, end)
    return None if match is None else ("$", match[1], match.end())


def _shown(_renderer: object, tokens: Any, index: int, _options: object, env: EnvType) -> str:
    """Return the formula, or what was written where it is none that can be shown."""
    token = tokens[index]
    opening, latex = token.markup, token.content
    left = env.setdefault("formulas", _MAX_CHARS_IN_ALL)
    is_display = opening in _DISPLAY
    formula = mathml(latex, display=is_display) if len(latex) <= left else None
    env["formulas"] = max(left - len(latex), 0)
    if formula is None:
        written = escape(f"{opening}{latex}{_MARKS[opening]}")
        return f"<pre><code>{written}</code></pre>\n" if token.block else written
    return f'<span class="formula">{formula}</span>' if is_display else formula
