package row_test

import (
	"regexp"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/firn-data/firn/internal/contract"
	"github.com/firn-data/firn/internal/engine/row"
)

// TestLegible expects the same replacements as Python's bytes.decode("utf-8",
// "replace") and Java's decoder.
func TestLegible(t *testing.T) {
	t.Parallel()
	tests := map[string]string{
		"plain ü日😀":                 "plain ü日😀",
		"\xff":                      "\uFFFD",
		"a\x80b":                    "a\uFFFDb",
		"\xe2\x82":                  "\uFFFD",
		"\xe2\x82x":                 "\uFFFDx",
		"\xe2\xe2\x82\xac":          "\uFFFD€",
		"\xed\xa0\x80":              "\uFFFD\uFFFD\uFFFD",
		"\xc0\x80":                  "\uFFFD\uFFFD",
		"\xf0\x9f\x98":              "\uFFFD",
		"\xf0\x9f\x98\x80":          "😀",
		"\xf0\x80\x80\x80":          "\uFFFD\uFFFD\uFFFD\uFFFD",
		"\xf4\x90\x80\x80":          "\uFFFD\uFFFD\uFFFD\uFFFD",
		"\xf5":                      "\uFFFD",
		"\xe0\x80":                  "\uFFFD\uFFFD",
		"x\uFFFDy":                  "x\uFFFDy",
		"\xe1\x80\xe2\xf0\x91\x92A": "\uFFFD\uFFFD\uFFFDA",
	}
	for text, want := range tests {
		if got := string(row.Legible(nil, []byte(text))); got != want {
			t.Errorf("Legible(%q) = %q, want %q", text, got, want)
		}
	}
}

func TestLegibleProperty(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		text := rapid.SliceOf(rapid.Byte()).Draw(rt, "text")
		got := row.Legible(nil, text)
		if !utf8.Valid(got) {
			rt.Fatalf("Legible(%q) = %q", text, got)
		}
		if utf8.Valid(text) && string(got) != string(text) {
			rt.Fatalf("Legible(%q) changed valid text to %q", text, got)
		}
	})
}

func TestValidText(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		"": true, "ascii only, long": true, "ü": true, "12345678ü": true, "1234567\xff": false,
		"12345678\xff": false, "x\uFFFDy": false, "\xed\xa0\x80": false,
	} {
		if got := row.ValidText([]byte(text)); got != want {
			t.Errorf("ValidText(%q) = %t", text, got)
		}
	}
}

// TestPatternProperty compares compiled patterns with package regexp.
func TestPatternProperty(t *testing.T) {
	t.Parallel()
	patterns := []string{
		`[A-Z]{2}[0-9]{2}`, `ab`, `(ab)c`, `[a-c]`, `(?:a|b)c`, `a+`, `(?i)ab`, `[^a]b`, `a{2,3}`, `.b`, `ü`, `[aü]b`, `\d{2}`, `^ab$`, ``, `a|bc`, `[[:alpha:]]x`,
	}
	rapid.Check(t, func(rt *rapid.T) {
		pattern := rapid.SampledFrom(patterns).Draw(rt, "pattern")
		text := rapid.OneOf(rapid.StringMatching(`[aAbBcx0-3ü\n]{1,4}`), rapid.StringMatching(`[A-Z]{2}[0-9]{2}`)).Draw(rt, "text")
		want := regexp.MustCompile(`\A(?:` + pattern + `)\z`).MatchString(text)
		_, broken := add(rt, contract.Column{Type: contract.String, Pattern: pattern}, text)
		if pattern != "" && want != (broken == "") {
			rt.Fatalf("%q with pattern %q broke %q", text, pattern, broken)
		}
	})
}
