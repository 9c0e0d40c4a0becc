package shell_test

import (
	"os/exec"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/firn-data/firn/internal/shell"
)

func TestQuote(t *testing.T) {
	t.Parallel()
	tests := map[string]string{
		"":                    "''",
		"s3://bucket/a/b.csv": "s3://bucket/a/b.csv",
		"a b":                 "'a b'",
		"it's":                `'it'\''s'`,
		"50%":                 "'50%'",
		"$HOME":               "'$HOME'",
	}
	for text, want := range tests {
		if got := shell.Quote(text); got != want {
			t.Errorf("Quote(%q) = %s, want %s", text, got, want)
		}
	}
}

func TestShellReadsQuotedTextUnchanged(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		text := strings.ReplaceAll(rapid.String().Draw(t, "text"), "\x00", "")
		output, err := exec.Command("sh", "-c", "printf %s "+shell.Quote(text)).Output()
		if err != nil || string(output) != text {
			t.Fatalf("sh read %q for %q: %v", output, text, err)
		}
	})
}
