"""Tables, plots and pages of the bench say what was measured, and read well in any light."""

from pathlib import Path
from xml.etree import ElementTree

import pytest

from bench import plot
from bench.plot import Bars
from bench.proxies import first_token
from bench.proxies.rates import DIRECT, middle
from bench.report import Found, Row, Table
from bench.written import written

SVG = "{http://www.w3.org/2000/svg}"
GATEWAY = "this gateway"


def found() -> Found:
    seen = {
        DIRECT: {"per_second": 100, "p50_ms": 0.25, "p99_ms": 1, "cpu_ms": 9, "refused": 0},
        GATEWAY: {"per_second": 99, "p50_ms": 1.5, "p99_ms": 4.0, "cpu_ms": 0.3, "refused": 2},
    }
    return Found(
        rows=[Row("nginx", 20_000), Row(GATEWAY, 5_000, baselines=["nginx"])],
        tables=[first_token.table(seen, streams=200)],
        notes=["Without haproxy: it is not installed."],
    )


def test_a_table_says_what_each_proxy_adds_to_the_way_without_one() -> None:
    direct, through = found().tables[0].rows

    assert direct == [DIRECT, "100", "0.2", "1.0", "", "", "", "0"]
    assert through == [GATEWAY, "99", "1.5", "4.0", "1.2", "3.0", "0.30", "2"]


def test_the_round_in_the_middle_stands_for_all_and_keeps_every_refusal() -> None:
    rounds = [Row("x", 30, refused=1), Row("x", 10), Row("x", 20, refused=2)]

    assert middle(rounds) == Row("x", 20, refused=3)


def test_what_was_found_is_told_whole() -> None:
    text = found().text()

    assert "| this gateway | 5,000 |" in text
    assert "0.25 nginx" in text
    assert "### First token, 200 streams at once\n\n| what | begun a second |" in text
    assert text.endswith("Without haproxy: it is not installed.")


def test_a_table_of_its_own_aligns_numbers_to_the_right() -> None:
    table = Table("Memory", ("requests", "MiB"), [["10,000", "120.5"]])

    assert table.text().splitlines()[2:] == [
        "| requests | MiB |",
        "| --- | ---: |",
        "| 10,000 | 120.5 |",
    ]


def test_a_plot_is_a_picture_for_light_and_for_dark_with_a_name_and_no_script() -> None:
    drawn = plot.of(found())
    root = ElementTree.fromstring(drawn)  # noqa: S314  (it was just made here)

    assert root.get("role") == "img"
    assert "Added to the first token, p99" in str(root.get("aria-label"))
    assert "prefers-color-scheme: dark" in drawn
    assert "<script" not in drawn
    assert [bar.get("class") for bar in root.iter(f"{SVG}rect")][:2] == ["bar", "bar ours"]


def test_bars_are_as_long_as_what_they_say_and_noise_below_nothing_has_none() -> None:
    drawn = plot.drawn([Bars("t", [("a", 10, "10"), ("b", 5, "5"), ("c", -1, "-1")])])
    bars = ElementTree.fromstring(drawn).iter(f"{SVG}rect")  # noqa: S314  (it was just made here)
    longest, half, none = [float(str(bar.get("width"))) for bar in bars]

    assert half == pytest.approx(longest / 2, abs=0.1)
    assert none == 0


def test_names_in_a_plot_are_text() -> None:
    drawn = plot.drawn([Bars("<b>", [("a & b", 1, "1")])])

    assert "&lt;b&gt;" in drawn
    assert "a &amp; b" in drawn


def test_a_page_is_written_with_machine_date_commit_and_command(tmp_path: Path) -> None:
    written(
        str(tmp_path / "new"),
        "gateway",
        found(),
        about="a machine",
        command="python -m bench --only x",
    )

    page = (tmp_path / "new" / "gateway.md").read_text(encoding="utf-8")
    assert "gateway.svg" in page
    assert ": a machine." in page
    assert "    python -m bench --only x" in page
    assert (tmp_path / "new" / "gateway.svg").read_text(encoding="utf-8").startswith("<svg")
