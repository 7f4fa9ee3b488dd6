"""What somebody else wrote reads as it was written, in the chat that shows the answer."""

from __future__ import annotations

import html
import re

import pytest

from demo.agents.markdown import plain
from portal.runs.markdown import render


@pytest.mark.parametrize(
    "text",
    [
        r"Lunch (Bob) [tentative] \(x\) \[y\]",
        "It costs $5, not $6, or $$7$$",
        "<b>bold</b> & [a link](https://example.com) ![x](y) &lt; &#91;",
        "*a* _b_ `c` ~~d~~ # e | f {g} + h!",
    ],
)
def test_it_reads_as_it_is(text: str) -> None:
    shown = "".join(render(plain(text)))

    assert html.unescape(re.sub(r"<[^>]*>", "", shown)).strip() == text
    assert re.findall(r"<(\w+)", shown) == ["p"]
