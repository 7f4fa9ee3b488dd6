"""The Japanese catalogue: `make messages` brings it up to date, where no gettext is installed."""

import io
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_python
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po
from django.utils.translation.template import templatize

ROOT = Path(__file__).resolve().parent.parent
PO = ROOT / "locale/ja/LC_MESSAGES/django.po"
MO = PO.with_suffix(".mo")

ROOMS = ("agents", "core", "portal", "templates", "vault")

# What Django's makemessages looks for; those with a context have it first.
KEYWORDS = (
    "_",
    *("gettext", "gettext_lazy", "gettext_noop", "ngettext", "ngettext_lazy"),
    *("pgettext", "pgettext_lazy", "npgettext", "npgettext_lazy"),
)


def python_of(template: str, origin: str) -> str:
    """Returns a template as lines of calls to gettext; no indentation is left to be consistent."""
    return re.sub(r"^[ \t]+", "", templatize(template, origin=origin), flags=re.MULTILINE)


def messages_of(source: str) -> Iterator[tuple[str | tuple[str, str], str | None]]:
    """Yields each message of Python code, as its msgid (or singular and plural) and its context."""
    # Any: Babel declares other types than it yields: the function, then its arguments.
    calls: Iterable[tuple[int, Any, Any, Any]] = extract_python(
        io.BytesIO(source.encode()), dict.fromkeys(KEYWORDS), (), {"encoding": "utf-8"}
    )
    for _line, function, found, _comments in calls:
        arguments = found if isinstance(found, tuple) else (found,)
        context = None
        if "pgettext" in function:
            context, *rest = arguments
            arguments = tuple(rest)
        # What is not a literal, such as `_(name)`, arrives as None: it is wrapped elsewhere.
        if not arguments or not isinstance(arguments[0], str) or not arguments[0]:
            continue
        if function.startswith(("ngettext", "npgettext")):
            yield (arguments[0], str(arguments[1])), context
        else:
            yield arguments[0], context


def empty() -> Catalog:
    """Returns a Japanese catalogue of nothing."""
    return Catalog(
        locale="ja",
        project="Daiko",
        header_comment="# What Daiko says, in Japanese. `make messages` keeps it.",
        fuzzy=False,
    )


def extracted() -> Catalog:
    """Returns a catalogue of every message in the sources, with no translation."""
    catalog = empty()
    for room in ROOMS:
        for path in sorted((ROOT / room).rglob("*")):
            if path.suffix not in {".py", ".html", ".txt"} or "migrations" in path.parts:
                continue
            source = path.read_text(encoding="utf-8")
            if path.suffix != ".py":
                source = python_of(source, str(path))
            for msgid, context in messages_of(source):
                catalog.add(msgid, context=context)
    return catalog


def stored() -> Catalog:
    """Returns the catalogue as it is committed, or an empty one."""
    if not PO.exists():
        return empty()
    with PO.open("rb") as file:
        return read_po(file, locale="ja")


def compiled(catalog: Catalog) -> bytes:
    """Returns the .mo of a catalogue."""
    out = io.BytesIO()
    write_mo(out, catalog)
    return out.getvalue()


def update() -> None:
    """Writes locale/ja: adds what the sources gained, drops what they lost, compiles the rest."""
    catalog = stored()
    catalog.update(extracted(), no_fuzzy_matching=True, update_creation_date=False)
    catalog.obsolete.clear()
    PO.parent.mkdir(parents=True, exist_ok=True)
    with PO.open("wb") as file:
        write_po(file, catalog, sort_output=True, omit_header=False, width=100)
    MO.write_bytes(compiled(stored()))


if __name__ == "__main__":
    update()
