"""The templates, modules and styles of the site, as text."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
STATIC = ROOT / "portal" / "static" / "portal"
TEMPLATES = {
    str(path.relative_to(ROOT / "templates")): path.read_text()
    for path in sorted((ROOT / "templates").rglob("*.html"))
}
MODULES = {path.name: path.read_text() for path in sorted((STATIC / "js").glob("*.js"))}


def imports_of(module: str) -> set[str]:
    """Return the modules that `module` imports, and theirs."""
    found: set[str] = set()
    waiting = [module]
    while waiting:
        named = re.findall(r'^import .* from "\./([\w.]+)";$', MODULES[waiting.pop()], re.MULTILINE)
        waiting += [name for name in named if name not in found]
        found |= set(named)
    return found
