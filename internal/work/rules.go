package work

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// RuleCount is the number of rejects with one broken rule.
type RuleCount struct {
	Rule    string
	Rejects int64
}

// MostBroken returns the rules with the most rejects, at most limit rules. Rules with
// equal counts are in the order of their names.
func MostBroken(byRule map[string]int64, limit int) []RuleCount {
	counts := make([]RuleCount, 0, len(byRule))
	for rule, rejects := range byRule {
		counts = append(counts, RuleCount{rule, rejects})
	}
	slices.SortFunc(counts, func(a, b RuleCount) int {
		return cmp.Or(cmp.Compare(b.Rejects, a.Rejects), cmp.Compare(a.Rule, b.Rule))
	})
	return counts[:min(len(counts), limit)]
}

// DescribeRules lists the rules with the most rejects, and counts the others:
// "year:integer 3, _row:columns 1 and 2 other rules". It is empty without rejects.
func DescribeRules(byRule map[string]int64, limit int) string {
	var words []string
	for _, c := range MostBroken(byRule, limit) {
		words = append(words, fmt.Sprintf("%s %d", c.Rule, c.Rejects))
	}
	text := strings.Join(words, ", ")
	switch more := len(byRule) - len(words); more {
	case 0:
		return text
	case 1:
		return text + " and 1 other rule"
	default:
		return fmt.Sprintf("%s and %d other rules", text, more)
	}
}
