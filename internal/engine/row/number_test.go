package row_test

import (
	"fmt"
	"math/big"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/firn-data/firn/internal/contract"
	"github.com/firn-data/firn/internal/engine/row"
)

// add adds one CSV text to a new batch with one column.
func add(t interface{ Fatalf(string, ...any) }, c contract.Column, text string) (*row.Column, string) {
	c.Name = "v"
	batch, err := row.NewBatch([]contract.Column{c})
	if err != nil {
		t.Fatalf("NewBatch: %v", err)
	}
	broken := batch.Add(1, []row.Value{{Kind: row.Text, Text: []byte(text)}})
	if batch.Len() != len(batch.Columns[0].Present) {
		t.Fatalf("%d rows, %d values", batch.Len(), len(batch.Columns[0].Present))
	}
	return batch.Columns[0], broken
}

// numberText draws numbers and almost valid numbers.
func numberText(rt *rapid.T) string {
	return rapid.OneOf(
		rapid.StringMatching(`-?[0-9]{1,20}`),
		rapid.StringMatching(`-?[0-9]{1,20}\.[0-9]{1,20}`),
		rapid.StringMatching(`-?[0-9]{1,3}(\.[0-9]{0,3})?([eE][+-]?[0-9]{0,3})?`),
		rapid.StringMatching(`[-+. 0-9a-e]{1,6}`),
	).Draw(rt, "text")
}

var integerForm = regexp.MustCompile(`\A-?[0-9]{1,19}\z`)

func TestIntegerProperty(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		text := numberText(rt)
		want, err := strconv.ParseInt(text, 10, 64)
		isInteger := err == nil && integerForm.MatchString(text)
		column, broken := add(rt, contract.Column{Type: contract.Integer}, text)
		switch {
		case isInteger != (broken == ""):
			rt.Fatalf("%q broke %q", text, broken)
		case isInteger && column.Int64s[0] != want:
			rt.Fatalf("%q became %d", text, column.Int64s[0])
		}
	})
}

func TestDecimalProperty(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		text := numberText(rt)
		precision := rapid.IntRange(1, 38).Draw(rt, "precision")
		scale := rapid.IntRange(0, precision-1).Draw(rt, "scale")
		form := fmt.Sprintf(`\A-?[0-9]{1,%d}(\.[0-9]{1,%d})?\z`, precision-scale, max(scale, 1))
		isDecimal := regexp.MustCompile(form).MatchString(text) && (scale > 0 || !strings.Contains(text, "."))
		column, broken := add(rt, contract.Column{Type: contract.Decimal, Precision: precision, Scale: scale}, text)
		if isDecimal != (broken == "") {
			rt.Fatalf("%q as decimal(%d,%d) broke %q", text, precision, scale, broken)
		}
		if !isDecimal {
			return
		}
		want, _ := new(big.Rat).SetString(text)
		if got := unscaled(column); new(big.Rat).SetFrac(got, pow10(scale)).Cmp(want) != 0 {
			rt.Fatalf("%q as decimal(%d,%d) became %s unscaled", text, precision, scale, got)
		}
	})
}

func pow10(n int) *big.Int { return new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(n)), nil) }

func unscaled(c *row.Column) *big.Int {
	switch c.Physical {
	case row.Int32:
		return big.NewInt(int64(c.Int32s[0]))
	case row.Int64:
		return big.NewInt(c.Int64s[0])
	default:
		n := new(big.Int).Lsh(big.NewInt(c.Wides[0].High), 64)
		return n.Add(n, new(big.Int).SetUint64(c.Wides[0].Low))
	}
}

var doubleForm = regexp.MustCompile(`\A-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?\z`)

func TestDoubleProperty(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		text := numberText(rt)
		want, err := strconv.ParseFloat(text, 64)
		isDouble := err == nil && doubleForm.MatchString(text)
		column, broken := add(rt, contract.Column{Type: contract.Double}, text)
		switch {
		case isDouble != (broken == ""):
			rt.Fatalf("%q broke %q", text, broken)
		case isDouble && column.Float64s[0] != want:
			rt.Fatalf("%q became %g", text, column.Float64s[0])
		}
	})
}

