package infer

import (
	"bytes"
	"cmp"
	"maps"
	"slices"

	"github.com/firn-data/firn/internal/contract"
	"github.com/firn-data/firn/internal/engine/row"
)

// typeGuess tests the values of one column against all types at once.
type typeGuess struct {
	// candidates are the types that fit every value so far.
	candidates map[contract.Type]*row.Batch
	values     int64
	// whole and fraction are the largest numbers of digits before and after the point.
	whole, fraction int
	// These fields are about numbers. exponent: a number has an exponent. padded: a
	// number has leading zeros, which an integer would lose. text: a number is from a
	// CSV file.
	exponent, padded, text bool
	arrays                 bool
}

// guessedTypes are the tested types. Decimal isn't tested: precision and scale come
// from the digits.
var guessedTypes = []contract.Type{
	contract.Boolean, contract.Integer, contract.Double, contract.Date, contract.Timestamp, contract.Time, contract.JSON, contract.String,
}

func newTypeGuess() *typeGuess {
	g := &typeGuess{candidates: make(map[contract.Type]*row.Batch, len(guessedTypes))}
	for _, kind := range guessedTypes {
		g.candidates[kind] = oneColumn(contract.Column{Name: "value", Type: kind})
	}
	return g
}

// oneColumn returns an engine batch for one column.
func oneColumn(c contract.Column) *row.Batch {
	batch, err := row.NewBatch([]contract.Column{c})
	if err != nil { // a column without rules is always valid
		panic(err)
	}
	return batch
}

// observe takes a value other than null.
func (g *typeGuess) observe(v row.Value) {
	g.values++
	for kind, batch := range g.candidates {
		if batch.Add(g.values, []row.Value{v}) != "" {
			delete(g.candidates, kind)
		}
		batch.Reset()
	}
	switch {
	case g.isPossible(contract.Double):
		g.measure(v)
	case g.isPossible(contract.JSON):
		g.arrays = g.arrays || v.Text[0] == '['
	}
}

func (g *typeGuess) isPossible(kind contract.Type) bool { return g.candidates[kind] != nil }

// measure counts the digits of a number.
func (g *typeGuess) measure(v row.Value) {
	digits := bytes.TrimPrefix(v.Text, []byte("-"))
	if at := bytes.IndexAny(digits, "eE"); at >= 0 {
		g.exponent, digits = true, digits[:at]
	}
	whole, fraction, _ := bytes.Cut(digits, []byte("."))
	g.whole, g.fraction = max(g.whole, len(whole)), max(g.fraction, len(fraction))
	g.padded = g.padded || len(whole) > 1 && whole[0] == '0'
	g.text = g.text || v.Kind == row.Text
}

// decide returns the narrowest type that fits every value; false without such a type. A
// column without values is text.
func (g *typeGuess) decide() (contract.Column, bool) {
	switch {
	case g.values == 0:
		return contract.Column{Type: contract.String}, true
	case g.isPossible(contract.Boolean):
		return contract.Column{Type: contract.Boolean}, true
	case g.isPossible(contract.Double) && !g.padded:
		return g.number(), true
	}
	for _, kind := range []contract.Type{contract.Date, contract.Timestamp, contract.Time, contract.JSON, contract.String} {
		if g.isPossible(kind) {
			return contract.Column{Type: kind}, true
		}
	}
	return contract.Column{}, false
}

// Limits for decimals. More than maxFraction digits after the point mean noise of
// floating-point numbers. spareDigits leave room for numbers larger than in the sample.
// maxDigits is the largest precision.
const (
	maxFraction = 9
	minScale    = 2
	spareDigits = 3
	maxDigits   = 38
)

// number returns integer, decimal or double. CSV integers of more than 64 bits become
// text, because such numbers are usually identifiers.
func (g *typeGuess) number() contract.Column {
	scale := g.fraction
	if scale > 0 {
		scale = max(scale, minScale)
	}
	switch {
	case g.isPossible(contract.Integer):
		return contract.Column{Type: contract.Integer}
	case g.text && g.fraction == 0 && !g.exponent:
		return contract.Column{Type: contract.String}
	case g.exponent || g.fraction > maxFraction || g.whole+scale > maxDigits:
		return contract.Column{Type: contract.Double}
	default:
		return contract.Column{Type: contract.Decimal, Precision: roundedPrecision(g.whole + scale), Scale: scale}
	}
}

// roundedPrecision adds spareDigits and rounds up to a precision of Parquet: 9 for 32
// bits, 18 for 64 bits, else maxDigits.
func roundedPrecision(digits int) int {
	for _, precision := range []int{9, 18} {
		if digits+spareDigits <= precision {
			return precision
		}
	}
	return maxDigits
}

func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }
