"""Checks that the texts of the repository are in plain English: `make prose`.

Usage: prose.py [--summary] [PATH ...]

The check reads comments and longer texts in Go, docstrings and comments in Python, comments in
SQL, shell, YAML and the Makefile, Markdown without code and tables, and the mails in
internal/alert/testdata. A finding is one line with file and line number:

- a word of words.txt
- a clause without a noun as subject, as in "what failed"
- in Markdown, a sentence of more than 25 words or a paragraph of more than 90 words

For each kind of text, the check compares rates with LIMITS. Paths limit the findings to some
files or folders. `--summary` prints only the rates. Exits with 1 after a finding, and after a rate
above its limit. exempt.txt names the files without a check, and exceptions.txt the allowed words.
"""

from __future__ import annotations

import argparse
import ast
import io
import re
import subprocess
import sys
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]

LONGEST_SENTENCE = 25
LONGEST_PARAGRAPH = 90
MEDIAN_PARAGRAPH = 45
# Shorter paragraphs are labels and don't count for the median.
SHORTEST_PARAGRAPH = 16
# A text in Go with fewer words is a key or a label.
SHORTEST_TEXT = 6
# The most occurrences in 1,000 words of one kind of text.
LIMITS = {"headless": 1.5, "pronouns": 38.0, "odd": 0.5}

WORD = re.compile(r"[A-Za-z][A-Za-z'-]*")
PRONOUN = re.compile(r"\b(?:it|its|that|one|those|them|they)\b", re.IGNORECASE)
# Questions are fine: no match if the sentence ends with a question mark.
NO_QUESTION = r"\b(?![^.?!]*\?)"
HEADLESS = re.compile(
    r"\b(?:what|whoever|whatever)" + NO_QUESTION + r"|(?:^|[.,;:(]\s*|"
    r"\b(?:and|or|but|of|to|for|by|with|says?|knows?|tells?|as)\s+)(?P<who>who)" + NO_QUESTION,
    re.IGNORECASE,
)
SENTENCE_END = re.compile(r"(?<=[.!?:])\s+")
STATEMENT = re.compile(r"\b(?:select|insert|create|alter|grant|update|delete)\b", re.IGNORECASE)
DIRECTIVE = re.compile(r"(?:go:|nolint|\+build|noqa|ruff:|shellcheck |type: |!)")
GO_TOKEN = re.compile(
    r"""//[^\n]*|/\*.*?\*/|"(?:[^"\\\n]|\\.)*"|`[^`]*`|'(?:[^'\\\n]|\\.)+'""", re.DOTALL
)
MAIL_END = "---- for machines"


@dataclass
class Paragraph:
    """Lines of prose that belong together: number and text of each line."""

    lines: list[tuple[int, str]] = field(default_factory=list)

    @property
    def text(self) -> str:
        """The lines as one line."""
        return " ".join(text for _, text in self.lines)

    def line_of(self, offset: int) -> int:
        """Return the line number of a place in the text."""
        for number, text in self.lines:
            if offset <= len(text):
                return number
            offset -= len(text) + 1
        return self.lines[-1][0]


@dataclass
class Text:
    """The paragraphs of one kind in one file."""

    kind: str
    path: str
    paragraphs: list[Paragraph]


@dataclass(frozen=True)
class Finding:
    """A place in a file against a rule."""

    path: str
    line: int
    message: str

    def __str__(self) -> str:
        """Return the line that editors understand."""
        return f"{self.path}:{self.line}: {self.message}"


@dataclass
class Rates:
    """The counts of one kind of text."""

    words: int = 0
    headless: int = 0
    pronouns: int = 0
    odd: int = 0

    def per_thousand(self, name: str) -> float:
        """Return a count per 1,000 words."""
        return 1000 * int(getattr(self, name)) / max(1, self.words)


def words(text: str) -> list[str]:
    """Return the words of a text."""
    return WORD.findall(text)


def join(comments: list[tuple[int, str]]) -> list[Paragraph]:
    """Join comments on neighbouring lines to paragraphs. An empty comment ends a paragraph."""
    paragraphs: list[Paragraph] = []
    last = -1
    for number, text in comments:
        if not text.strip() or DIRECTIVE.match(text):
            last = -1
            continue
        if number != last + 1:
            paragraphs.append(Paragraph())
        paragraphs[-1].lines.append((number, text.strip()))
        last = number
    return paragraphs


def lines_of(text: str, first: int) -> list[tuple[int, str]]:
    """Return the lines of a text with their numbers."""
    return list(enumerate(text.split("\n"), first))


