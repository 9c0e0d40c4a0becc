"""Check that SQL files parse in outline: quotes, comments and parentheses are closed."""

import re
import sys
from pathlib import Path

TOKEN = re.compile(
    r"'(?:[^']|'')*'"  # a text
    r'|"(?:[^"]|"")*"'  # a quoted name
    r"|\$\$.*?\$\$"  # a scripting block
    r"|--[^\n]*|//[^\n]*|/\*.*?\*/"  # comments
    r"|\{#.*?#\}|\{%.*?%\}|\{\{.*?\}\}"  # Jinja
    r"|['\"(){}]",  # what must come in pairs
    re.DOTALL,
)


def fault(sql: str) -> str | None:
    """Return what is wrong with a file's text, or None."""
    depth = 0
    words = TOKEN.sub("", sql).strip()
    if not words and "{%" not in sql:
        return "it holds no statement"
    for token in TOKEN.findall(sql):
        if token == "(":
            depth += 1
        elif token == ")":
            depth -= 1
            if depth < 0:
                return "a parenthesis is closed that was never opened"
        elif token in ("'", '"', "{", "}"):
            return f"{token} is never closed"
    return "a parenthesis is never closed" if depth else None


def main(names: list[str]) -> int:
    """Print one line a faulty file; return 1 if there is one."""
    faults = [(name, fault(Path(name).read_text(encoding="utf-8"))) for name in names]
    wrong = [f"{name}: {text}" for name, text in faults if text]
    print("\n".join(wrong) or f"{len(names)} SQL files parse in outline")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
