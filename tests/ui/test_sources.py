"""Rules that hold for every template, module and style, checked on their text."""

from __future__ import annotations

import re
from html import unescape

import pytest

from tests.ui.sources import MODULES, STATIC, TEMPLATES, imports_of

BRAND = {"Daiko", "CSV", "JSON", "Lines", "OCSF"}  # and the names of formats
SPOKEN_ATTRIBUTES = re.compile(r'\b(?:aria-label|placeholder|title|alt)="([^"]*)"')


@pytest.mark.parametrize("name", TEMPLATES)
def test_no_template_carries_script_or_style_or_trusts_markup(name: str) -> None:
    text = TEMPLATES[name]

    assert not re.search(r"<style|\sstyle=|\son\w+=|javascript:", text)
    assert not re.search(r"<script(?![^>]*\ssrc=)", text)
    assert not re.search(r"\|\s*safe\b|autoescape|\|\s*safeseq", text)
    for link in re.findall(r"<a\b[^>]*target=[^>]*>", text):
        assert "noopener" in link


@pytest.mark.parametrize("name", TEMPLATES)
def test_every_word_of_a_template_can_be_translated(name: str) -> None:
    text = re.sub(
        # Comments, what is for a machine, and blocks that stand within an attribute.
        r"\{#.*?#\}|<pre\b.*?</pre>|\{% block (?:main_attributes|coltype) .*?endblock %\}",
        "",
        TEMPLATES[name],
        flags=re.DOTALL,
    )
    text = re.sub(r"\{% blocktranslate.*?endblocktranslate %\}", "{%%}", text, flags=re.DOTALL)
    spoken = SPOKEN_ATTRIBUTES.findall(text)
    text = re.sub(r"\{%.*?%\}|\{\{.*?\}\}", "", text)
    text = re.sub(r"<!doctype[^>]*>|<[^>]*>", " ", text, flags=re.IGNORECASE)

    assert set(re.findall(r"[^\W\d_]+", unescape(text))) <= BRAND
    assert all("{%" in words or "{{" in words or not words for words in spoken)


def test_only_the_blocks_of_an_answer_become_markup() -> None:
    ways_in = re.compile(
        r"\.(?:inner|outer)HTML\b|insertAdjacentHTML|document\.write|\beval\b|new Function"
        r"|createContextualFragment|setHTML|DOMParser|srcdoc"
    )
    found = [(name, way) for name, text in MODULES.items() for way in ways_in.findall(text)]

    assert found == [("answer.js", ".innerHTML")]


def test_a_page_loads_its_modules_at_once_and_no_others() -> None:
    chat = set(
        re.findall(
            r"modulepreload\" href=\"\{% static 'portal/js/([\w.]+)'", TEMPLATES["portal/chat.html"]
        )
    )

    assert chat == imports_of("chat.js") | imports_of("sidebar.js")
    script = re.compile(r"<script type=\"module\" src=\"\{% static 'portal/js/([\w.]+)'")
    pages = set(script.findall("".join(TEMPLATES.values())))
    assert pages.union(*map(imports_of, pages)) == set(MODULES)


def test_every_word_and_part_that_a_module_names_is_on_the_page() -> None:
    page = "".join(TEMPLATES.values())
    for name, text in MODULES.items():
        for word in re.findall(r'\bword\("([\w-]+)"', text):
            assert f'data-word="{word}"' in page, (name, word)
        for part in re.findall(r'\bpart\([^()"]+, "([\w-]+)"\)', text):
            assert f'data-part="{part}"' in page, (name, part)
        for action in re.findall(r'\baction\([^()"]+, "([\w-]+)"\)', text):
            assert f'data-action="{action}"' in page, (name, action)
        for template in re.findall(r'\bmake\("([\w-]+)"\)', text):
            assert f'<template id="{template}">' in page, (name, template)


def test_every_icon_is_drawn_and_every_drawing_used() -> None:
    drawn = set(re.findall(r'<symbol id="(\w+)"', (STATIC / "icons.svg").read_text()))
    used = set(re.findall(r'_icon\.html" with name="(\w+)"', "".join(TEMPLATES.values())))

    assert drawn == used


def test_whoever_signs_out_anywhere_is_signed_out_in_every_tab() -> None:
    forms = re.findall(r"<form[^>]*oidc_logout[^>]*>", "".join(TEMPLATES.values()))
    assert forms
    assert all("data-sign-out" in form for form in forms)
    for base in ("base.html", "admin/base_site.html"):
        assert "portal/js/site.js" in TEMPLATES[base]
        assert "portal/_signed_out_template.html" in TEMPLATES[base]
