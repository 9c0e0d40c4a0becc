package work

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/firn-data/firn/internal/contract"
)

// NewColumn is a column of files that the contract of their dataset doesn't have.
type NewColumn struct {
	// Name is the name in the files, as CleanColumnName returns the name.
	Name string `json:"name"`
	// Object is the URI of the first object with the column.
	Object string `json:"object"`
	// LoadedAt is the time of the first object's load, not later than LOADED_AT in the
	// ledger.
	LoadedAt time.Time `json:"loaded_at"`
}

// NewColumns are new columns of a dataset. The JSON is the body of the dead letter with
// code column_not_loaded.
type NewColumns struct {
	// Dataset is "<source>.<entity>".
	Dataset string `json:"dataset"`
	// Columns are at most MaxNewColumns columns, each name once.
	Columns []NewColumn `json:"columns"`
	// More is the number of other new columns.
	More int `json:"more,omitempty"`
}

// MaxNewColumns is the number of new columns that firn names for a dataset.
const MaxNewColumns = 50

// maxColumnName is the number of characters in a cleaned name.
const maxColumnName = 200

// cut is the end of a name that CleanColumnName has cut.
const cut = "…"

// CleanColumnName returns the name of a column in a form that messages and the journal
// can have: valid UTF-8 without U+FFFE and U+FFFF, which SQS refuses. firn keeps the
// first 200 characters of a longer name and appends "…". Control characters stay; see
// Display.
func CleanColumnName(name string) string {
	name = strings.Map(func(r rune) rune {
		if r == 0xFFFE || r == 0xFFFF {
			return utf8.RuneError
		}
		return r
	}, name)
	runes := []rune(name)
	if len(runes) <= maxColumnName {
		return name
	}
	return string(runes[:maxColumnName]) + cut
}

// IsCut reports whether the name in the files is longer than Name.
func (c NewColumn) IsCut() bool { return utf8.RuneCountInString(c.Name) > maxColumnName }

// Display returns the name on one line without control characters. A name with other
// characters than printable ones, or with a space at an end, is quoted by Go's rules.
func (c NewColumn) Display() string {
	isPrintable := strings.IndexFunc(c.Name, func(r rune) bool { return !unicode.IsPrint(r) }) < 0
	if isPrintable && c.Name != "" && strings.TrimSpace(c.Name) == c.Name {
		return c.Name
	}
	return strconv.Quote(c.Name)
}

// CollectNewColumns returns the found columns that the contract doesn't have. The names
// are cleaned, and the first column of each name counts. A nil contract has no column.
func CollectNewColumns(dataset string, c *contract.Contract, found []NewColumn) NewColumns {
	n := NewColumns{Dataset: dataset}
	seen := make(map[string]bool)
	for _, column := range found {
		column.Name = CleanColumnName(column.Name)
		if !seen[column.Name] {
			seen[column.Name] = true
			n.Columns = append(n.Columns, column)
		}
	}
	n = n.MissingIn(c)
	return n.limited()
}

// limited moves the columns after the first MaxNewColumns to More.
func (n NewColumns) limited() NewColumns {
	if rest := len(n.Columns) - MaxNewColumns; rest > 0 {
		n.Columns, n.More = n.Columns[:MaxNewColumns], n.More+rest
	}
	return n
}

// IsEmpty reports whether there is no column.
func (n NewColumns) IsEmpty() bool { return len(n.Columns) == 0 && n.More == 0 }

// Count is the number of columns, with the columns without a name.
func (n NewColumns) Count() int { return len(n.Columns) + n.More }

// MissingIn returns the columns that the contract doesn't have. If the contract has one
// of them, More becomes 0: there is room, and the next load names the others. A nil
// contract has no column.
func (n NewColumns) MissingIn(c *contract.Contract) NewColumns {
	if c == nil {
		return n
	}
	names, whole := c.FileColumns()
	if whole {
		return NewColumns{Dataset: n.Dataset}
	}
	known := make(map[string]bool, len(names))
	for _, name := range names {
		known[CleanColumnName(name)] = true
	}
	missing := slices.DeleteFunc(slices.Clone(n.Columns), func(column NewColumn) bool { return known[column.Name] })
	if len(missing) < len(n.Columns) {
		n.Columns, n.More = missing, 0
	}
	return n
}

// Unreported returns the columns that are still to be reported. reported names at most
// MaxNewColumns columns of a dataset. Columns beyond this number have no name in the
// result, and are reported once.
func (n NewColumns) Unreported(reported NewColumns) NewColumns {
	known := make(map[string]bool, len(reported.Columns))
	for _, column := range reported.Columns {
		known[column.Name] = true
	}
	n.Columns = slices.DeleteFunc(slices.Clone(n.Columns), func(column NewColumn) bool { return known[column.Name] })
	if rest := len(n.Columns) - (MaxNewColumns - len(reported.Columns)); rest > 0 {
		n.Columns, n.More = n.Columns[:len(n.Columns)-rest], n.More+rest
	}
	if reported.More > 0 {
		n.More = 0
	}
	return n
}

// With returns the columns of both lists, each name once.
func (n NewColumns) With(other NewColumns) NewColumns {
	added := other.Unreported(NewColumns{Columns: n.Columns})
	n.Columns = slices.Concat(n.Columns, added.Columns)
	n.More = max(n.More, added.More)
	return n
}

// Encode returns the JSON of the columns.
func (n NewColumns) Encode() string {
	body, err := json.Marshal(n)
	if err != nil { // unreachable: texts, times of this century and numbers
		panic(fmt.Sprintf("encode new columns: %v", err))
	}
	return string(body)
}

// DecodeNewColumns reads the JSON of new columns. It returns false for another text.
func DecodeNewColumns(body string) (NewColumns, bool) {
	var n NewColumns
	err := json.Unmarshal([]byte(body), &n)
	return n, err == nil && n.Dataset != "" && !n.IsEmpty()
}

// maxNamesInCause is the number of columns in Cause.
const maxNamesInCause = 10

// Cause names the first columns and counts the others.
func (n NewColumns) Cause() string {
	var names []string
	for _, column := range n.Columns[:min(len(n.Columns), maxNamesInCause)] {
		names = append(names, strconv.Quote(column.Name))
	}
	if more := n.Count() - len(names); more > 0 {
		names = append(names, fmt.Sprintf("%d more", more))
	}
	return "files have columns that the contract doesn't have: " + strings.Join(names, ", ")
}
