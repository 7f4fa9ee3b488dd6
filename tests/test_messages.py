"""The catalogue knows every message of the sources, and the site reads what it says."""

import re
from typing import Any

from babel.messages.catalog import Catalog, Message

from tests.messages import MO, compiled, extracted, messages_of, python_of, stored


def keys(catalog: Catalog) -> set[str]:
    return {
        f"{message.context or ''}|{message.id if isinstance(message.id, str) else message.id[0]}"
        for message in catalog
        if message.id
    }


def said(message: Message) -> tuple[str, ...]:
    """Return the translation; one that has a plural has each form of it."""
    string: Any = message.string  # Babel declares more than a file that was read has
    return (string,) if isinstance(string, str) else tuple(string)


def test_the_catalogue_holds_what_the_sources_say_and_nothing_else() -> None:
    there, asked = keys(stored()), keys(extracted())

    assert sorted(asked - there) == [], "run `make messages`, then translate these"
    assert sorted(there - asked) == [], "run `make messages`: nothing says these any more"


def test_the_compiled_catalogue_is_of_the_one_that_people_edit() -> None:
    assert compiled(stored()) == MO.read_bytes(), "run `make messages`"


def test_code_gives_its_messages_with_plurals_and_contexts() -> None:
    source = """
say(_("one" " line"), gettext_lazy("lazy"), ngettext("%d day", "%d days", n), _(name))
pgettext("verb", "grant")
"""
    assert list(messages_of(source)) == [
        ("one line", None),
        ("lazy", None),
        (("%d day", "%d days"), None),
        ("grant", "verb"),
    ]


def test_templates_give_theirs_whatever_stands_around_them() -> None:
    template = """
    <p title="it's {% translate "Sign in" %}">''' {# not this #}
  {% translate "Open" context "door" %}
      {% blocktranslate count n=total trimmed %}
        {{ n }} agent
      {% plural %}
        {{ n }} agents
      {% endblocktranslate %}</p>"""
    assert list(messages_of(python_of(template, "a template"))) == [
        ("Sign in", None),
        ("Open", "door"),
        (("%(n)s agent", "%(n)s agents"), None),
    ]


def test_everything_is_translated() -> None:
    left = [message.id for message in stored() if message.id and not all(said(message))]

    assert left == [], "in locale/ja/LC_MESSAGES/django.po; then `make messages`"


# Placeholders of Python and of the pages, and tags.
_FILLED = re.compile(r"%\(\w+\)[sd]|%[sd%]|\{\w*\}|</?\w+[^>]*>")


def test_a_translation_fills_in_what_its_message_does_and_keeps_its_markup() -> None:
    wrong = []
    for message in stored():
        asked = message.id if isinstance(message.id, str) else message.id[-1]
        if asked:
            parts = sorted(_FILLED.findall(asked))
            wrong += [text for text in said(message) if sorted(_FILLED.findall(text)) != parts]

    assert wrong == []
