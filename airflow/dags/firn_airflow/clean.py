"""Database messages without the values of rows, by the rules of internal/fault/clean.go.

The mail of a run goes to people who may not see the rows. A message of a database can quote
the value of a row, for example "Numeric value 'SSN 078' is not recognized".
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

# The text in place of a removed part of a message.
REMOVED = "…"
# A quote that isn't an apostrophe inside a word.
QUOTE = re.compile(r"(?:^|(?<=[^A-Za-z]))['\"`]|['\"`](?=$|[^A-Za-z])")
# A word or a number. Only spaces, ASCII punctuation and "…" are separators.
WORD = re.compile(r"[^\s!-/:-@\[-`{-~…]+")
MANY_REMOVED = re.compile(f"{REMOVED}(?:[^A-Za-z0-9]*{REMOVED})+")


def cleaned(message: str) -> str:
    """Return the message on one line, with the words of words.txt only.

    Every number, every text in quotes and every other word can be part of a value, and becomes
    "…". words.txt is a copy of internal/fault/words.txt.
    """
    line = " ".join(message.split())
    quotes = [found.start() for found in QUOTE.finditer(line)]
    if quotes:
        line = line[: quotes[0]] + REMOVED + line[quotes[-1] + 1 :]
    line = WORD.sub(lambda word: word[0] if word[0].lower() in common_words() else REMOVED, line)
    return MANY_REMOVED.sub(REMOVED, line).strip()


@cache
def common_words() -> frozenset[str]:
    """Return the words of words.txt in lower case."""
    text = Path(__file__).with_name("words.txt").read_text(encoding="utf-8")
    return frozenset(word.lower() for word in WORD.findall(text))
