package work_test

import (
	"testing"

	"github.com/firn-data/firn/internal/work"
)

func TestDescribeRules(t *testing.T) {
	t.Parallel()
	tests := []struct {
		byRule map[string]int64
		limit  int
		want   string
	}{
		{nil, 3, ""},
		{map[string]int64{"year:integer": 2}, 3, "year:integer 2"},
		{map[string]int64{"b": 2, "a": 2, "c": 7}, 3, "c 7, a 2, b 2"},
		{map[string]int64{"b": 2, "a": 2, "c": 7}, 2, "c 7, a 2 and 1 other rule"},
		{map[string]int64{"b": 2, "a": 2, "c": 7}, 1, "c 7 and 2 other rules"},
	}
	for _, test := range tests {
		if got := work.DescribeRules(test.byRule, test.limit); got != test.want {
			t.Errorf("%v, at most %d: %q, want %q", test.byRule, test.limit, got, test.want)
		}
	}
}
