package contract

import (
	"fmt"
	"strings"
)

// replacements tells what ODCS v3.1 says instead of words that other formats and
// versions use.
var replacements = map[string]string{
	"enum":     "; list the values in quality, metric invalidValues, arguments.validValues",
	"type":     "; say logicalType",
	"nullable": "; say required",
	"columns":  "; say properties",
}

// suggestion returns the word to use instead where there is a known one, else `; did you mean "…"?` with the known name that is at most
// two edits away, or "".
func suggestion(name string, known []string) string {
	if hint := replacements[name]; hint != "" {
		return hint
	}
	best, distance := "", 3
	for _, candidate := range known {
		if d := edits(strings.ToLower(name), strings.ToLower(candidate)); d < distance {
			best, distance = candidate, d
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf("; did you mean %q?", best)
}

// edits returns how many insertions, deletions and replacements of bytes turn
// a into b.
func edits(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			replaced := diagonal
			if a[i] != b[j] {
				replaced++
			}
			diagonal = row[j+1]
			row[j+1] = min(replaced, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
