package contract

import (
	"fmt"
	"strings"
)

// replacements holds the ODCS v3.1 words for words of other formats and versions, as
// the end of a message.
var replacements = map[string]string{
	"enum":     "; list the values in quality, metric invalidValues, arguments.validValues",
	"type":     "; use logicalType",
	"nullable": "; use required",
	"columns":  "; use properties",
}

// suggestion returns the end of a message about an unknown name. If replacements has
// the name, the end is the ODCS word. Else the end is `; did you mean "…"?` with a
// known name at most two edits away, or "".
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

// edits returns the number of insertions, deletions and replacements of bytes from a to
// b.
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