def go_texts(path: str, source: str) -> Iterator[Text]:
    """Return the comments of a Go file, and the longer texts outside tests."""
    comments: list[tuple[int, str]] = []
    others: list[Paragraph] = []
    literals: list[Paragraph] = []
    for match in GO_TOKEN.finditer(source):
        token, line = match.group(), source.count("\n", 0, match.start()) + 1
        before = source[source.rfind("\n", 0, match.start()) + 1 : match.start()]
        if token.startswith("//"):
            comment = (line, token[2:].removeprefix(" "))
            if before.strip():  # beside code
                others += join([comment])
            else:
                comments.append(comment)
        elif token.startswith("/*"):
            others += join(lines_of(token[2:-2], line))
        elif token[0] in '"`' and not STATEMENT.search(token):
            text = token[1:-1].replace("\\n", " ").replace('\\"', '"')
            if len(words(text)) >= SHORTEST_TEXT:
                literals.append(Paragraph(lines_of(text, line)))
    test = path.endswith("_test.go")
    yield Text("go test comments" if test else "go comments", path, join(comments) + others)
    if not test:
        yield Text("go texts", path, literals)


def python_texts(path: str, source: str) -> Iterator[Text]:
    """Return the docstrings and comments of a Python file."""
    found: list[tuple[int, str]] = []
    for node in ast.walk(ast.parse(source, path)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0] if node.body else None
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
                value = first.value.value
                if isinstance(value, str):
                    found += lines_of(value, first.lineno)
    paragraphs = join(found)
    comments = [
        (token.start[0], token.string[1:].removeprefix(" "))
        for token in tokenize.generate_tokens(io.StringIO(source).readline)
        if token.type == tokenize.COMMENT
    ]
    yield Text("python", path, paragraphs + join(comments))


def hash_texts(path: str, source: str) -> Iterator[Text]:
    """Return the comments of a file in which a comment begins with #."""
    found = [
        (number, match.group(1))
        for number, line in lines_of(source, 1)
        if (match := re.match(r"\s*#+ ?(.*)$", line))
    ]
    yield Text("scripts", path, join(found))


def sql_texts(path: str, source: str) -> Iterator[Text]:
    """Return the comments of an SQL file."""
    found = [
        (number, match.group(1))
        for number, line in lines_of(source, 1)
        if (match := re.match(r"\s*-- ?(.*)$", line))
    ]
    yield Text("sql", path, join(found))


def mail_texts(path: str, source: str) -> Iterator[Text]:
    """Return the part of a mail for people."""
    yield Text("mails", path, join(lines_of(source.split(MAIL_END)[0], 1)))


def blank(match: re.Match[str]) -> str:
    """Return the line ends of a match, so that line numbers stay."""
    return "\n" * match.group().count("\n")


def markdown_texts(path: str, source: str) -> Iterator[Text]:
    """Return the paragraphs and list items of a Markdown file, without code and tables."""
    source = re.sub(r"^( *)```.*?^\1```", blank, source, flags=re.DOTALL | re.MULTILINE)
    source = re.sub(r"<!--.*?-->", blank, source, flags=re.DOTALL)
    paragraphs: list[Paragraph] = []
    open_paragraph = False
    for number, line in lines_of(source, 1):
        text = line.strip()
        if not text or text.startswith(("|", "#", "<")) or re.fullmatch(r"\[[^\]]+\]:.*", text):
            open_paragraph = False
            continue
        item = re.match(r"(?:[-*+]|\d+\.|>)\s+", text)
        if item or not open_paragraph:
            paragraphs.append(Paragraph())
            open_paragraph = True
        text = re.sub(r"`[^`]*`", "X", text[item.end() :] if item else text)
        text = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", text)
        paragraphs[-1].lines.append((number, text))
    yield Text("markdown", path, paragraphs)


def texts(path: str, source: str) -> Iterator[Text]:
    """Return the texts of a file, by its name."""
    name = path.rsplit("/", 1)[-1]
    if path.endswith(".go"):
        yield from go_texts(path, source)
    elif path.endswith(".py"):
        yield from python_texts(path, source)
    elif path.endswith(".sql"):
        yield from sql_texts(path, source)
    elif path.endswith(".md"):
        yield from markdown_texts(path, source)
    elif path.startswith("internal/alert/testdata/") and path.endswith(".golden"):
        yield from mail_texts(path, source)
    elif path.endswith((".sh", ".yml", ".yaml")) or name in ("Makefile", "Dockerfile"):
        yield from hash_texts(path, source)


def entries(name: str) -> list[str]:
    """Return the lines of a file of this folder without comments."""
    content = (HERE / name).read_text(encoding="utf-8").splitlines()
    return [line.strip() for line in content if line.strip() and not line.startswith("#")]


