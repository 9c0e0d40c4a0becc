"""Check the outline of SQL files: quotes, comments and parentheses are closed."""

import re
import sys
from pathlib import Path

TOKEN = re.compile(
    r"'(?:[^']|'')*'"  # a string
    r'|"(?:[^"]|"")*"'  # a quoted name
    r"|\$\$.*?\$\$"  # a scripting block
    r"|--[^\n]*|//[^\n]*|/\*.*?\*/"  # comments
    r"|\{#.*?#\}|\{%.*?%\}|\{\{.*?\}\}"  # Jinja
    r"|['\"(){}]",  # characters in pairs
    re.DOTALL,
)


def fault(sql: str) -> str | None:
    """Return the fault of a file's text; None without a fault."""
    depth = 0
    words = TOKEN.sub("", sql).strip()
    if not words and "{%" not in sql:
        return "the file has no statement"
    for token in TOKEN.findall(sql):
        if token == "(":
            depth += 1
        elif token == ")":
            depth -= 1
            if depth < 0:
                return "a closing parenthesis has no opening parenthesis"
        elif token in ("'", '"', "{", "}"):
            return f"{token} has no partner"
    return "an opening parenthesis has no closing parenthesis" if depth else None


def main(names: list[str]) -> int:
    """Print one line for each faulty file, and return 1; return 0 without a faulty file."""
    faults = [(name, fault(Path(name).read_text(encoding="utf-8"))) for name in names]
    wrong = [f"{name}: {text}" for name, text in faults if text]
    print("\n".join(wrong) or f"{len(names)} SQL files parse in outline")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
