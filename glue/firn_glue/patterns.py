"""The translation of RE2 patterns to Java patterns."""

from __future__ import annotations

import re

from pyspark.sql import Column as Expression

WORD = "[0-9A-Za-z_]"
SPACE = r"\t\n\f\r "
TRANSLATED = {
    "s": f"[{SPACE}]",
    "S": f"[^{SPACE}]",
    "b": f"(?:(?<={WORD})(?!{WORD})|(?<!{WORD})(?={WORD}))",
    "B": f"(?:(?<={WORD})(?={WORD})|(?<!{WORD})(?!{WORD}))",
}
"""Escapes outside of a class that match different characters in Java and in RE2."""

MULTILINE = re.compile(r"\(\?[a-z]*m")


def java_pattern(pattern: str) -> str:
    """Return the java.util.regex pattern of an RE2 pattern. The pattern matches the whole text.

    Lines end at line feeds only, and case follows Unicode. A contract can't have a pattern without
    an equal Java pattern (internal/contract, differs).
    """
    parts: list[str] = []
    in_class, i = False, 0
    while i < len(pattern):
        c = pattern[i]
        if c == "\\" and i + 1 < len(pattern):
            escaped = pattern[i + 1]
            i += 2
            if escaped == "Q":
                end = pattern.find("\\E", i)
                end = len(pattern) if end < 0 else end
                parts.append(re.escape(pattern[i:end]))
                i = end + 2
            elif in_class:
                parts.append(SPACE if escaped == "s" else "\\" + escaped)
            else:
                parts.append(TRANSLATED.get(escaped, "\\" + escaped))
            continue
        if c == "[":
            in_class = True
        elif c == "]":
            in_class = False
        elif c == "$" and not in_class and not MULTILINE.search(pattern):
            c = r"\z"
        parts.append(c)
        i += 1
    return rf"\A(?du:{''.join(parts)})\z"


def matches(text: Expression, pattern: str) -> Expression:
    """Return whether the whole text matches an RE2 pattern."""
    return text.rlike(java_pattern(pattern))
