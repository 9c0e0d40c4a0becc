"""RE2's patterns as Java's."""

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
"""Escapes that Java takes for other characters than RE2 does, outside of a class."""

MULTILINE = re.compile(r"\(\?[a-z]*m")


def java_pattern(pattern: str) -> str:
    """Return a pattern of RE2 as java.util.regex takes it, for the whole text.

    Lines end at line feeds only, and case is that of Unicode. What can't be said in both is
    refused by the contract (internal/contract, differs).
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
    """Report whether the whole text matches a pattern of RE2."""
    return text.rlike(java_pattern(pattern))