// TestBoundsProperty compares the four bounds with exact arithmetic.
func TestBoundsProperty(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		limit := rapid.StringMatching(`-?[0-9]{1,3}(\.[0-9]{1,3})?`).Draw(rt, "limit")
		text := rapid.StringMatching(`-?[0-9]{1,3}(\.[0-9]{1,2})?`).Draw(rt, "text")
		precision := rapid.SampledFrom([]int{5, 12, 30}).Draw(rt, "precision")
		kind := contract.Column{Type: contract.Decimal, Precision: precision, Scale: 2}
		value, _ := new(big.Rat).SetString(text)
		bound, _ := new(big.Rat).SetString(limit)
		compared := value.Cmp(bound)
		for rule, test := range map[string]struct {
			set   func(*contract.Column)
			holds bool
		}{
			"v:minimum":          {func(c *contract.Column) { c.Minimum = limit }, compared >= 0},
			"v:maximum":          {func(c *contract.Column) { c.Maximum = limit }, compared <= 0},
			"v:exclusiveMinimum": {func(c *contract.Column) { c.ExclusiveMinimum = limit }, compared > 0},
			"v:exclusiveMaximum": {func(c *contract.Column) { c.ExclusiveMaximum = limit }, compared < 0},
		} {
			c := kind
			test.set(&c)
			_, broken := add(rt, c, text)
			if want := map[bool]string{false: rule}[test.holds]; broken != want {
				rt.Fatalf("%s with %s %s broke %q", text, rule, limit, broken)
			}
		}
	})
}

func TestBoundBeyondColumnRangeRejectsNothing(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"9223372036854775807", "-9223372036854775808"} {
		c := contract.Column{Type: contract.Integer, Minimum: "-1e50", ExclusiveMaximum: "1e50"}
		if _, broken := add(t, c, text); broken != "" {
			t.Errorf("%s broke %s", text, broken)
		}
	}
}

// TestEveryDayMatchesPackageTime compares each day of the years 1 to 9999 with package time.
func TestEveryDayMatchesPackageTime(t *testing.T) {
	t.Parallel()
	batch, err := row.NewBatch([]contract.Column{{Name: "v", Type: contract.Date}})
	if err != nil {
		t.Fatal(err)
	}
	last := time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC)
	for day := time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC); !day.After(last); day = day.AddDate(0, 0, 1) {
		text := day.Format(time.DateOnly)
		broken := batch.Add(1, []row.Value{{Kind: row.Text, Text: []byte(text)}})
		if got := batch.Columns[0].Int32s; broken != "" || int64(got[0]) != day.Unix()/86400 {
			t.Fatalf("%s broke %q, became %v", text, broken, got)
		}
		batch.Reset()
	}
}

func TestTimestampProperty(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		text := rapid.OneOf(
			rapid.StringMatching(`[0-9]{4}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-6][0-9]:[0-6][0-9](\.[0-9]{1,7})?Z`),
			rapid.StringMatching(`2024-0[1-3]-[0-3][0-9][T ][0-9:.]{5,12}Z?`),
		).Draw(rt, "text")
		want, err := time.Parse("2006-01-02T15:04:05.999999Z", text)
		isTimestamp := err == nil && timestampForm.MatchString(text) && want.Year() > 0
		column, broken := add(rt, contract.Column{Type: contract.Timestamp}, text)
		switch {
		case isTimestamp != (broken == ""):
			rt.Fatalf("%q broke %q", text, broken)
		case isTimestamp && column.Int64s[0] != want.UnixMicro():
			rt.Fatalf("%q became %d, want %d", text, column.Int64s[0], want.UnixMicro())
		}
	})
}

var timestampForm = regexp.MustCompile(`\A[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?Z\z`)
