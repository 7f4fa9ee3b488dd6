"""Formulas in an answer are read as such, prices are not, and neither brings any markup along."""

from __future__ import annotations

import re
from collections.abc import Callable

import nh3
import pytest

from portal.runs import formulas, markdown
from portal.runs.formulas import ATTRIBUTES, TAGS, mathml
from portal.runs.markdown import Blocks, render

X = '<math display="inline"><mrow><mi>x</mi></mrow></math>'
X_BY_ITSELF = '<span class="formula"><math display="block"><mrow><mi>x</mi></mrow></math></span>'


def shown(text: str) -> str:
    return "\n".join(render(text))


@pytest.mark.parametrize("written", ["$x$", r"\(x\)", r"\( x \)"])
def test_a_formula_between_words_stands_between_them(written: str) -> None:
    assert shown(f"So {written}, and *then* {written}.") == f"<p>So {X}, and <em>then</em> {X}.</p>"


@pytest.mark.parametrize("written", ["$$x$$", "$$\nx\n$$", "\\[x\\]", "\\[\n  x\n\\]"])
def test_a_formula_on_lines_of_its_own_is_a_block(written: str) -> None:
    whole = ["<p>So</p>", X_BY_ITSELF, "<p>and then</p>"]

    assert render(f"So\n\n{written}\n\nand then") == whole
    assert render(f"So\n{written}\nand then") == whole


def test_formulas_stand_in_lists_quotes_and_tables() -> None:
    html = shown("- a $x$\n- $$\n  x\n  $$\n\n> \\[x\\]\n\n| a |\n|---|\n| $x$ |")

    assert html.count(X) == 2
    assert html.count(X_BY_ITSELF) == 2


@pytest.mark.parametrize(
    "text",
    [
        "$5 and $6",
        "It costs $5, or $ 6$.",
        "from $5-$10 a day",
        "$HOME/$USER and a$b$c",
        "US$5/US$6",
        "$$",
        "$$ $$",
        "$$$",
        "$x",
        "$x\n\ny$",
        "$$x\n\ny$$",
        r"\(x",
    ],
)
def test_a_price_is_no_formula(text: str) -> None:
    assert "<math" not in shown(text)
    assert "$" in shown(text) or "(x" in shown(text)


@pytest.mark.parametrize("text", [r"\$x$", r"`$x$`", "```\n$$x$$\n```", "    $$\n    x\n    $$"])
def test_what_is_escaped_or_code_is_no_formula(text: str) -> None:
    assert "<math" not in shown(text)


def test_a_bracket_that_is_no_link_is_no_formula_either() -> None:
    assert shown(r"\[a\](https://a.example)") == "<p>[a](https://a.example)</p>"


def test_marks_of_emphasis_in_a_formula_are_its_own() -> None:
    html = shown("$a_1 * b_2$ and $c * d_3$")

    assert "<em>" not in html
    assert html.count("<msub>") == 3


@pytest.mark.parametrize(
    "latex, holds",
    [
        (r"\frac{a}{b}", "<mfrac><mrow><mi>a</mi></mrow><mrow><mi>b</mi></mrow></mfrac>"),
        (r"\sqrt[3]{x}", "<mroot><mrow><mi>x</mi></mrow><mn>3</mn></mroot>"),
        ("a < b", "<mo>&lt;</mo>"),
        (r"\mathbb{R}", "<mi>\u211d</mi>"),
        (r"\begin{pmatrix}a & b\\ c & d\end{pmatrix}", "<mtd><mi>d</mi></mtd>"),
        (r"\begin{aligned}a&=b\\c&=d\end{aligned}", '<mtd columnalign="right"><mi>c</mi></mtd>'),
        (r"\text{a < b}", "<mtext>a\u00a0&lt;\u00a0b</mtext>"),
        (r"\left( x \right)", '<mo stretchy="true" fence="true" form="prefix">(</mo>'),
    ],
)
def test_what_people_write_is_understood(latex: str, holds: str) -> None:
    assert holds in (mathml(latex, display=True) or "")


