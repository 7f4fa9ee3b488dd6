"""Lexers of the languages that look like C, each of whose rules reads on and never back.

Pygments' own guess at where a function begins by looking ahead over whole lines, again at each of
them: what they take grows with the square of the code, and steeply.
"""

from __future__ import annotations

from typing import Any, ClassVar

from pygments.lexer import RegexLexer, words
from pygments.token import Comment, Keyword, Name, Number, String, Text

_COMMON = (
    "break", "case", "const", "continue", "default", "do", "else", "enum", "for", "goto", "if",
    "return", "static", "switch", "void", "while",
)  # fmt: skip
_TYPES = ("bool", "boolean", "byte", "char", "double", "float", "int", "long", "short")
_OBJECTS = (
    "abstract", "catch", "class", "false", "finally", "import", "interface", "new", "null",
    "private", "protected", "public", "super", "this", "throw", "true", "try", "using", "var",
)  # fmt: skip


def _rules(*more: str) -> dict[str, list[Any]]:
    return {
        "root": [
            (r"\s+", Text),
            (r"//[^\n]*", Comment),
            (r"/\*(?:[^*]++|\*(?!/))*+(?:\*/)?", Comment),
            (r"#[ \t]*[a-z]\w*", Keyword),
            (r'[@$]?"(?:[^"\\\n]++|\\.)*+"?', String),
            (r"'(?:[^'\\\n]++|\\.)*+'?", String),
            (words((*_COMMON, *_TYPES, *more), prefix=r"\b", suffix=r"\b"), Keyword),
            (r"@\w++", Name.Decorator),
            (r"\d[\w.]*+", Number),
            (r"[^\W\d]\w*+(?=\()", Name.Function),
            (r"[^\W\d]\w*+", Name),
            (r".", Text),
        ]
    }


class CLexer(RegexLexer):
    """C."""

    tokens: ClassVar = _rules(
        *("extern", "inline", "NULL", "register", "signed", "sizeof", "size_t", "struct"),
        *("typedef", "union", "unsigned", "volatile"),
    )


class CppLexer(RegexLexer):
    """C++."""

    tokens: ClassVar = _rules(
        *_OBJECTS,
        *("auto", "constexpr", "delete", "explicit", "extern", "friend", "inline", "namespace"),
        *("noexcept", "nullptr", "operator", "override", "signed", "sizeof", "size_t", "struct"),
        *("template", "typedef", "typename", "union", "unsigned", "virtual"),
    )


class CSharpLexer(RegexLexer):
    """C#."""

    tokens: ClassVar = _rules(
        *_OBJECTS,
        *("as", "async", "await", "base", "decimal", "foreach", "get", "in", "internal", "is"),
        *("namespace", "object", "out", "override", "readonly", "record", "ref", "sealed", "set"),
        *("string", "struct", "virtual", "yield"),
    )


class JavaLexer(RegexLexer):
    """Java."""

    tokens: ClassVar = _rules(
        *_OBJECTS,
        *("assert", "extends", "final", "implements", "instanceof", "native", "package", "record"),
        *("sealed", "synchronized", "throws", "transient", "volatile", "yield"),
    )
