package snowflake_test

import (
	"testing"

	"github.com/firn-data/firn/internal/snowflake"
)

func TestLiteral(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{"a/b": "'a/b'", "it's": "'it''s'", `a\b`: `'a\\b'`} {
		if got := snowflake.Literal(text); got != want {
			t.Errorf("literal of %s: got %s, want %s", text, got, want)
		}
	}
}