@dataclass
class Checker:
    """The rules of the repository."""

    odd: dict[str, str]
    """Each odd word with a better word."""
    exceptions: set[tuple[str, str]] = field(default_factory=set)
    """Allowed words: file and word."""
    rates: dict[str, Rates] = field(default_factory=dict)
    lengths: list[int] = field(default_factory=list)
    """The words of each Markdown paragraph."""

    def __post_init__(self) -> None:
        """Join the odd words to one pattern: the longest first."""
        by_length = sorted(self.odd, key=len, reverse=True)
        self.pattern = re.compile(rf"\b(?:{'|'.join(map(re.escape, by_length))})\b", re.IGNORECASE)

    def check(self, text: Text) -> Iterator[Finding]:
        """Return the findings of a text, and count."""
        rates = self.rates.setdefault(text.kind, Rates())
        for paragraph in text.paragraphs:
            prose = paragraph.text
            rates.words += len(words(prose))
            rates.pronouns += len(PRONOUN.findall(prose))
            for match in HEADLESS.finditer(prose):
                start = match.start("who") if match.group("who") else match.start()
                end = prose.find(" ", match.end())
                near = prose[start : prose.find(" ", end + 1) if end > 0 else None].strip()
                if not self.allowed(text.path, match.group("who") or match.group()):
                    rates.headless += 1
                    yield Finding(text.path, paragraph.line_of(start), f'"{near}": name the thing')
            for match in self.pattern.finditer(prose):
                word = match.group()
                if not self.allowed(text.path, word):
                    rates.odd += 1
                    better = self.odd[word.lower()]
                    yield Finding(
                        text.path, paragraph.line_of(match.start()), f'"{word}": write {better}'
                    )
            if text.kind == "markdown":
                yield from self.lengths_of(text.path, paragraph)

    def allowed(self, path: str, word: str) -> bool:
        """Report whether exceptions.txt allows a word in a file."""
        return (path, word.lower()) in self.exceptions

    def lengths_of(self, path: str, paragraph: Paragraph) -> Iterator[Finding]:
        """Return the findings of a Markdown paragraph's lengths."""
        prose = paragraph.text
        if (count := len(words(prose))) >= SHORTEST_PARAGRAPH:
            self.lengths.append(count)
        if count > LONGEST_PARAGRAPH:
            message = f"a paragraph of {count} words, at most {LONGEST_PARAGRAPH}"
            yield Finding(path, paragraph.lines[0][0], message)
        begin = 0
        for sentence in SENTENCE_END.split(prose):
            begin = prose.index(sentence, begin)
            if (count := len(words(sentence))) > LONGEST_SENTENCE:
                message = f"a sentence of {count} words, at most {LONGEST_SENTENCE}"
                yield Finding(path, paragraph.line_of(begin), message)
            begin += len(sentence)

    def summary(self) -> tuple[list[str], bool]:
        """Return the table of rates, and whether each rate is within its limit."""
        fine = True
        table = [f"{'per 1,000 words':<18} {'words':>8} {'headless':>9} {'pronouns':>9} {'odd':>6}"]
        for kind, rates in sorted(self.rates.items()):
            row = {name: rates.per_thousand(name) for name in LIMITS}
            above = [name for name, limit in LIMITS.items() if row[name] > limit]
            note = f"  too many: {', '.join(above)}" if above else ""
            fine = fine and not above
            table.append(
                f"{kind:<18} {rates.words:>8} {row['headless']:>9.1f} {row['pronouns']:>9.0f}"
                f" {row['odd']:>6.1f}{note}"
            )
        if self.lengths:
            middle = median(self.lengths)
            note = "  too long" if middle > MEDIAN_PARAGRAPH else ""
            fine = fine and not note
            limit = f"{middle:.0f} words of at most {MEDIAN_PARAGRAPH}"
            table.append(f"markdown paragraphs: median {limit}{note}")
        return table, fine


def checker() -> Checker:
    """Return a checker with the rules of this folder."""
    odd = dict(line.split(" -> ", 1) for line in entries("words.txt"))
    pairs = (line.split(": ", 1) for line in entries("exceptions.txt"))
    return Checker(odd, {(path, word.lower()) for path, word in pairs})


def files() -> list[str]:
    """Return the files of the repository, also those that git doesn't track yet."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return sorted(set(listed.stdout.splitlines()))


def main(arguments: list[str]) -> int:
    """Print findings and rates; return 1 if the texts aren't plain enough."""
    parser = argparse.ArgumentParser(description="Check that texts are in plain English.")
    parser.add_argument("--summary", action="store_true", help="print only the rates")
    parser.add_argument("path", nargs="*", help="print the findings of these files and folders")
    options = parser.parse_args(arguments)
    chosen = tuple(path.removeprefix("./").rstrip("/") for path in options.path)
    exempt = set(entries("exempt.txt"))
    check = checker()
    findings: list[Finding] = []
    for path in files():
        full = ROOT / path
        if path in exempt or not full.is_file() or full.is_symlink():
            continue
        try:
            source = full.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        for text in texts(path, source):
            findings += check.check(text)
    if chosen:
        within = tuple(f"{path}/" for path in chosen)
        findings = [found for found in findings if f"{found.path}/".startswith(within)]
    table, fine = check.summary()
    if not options.summary:
        print(*findings, sep="\n", end="\n" if findings else "")
    print(*table, sep="\n")
    return 1 if findings or not fine else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
