"""Code in an answer is coloured, and nothing else about it changes."""

from __future__ import annotations

import re
from html import unescape

import nh3
import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.runs import highlighting, markdown
from portal.runs.highlighting import CLASSES, LANGUAGES, highlighted, language_of
from portal.runs.markdown import Blocks, render

HOSTILE = "</span><script>alert(1)</script> '<img src=x onerror=alert(1)>' \"&lt;\" # <b class=x>\n"
SOURCES = {
    "python": "def read(day):\n    return 'today'  # soon\n",
    "json": '{"day": 1}\n',
    "sql": "SELECT 'a' FROM days -- all\n",
    "java": '@Override public int days() { return 1; } // "all"\n',
    "c": "#include <time.h>\nint days(void) { return 0x1; } /* all\n */\n",
    "diff": "-old\n+new\n",
    "php": "$day = 'today';\n",
}


def text_of(html: str) -> str:
    return unescape(re.sub(r"<[^>]*>", "", html))


def coloured(code: str, language: str) -> str:
    return highlighted(code, LANGUAGES[language])


def test_a_block_is_coloured_under_the_name_of_its_language() -> None:
    [html] = render("```py title=x\ndef f():\n    return '<b>'\n```")

    assert html == (
        '<figure class="code"><figcaption>Python</figcaption><pre><code>'
        '<span class="code-keyword">def</span> <span class="code-name">f</span>():\n'
        '    <span class="code-keyword">return</span> '
        "<span class=\"code-string\">'&lt;b&gt;'</span>\n"
        "</code></pre></figure>"
    )


@pytest.mark.parametrize("language", SOURCES)
def test_what_is_coloured_reads_as_it_was_written(language: str) -> None:
    html = coloured(SOURCES[language], language)

    assert "<span" in html
    assert text_of(html) == SOURCES[language]


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_language_lets_markup_through(language: str) -> None:
    html = coloured(HOSTILE, language)

    assert set(re.findall(r"<[^>]*>", html)) <= {"</span>"} | {
        f'<span class="{kind}">' for kind in CLASSES
    }
    assert text_of(html) == HOSTILE


@given(st.text(max_size=60), st.sampled_from(sorted(LANGUAGES)))
def test_no_text_comes_out_changed(code: str, language: str) -> None:
    assert text_of(coloured(code, language)) == code


@pytest.mark.parametrize("info", ["", "  ", "klingon", "py<b>", "python-", "<script>"])
def test_a_language_nobody_knows_is_neither_coloured_nor_named(info: str) -> None:
    assert language_of(info) is None
    assert render(f"```{info}\ndef f(): pass\n```") == ["<pre><code>def f(): pass\n</code></pre>"]


def test_a_block_is_coloured_once_it_is_whole() -> None:
    text = "```py\nreturn 1\n\n```"
    blocks = Blocks()
    seen = [blocks.update(text[:end]) for end in range(6, len(text) + 1)]

    assert all("<figcaption>Python</figcaption>" in html for [html] in seen)
    assert ["<span" in html for [html] in seen] == [False] * (len(seen) - 1) + [True]
    assert seen[-1] == render(text)


@pytest.mark.parametrize("text", ["> ```py\n> return\n\nafter", "```py\nreturn", "```py\nreturn\n"])
def test_a_block_that_nobody_closed_is_shown_plain(text: str) -> None:
    assert "<span" not in "".join(render(text))


def test_a_block_inside_a_list_or_a_quote_is_coloured() -> None:
    html = "".join(render("- a\n\n  ```py\n  return\n  ```\n\n> ```py\n> return\n> ```"))

    assert html.count('<span class="code-keyword">return</span>') == 2


def test_code_that_is_too_long_is_shown_plain_and_whole() -> None:
    code = "return 1\n" * 600

    [html] = render(f"```py\n{code}```")

    assert "<span" not in html
    assert code in html
    assert "Python" in html


def test_blocks_beyond_the_effort_of_a_text_are_shown_plain() -> None:
    block = "```py\n" + "return 1\n" * 300 + "```\n\n"

    shown = ["<span" in html for html in render(block * 8 + "```py\nreturn\n```")]

    assert shown == [True] * 3 + [False] * 5 + [True]


def test_a_lexer_that_changes_the_code_is_not_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(highlighting, "_pieces", lambda code, language: [("code-name", "other")])

    assert coloured("a < b", "python") == "a &lt; b"


def test_no_other_class_gets_through_the_second_wall(monkeypatch: pytest.MonkeyPatch) -> None:
    odd = '<span class="code-name evil" style="x" id="y" onclick="z">a</span><b>c</b>'
    monkeypatch.setattr(highlighting, "highlighted", lambda code, language: odd)

    [html] = render("```py\nx\n```")

    assert '<span class="code-name">a</span>c' in html
    assert not re.search(r"evil|style|id=|onclick|<b>", html)


def test_the_first_wall_would_do_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nh3, "clean", lambda html, **_: html)

    for info in ("py", "py><script>", "html"):
        [html] = markdown.render(f"```{info}\n{HOSTILE}```")
        assert not re.search(r"<(script|img|b)\b", html)
