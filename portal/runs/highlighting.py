"""The colours of code: which language a block is in, and which of its characters are what.

What an agent calls a language picks one of those below or nothing; no name of its own gets any
further. Pygments' lexers take longer the longer the code is, on text that is meant for it with the
square of its length: how much of it they get is bounded by whoever asks, with `effort_of`.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from itertools import groupby

from pygments import lexers
from pygments.lexer import Lexer
from pygments.token import (
    Comment,
    Generic,
    Keyword,
    Literal,
    Name,
    Number,
    Operator,
    String,
    _TokenType,
)

from portal.runs import curly

_MAX_CHARS = 5_000
# What a character costs in any case.
_CHARS_AT_LEAST = 500

# The classes that a piece of code may have, by what it is; the nearest kind counts.
_KINDS = {
    Comment: "code-comment",
    Generic.Prompt: "code-comment",
    Generic.Heading: "code-comment",
    Generic.Subheading: "code-comment",
    Keyword: "code-keyword",
    Operator.Word: "code-keyword",
    Name.Tag: "code-keyword",
    String: "code-string",
    Literal: "code-string",
    Number: "code-number",
    Keyword.Constant: "code-number",
    Name.Function: "code-name",
    Name.Class: "code-name",
    Name.Decorator: "code-name",
    Name.Builtin: "code-name",
    Name.Attribute: "code-attribute",
    Name.Variable: "code-attribute",
    Generic.Inserted: "code-inserted",
    Generic.Deleted: "code-deleted",
}
CLASSES = frozenset(_KINDS.values())


@dataclass(frozen=True, slots=True)
class Language:
    """A language by its name for people, and the lexer that reads it."""

    name: str
    lexer: type[Lexer] | str


# By what agents write behind the fence. Missing are those whose lexers are slower than all others.
_BY_WORDS = {
    "bash sh shell zsh": Language("Shell", "BashLexer"),
    "console shell-session": Language("Console", "BashSessionLexer"),
    "c h": Language("C", curly.CLexer),
    "cpp c++ hpp": Language("C++", curly.CppLexer),
    "csharp c# cs": Language("C#", curly.CSharpLexer),
    "css": Language("CSS", "CssLexer"),
    "dart": Language("Dart", "DartLexer"),
    "diff patch": Language("Diff", "DiffLexer"),
    "dockerfile docker": Language("Dockerfile", "DockerLexer"),
    "elixir": Language("Elixir", "ElixirLexer"),
    "go golang": Language("Go", "GoLexer"),
    "graphql": Language("GraphQL", "GraphQLLexer"),
    "html": Language("HTML", "HtmlLexer"),
    "http": Language("HTTP", "HttpLexer"),
    "ini cfg properties": Language("INI", "IniLexer"),
    "java": Language("Java", curly.JavaLexer),
    "javascript js jsx mjs": Language("JavaScript", "JavascriptLexer"),
    "json jsonc": Language("JSON", "JsonLexer"),
    "kotlin kt": Language("Kotlin", "KotlinLexer"),
    "lua": Language("Lua", "LuaLexer"),
    "nginx": Language("nginx", "NginxConfLexer"),
    "perl": Language("Perl", "PerlLexer"),
    "php": Language("PHP", "PhpLexer"),
    "powershell ps1": Language("PowerShell", "PowerShellLexer"),
    "python py python3": Language("Python", "PythonLexer"),
    "pycon": Language("Python", "PythonConsoleLexer"),
    "r": Language("R", "SLexer"),
    "ruby rb": Language("Ruby", "RubyLexer"),
    "rust rs": Language("Rust", "RustLexer"),
    "scala": Language("Scala", "ScalaLexer"),
    "scss": Language("SCSS", "ScssLexer"),
    "sql postgresql mysql": Language("SQL", "SqlLexer"),
    "swift": Language("Swift", "SwiftLexer"),
    "toml": Language("TOML", "TOMLLexer"),
    "typescript ts tsx": Language("TypeScript", "TypeScriptLexer"),
    "xml svg": Language("XML", "XmlLexer"),
    "yaml yml": Language("YAML", "YamlLexer"),
}
LANGUAGES = {word: language for words, language in _BY_WORDS.items() for word in words.split()}

_making = threading.Lock()


def language_of(info: str) -> Language | None:
    """Return the language that the words behind a fence name, if it is known."""
    first = info.split(maxsplit=1)[:1]
    return LANGUAGES.get(first[0].lower()) if first else None


def effort_of(code: str) -> int | None:
    """Return what it takes to colour `code`; None where it is too long for that."""
    return len(code) * (len(code) + _CHARS_AT_LEAST) if len(code) <= _MAX_CHARS else None


def highlighted(code: str, language: Language) -> str:
    """Return `code` as HTML that reads as it was written, its pieces in spans of `CLASSES`."""
    pieces = list(_pieces(code, language))
    if "".join(text for _, text in pieces) != code:
        # A lexer that swallows or adds something must not change what is copied.
        return escape(code)
    grouped = groupby(pieces, key=lambda piece: piece[0])
    return "".join(_span(kind, "".join(text for _, text in group)) for kind, group in grouped)


def _span(kind: str, text: str) -> str:
    inner = escape(text)
    return f'<span class="{kind}">{inner}</span>' if kind else inner


def _pieces(code: str, language: Language) -> Iterator[tuple[str, str]]:
    for token, text in _lexer(language).get_tokens(code):
        yield _class_of(token), text


def _lexer(language: Language) -> Lexer:
    # Pygments reads a language's rules when it is first asked for, which two threads must not do at
    # once; some lexers note where they are in themselves, so each block has its own.
    with _making:
        known = language.lexer
        kind = getattr(lexers, known) if isinstance(known, str) else known
        lexer: Lexer = kind(stripnl=False, ensurenl=False, startinline=True)
        return lexer


def _class_of(token: _TokenType) -> str:
    kind: _TokenType | None = token
    while kind is not None:
        if kind in _KINDS:
            return _KINDS[kind]
        kind = kind.parent
    return ""
