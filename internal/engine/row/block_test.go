package row_test

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/firn-data/firn/internal/contract"
	"github.com/firn-data/firn/internal/engine/reader"
	"github.com/firn-data/firn/internal/engine/row"
)

// TestBlockProperty adds the same records in blocks and record by record. Both ways
// must give the same rows and the same broken rules.
func TestBlockProperty(t *testing.T) {
	t.Parallel()
	columns := []contract.Column{
		{Name: "a", Header: "a", Type: contract.Integer, Unique: true, Minimum: "0", Maximum: "7"},
		{Name: "b", Header: "b", Type: contract.String, Required: true, Enum: []string{"x", "y", "longer than sixteen"}},
		{Name: "c", Header: "c", Type: contract.String, Unique: true},
		{Name: "d", Header: "d", Type: contract.Decimal, Precision: 30, Scale: 1},
		{Name: "e", Header: "e", Type: contract.Boolean},
		{Name: "f", Header: "f", Type: contract.Date, Required: true},
	}
	pools := [][]string{
		{"", "1", "2", "3", "4", "8", "x", "NA"},
		{"x", "y", "longer than sixteen", "z", ""},
		{"", "p", "q", "\"q\"\"\"", "\x00", "\xff", "NA"},
		{"", "1.5", "-2", "1.55"},
		{"", "true", "false", "no"},
		{"2024-02-29", "2023-02-29", ""},
	}
	rapid.Check(t, func(t *rapid.T) {
		c := &contract.Contract{Columns: columns, NullValues: rapid.SampledFrom([][]string{nil, {"NA"}}).Draw(t, "nulls")}
		var text strings.Builder
		text.WriteString("f,e,d,c,b,a\n")
		for range rapid.IntRange(0, 60).Draw(t, "records") {
			var fields []string
			for _, pool := range pools {
				fields = append(fields, rapid.SampledFrom(pool).Draw(t, "value"))
			}
			slices.Reverse(fields)
			text.WriteString(strings.Join(fields[rapid.SampledFrom([]int{0, 0, 0, 0, 1}).Draw(t, "short"):], ",") + "\n")
		}
		upTo := rapid.Int64Range(0, 40).Draw(t, "unique up to")
		together, rulesTogether := addAll(t, c, text.String(), row.BlockRecords, upTo)
		single, rulesSingle := addAll(t, c, text.String(), 1, upTo)
		if diff := cmp.Diff(rulesSingle, rulesTogether); diff != "" {
			t.Fatalf("rules (-record by record +in blocks):\n%s", diff)
		}
		if diff := cmp.Diff(single.Records, together.Records); diff != "" {
			t.Fatalf("records (-record by record +in blocks):\n%s", diff)
		}
		for i := range columns {
			if diff := cmp.Diff(*single.Columns[i], *together.Columns[i]); diff != "" {
				t.Fatalf("column %d (-record by record +in blocks):\n%s", i, diff)
			}
		}
	})
}

func addAll(t *rapid.T, c *contract.Contract, text string, most int, upTo int64) (batch *row.Batch, rules []string) {
	lines := reader.NewCSV(bytes.NewReader([]byte(text)), ',')
	header, err := lines.Header()
	if err != nil {
		t.Fatal(err)
	}
	fields, err := row.NewFields(header, c)
	if err != nil {
		t.Fatal(err)
	}
	if batch, err = row.NewBatch(c.Columns); err != nil {
		t.Fatal(err)
	}
	batch.UniqueUpTo = upTo
	for {
		records, err := lines.NextBlock(most)
		if err != nil {
			return batch, append(rules, fmt.Sprint(err))
		}
		block := fields.Block(records)
		batch.AddBlock(block)
		rules = append(rules, block.Broken...)
	}
}
