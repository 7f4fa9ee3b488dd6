"""Plots as SVG: what is seen of numbers, and what is heard of them."""

from __future__ import annotations

from xml.etree import ElementTree

from core import plots

SVG = "{http://www.w3.org/2000/svg}"


def drawn(*values: int, **said: str) -> ElementTree.Element:
    told = {"name": "p", "title": "Calls", "told": "3 in all", "first": "00:00", "last": "23:00"}
    text = str(plots.columns(values, **{**told, **said}))
    return ElementTree.fromstring(  # noqa: S314  (our own)
        text.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1)
    )


def heights(svg: ElementTree.Element) -> list[float]:
    return [float(rect.attrib["height"]) for rect in svg.iter(f"{SVG}rect")]


def test_a_column_is_as_tall_as_its_number_and_nothing_has_none() -> None:
    svg = drawn(0, 50, 100)

    half, whole = heights(svg)
    assert whole == 2 * half


def test_what_is_little_beside_much_is_seen() -> None:
    assert min(heights(drawn(1, 1_000_000))) >= 1


def test_columns_stay_within_the_picture() -> None:
    svg = drawn(*range(30))

    _x, _y, width, height = (float(number) for number in svg.attrib["viewBox"].split())
    for rect in svg.iter(f"{SVG}rect"):
        place = {name: float(rect.attrib[name]) for name in ("x", "y", "width", "height")}
        assert place["x"] >= 0 and place["x"] + place["width"] <= width
        assert place["y"] >= 0 and place["y"] + place["height"] <= height


def test_who_hears_it_hears_a_title_and_a_sentence() -> None:
    svg = drawn(1, 2)

    by_id = {one.attrib.get("id"): one.text for one in svg.iter()}
    assert [by_id[name] for name in svg.attrib["aria-labelledby"].split()] == ["Calls", "3 in all"]
    assert svg.attrib["role"] == "img"


def test_nothing_at_all_is_an_empty_plot() -> None:
    assert heights(drawn(0, 0)) == []
    assert heights(drawn()) == []


def test_words_are_text_and_the_picture_brings_no_style_of_its_own() -> None:
    text = str(plots.columns([1], name="p", title="<script>", told="", first="<b>", last=""))

    assert "<script>" not in text
    assert "<b>" not in text
    assert "style" not in text
