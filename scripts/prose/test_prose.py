"""Tests of prose.py: `make prose` runs these tests first."""

from __future__ import annotations

import unittest

import prose


def found(path: str, source: str) -> list[str]:
    """Return the findings in a file."""
    check = prose.Checker({"mend": "fix"}, {("allowed.go", "mend"), ("allowed.go", "what")})
    return [str(f) for text in prose.texts(path, source) for f in check.check(text)]


def read(path: str, source: str) -> list[str]:
    """Return the paragraphs of a file."""
    return [p.text for text in prose.texts(path, source) for p in text.paragraphs]


class Findings(unittest.TestCase):
    """Each rule, and the line that it names."""

    def test_odd_word(self) -> None:
        self.assertEqual(
            found("a.go", "package a\n\n// To\n// Mend it.\n"), ['a.go:4: "Mend": write fix']
        )
        self.assertEqual(found("a.go", "// amend the mender\n"), [])

    def test_headless(self) -> None:
        for text in [
            "It says what failed here.",
            "The name of who failed here.",
            "Whatever failed here.",
        ]:
            self.assertEqual(len(found("a.sql", f"select 1;\n-- {text}\n")), 1, text)
        self.assertEqual(
            found("a.py", '"""Names what failed in it."""\n'),
            ['a.py:1: "what failed": name the thing'],
        )
        self.assertEqual(found("a.sql", "-- What does it cost? The operator who pays.\n"), [])

    def test_exception(self) -> None:
        self.assertEqual(found("allowed.go", "// mend what failed\n"), [])

    def test_lengths(self) -> None:
        long = "word " * 26
        self.assertEqual(
            found("a.md", f"# T\n\nFine.\n{long}.\n"),
            ["a.md:4: a sentence of 26 words, at most 25"],
        )
        short = "Five words in a sentence. " * 19
        self.assertEqual(
            found("a.md", f"{short}\n"), ["a.md:1: a paragraph of 95 words, at most 90"]
        )
        self.assertEqual(found("a.go", f"// {long}.\n"), [])


class Texts(unittest.TestCase):
    """The prose of each kind of file."""

    def test_go(self) -> None:
        source = """package a

// A is
// one sentence.
var a = "http://x" // beside it
//go:generate x
/* block */
var b = "a text of more than five words" + `'"// no comment`
var c = "select a from b where c is not null"
"""
        want = ["A is one sentence.", "beside it", "block", "a text of more than five words"]
        self.assertEqual(read("a.go", source), want)
        self.assertEqual(read("a_test.go", source), want[:3])

    def test_python(self) -> None:
        source = '"""One.\n\nTwo\nlines."""\n\nx = "# no comment"  # a comment\n'
        self.assertEqual(read("a.py", source), ["One.", "Two lines.", "a comment"])

    def test_markdown(self) -> None:
        source = (
            "# Title\n\nA [link](x.md) to\n`code`.\n- item\n- next\n\n| a |\n\n"
            "```sh\nwhat\n```\n<!-- what\n-->\nEnd.\n"
        )
        self.assertEqual(read("a.md", source), ["A link to X.", "item", "next", "End."])

    def test_others(self) -> None:
        self.assertEqual(read("a.sh", "#!/bin/sh\n# A\n# comment.\nx # no\n"), ["A comment."])
        self.assertEqual(read("Makefile", "# A\n#\n# B\n"), ["A", "B"])
        mail = "Two files failed.\n\n---- for machines\nwhat\n"
        self.assertEqual(read("internal/alert/testdata/a.golden", mail), ["Two files failed."])
        self.assertEqual(read("a.golden", mail), [])

    def test_rates(self) -> None:
        check = prose.Checker({"mend": "fix"})
        for text in prose.texts("a.go", "// It is its own mend.\n"):
            list(check.check(text))
        rates = check.rates["go comments"]
        self.assertEqual((rates.words, rates.pronouns, rates.odd, rates.headless), (5, 2, 1, 0))
        table, fine = check.summary()
        self.assertIn("too many: pronouns, odd", table[1])
        self.assertFalse(fine)


class Lists(unittest.TestCase):
    """The files of this folder."""

    def test_lists(self) -> None:
        self.assertEqual(prose.checker().odd["mends"], "fixes")
        missing = [
            path for path in prose.entries("exempt.txt") if not (prose.ROOT / path).is_file()
        ]
        self.assertEqual(missing, [])


if __name__ == "__main__":
    unittest.main()