@pytest.mark.parametrize("latex", [r"\foo{x}", r"\frac{a", r"x^", r"a & b", r"\end{x}", r"\right)"])
def test_what_is_not_understood_is_shown_as_it_was_written(latex: str) -> None:
    written = latex.replace("&", "&amp;")

    assert shown(f"a ${latex}$ b") == f"<p>a ${written}$ b</p>"
    assert shown(f"$$\n{latex}\n$$") == f"<pre><code>$$\n{written}\n$$</code></pre>"


HOSTILE = [
    r"\text{<script>alert(1)</script>}",
    r"\text{&#x3c;img src=x onerror=alert(1)&#x3e;}",
    r"\href{javascript:alert(1)}{x}",
    r"\style{position:fixed}{x}",
    r"\class{banner}{x}",
    r"\color{red}{x}",
    r"\hspace{99em}x\kern-99em y\raise9em{x}\rule{99em}{99em}",
    r"\colorbox{black}{x}\boxed{x}\fcolorbox{a}{b}{x}",
    '\\hspace{1em" onclick="alert(1)}',
    r"\operatorname{<b>}\unicode{x3c}",
    r"<img src=x onerror=alert(1)>",
]


@pytest.mark.parametrize("latex", HOSTILE)
def test_no_formula_brings_markup_along(latex: str) -> None:
    html = mathml(latex, display=False) or ""

    names = {name for names in ATTRIBUTES.values() for name in names}
    for tag, attributes in re.findall(r"</?(\w*)([^>]*)>", html):
        assert tag in TAGS
        assert set(re.findall(r"([\w:-]+)=", attributes)) <= names
    assert not re.search(r"script:|fixed|banner|99em|black|red", html)


@pytest.mark.parametrize(
    "break_wall",
    [
        lambda patch: patch.setattr(formulas, "mathml", lambda latex, display: f"<mi>{latex}</mi>"),
        lambda patch: patch.setattr(nh3, "clean", lambda html, **_: html),
    ],
    ids=["without the writer", "without the sanitiser"],
)
def test_each_wall_would_do_alone(
    break_wall: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    break_wall(monkeypatch)
    attacks = [
        "<script>alert(1)</script>",
        "<maction actiontype='x'>x</maction>",
        '<a href="javascript:alert(1)">x</a>',
        "<annotation-xml encoding='text/html'><img src=x onerror=alert(1)></annotation-xml>",
        "<mtext style='position:fixed' onclick='alert(1)' xlink:href='x'>x</mtext>",
    ]
    for attack in (*attacks, *HOSTILE):
        html = "".join(markdown.render(f"$${attack}$$"))
        assert not re.search(r"<(script|img|maction|annotation-xml)\b", html)
        assert not re.search(r"<[^>]*(\bon\w+=|style=|href=\W?javascript)", html)


@pytest.mark.parametrize(
    "latex",
    [
        r"\newcommand{\a}{xx}\a",
        r"\def\a{xx}\a",
        r"\DeclareMathOperator{\a}{x}\a",
        r"\newenvironment{a}{x}{y}\begin{a}\end{a}",
        r"\sideset{_a}{_b}{x}",
        "{" * 60 + "x" + "}" * 60,
        "{" * 900 + "x" + "}" * 900,
        "x" * 2001,
    ],
)
def test_what_may_grow_without_end_is_not_read(latex: str) -> None:
    assert mathml(latex, display=True) is None


def test_formulas_beyond_the_limit_of_a_text_are_shown_as_they_were_written() -> None:
    formula = "x" * 1900

    html = render(f"${formula}$\n\n" * 20)

    assert ["<math" in block for block in html] == [True] * 15 + [False] * 5
    assert html[-1] == f"<p>${formula}$</p>"


def test_a_formula_that_grows_settles_as_a_whole_one() -> None:
    text = "So\n\n$$\n\\frac{a}{b}\n$$\n\n- $x$ is\n- \\[y\\]\n\nend"
    blocks = Blocks()
    seen: list[str] = []
    for end in range(len(text) + 1):
        seen = blocks.update(text[:end])

    assert seen == render(text)
