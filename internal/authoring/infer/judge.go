package infer

import (
	"bytes"
	"cmp"
	"maps"
	"slices"

	"github.com/firn-data/firn/internal/contract"
	"github.com/firn-data/firn/internal/engine/row"
)

// typeGuess holds the values of one column against every type at once.
type typeGuess struct {
	// candidates are the types that took every value so far.
	candidates map[contract.Type]*row.Batch
	values     int64
	// whole and fraction are the most digits before and after the point.
	whole, fraction int
	// exponent, padded and text tell of numbers: one has an exponent, one has
	// leading zeros, which an integer would lose, one is from CSV.
	exponent, padded, text bool
	arrays                 bool
}

// guessedTypes are the types that are asked. A decimal's form comes of its digits.
var guessedTypes = []contract.Type{
	contract.Boolean, contract.Integer, contract.Double, contract.Date, contract.Timestamp, contract.Time, contract.JSON, contract.String,
}

func newTypeGuess() *typeGuess {
	j := &typeGuess{candidates: make(map[contract.Type]*row.Batch, len(guessedTypes))}
	for _, kind := range guessedTypes {
		j.candidates[kind] = oneColumn(contract.Column{Name: "value", Type: kind})
	}
	return j
}

// oneColumn returns a batch of the engine for one column.
func oneColumn(c contract.Column) *row.Batch {
	batch, err := row.NewBatch([]contract.Column{c})
	if err != nil { // a type without rules is always sound
		panic(err)
	}
	return batch
}

// observe takes a value that isn't null.
func (j *typeGuess) observe(v row.Value) {
	j.values++
	for kind, batch := range j.candidates {
		if batch.Add(j.values, []row.Value{v}) != "" {
			delete(j.candidates, kind)
		}
		batch.Reset()
	}
	switch {
	case j.isPossible(contract.Double):
		j.measure(v)
	case j.isPossible(contract.JSON):
		j.arrays = j.arrays || v.Text[0] == '['
	}
}

func (j *typeGuess) isPossible(kind contract.Type) bool { return j.candidates[kind] != nil }

// measure counts the digits of a number.
func (j *typeGuess) measure(v row.Value) {
	digits := bytes.TrimPrefix(v.Text, []byte("-"))
	if at := bytes.IndexAny(digits, "eE"); at >= 0 {
		j.exponent, digits = true, digits[:at]
	}
	whole, fraction, _ := bytes.Cut(digits, []byte("."))
	j.whole, j.fraction = max(j.whole, len(whole)), max(j.fraction, len(fraction))
	j.padded = j.padded || len(whole) > 1 && whole[0] == '0'
	j.text = j.text || v.Kind == row.Text
}

// decide returns the narrowest type that takes every value; false if none does.
// A column without values is taken for text.
func (j *typeGuess) decide() (contract.Column, bool) {
	switch {
	case j.values == 0:
		return contract.Column{Type: contract.String}, true
	case j.isPossible(contract.Boolean):
		return contract.Column{Type: contract.Boolean}, true
	case j.isPossible(contract.Double) && !j.padded:
		return j.number(), true
	}
	for _, kind := range []contract.Type{contract.Date, contract.Timestamp, contract.Time, contract.JSON, contract.String} {
		if j.isPossible(kind) {
			return contract.Column{Type: kind}, true
		}
	}
	return contract.Column{}, false
}

// Measures of decimals: more digits after the point are noise of floating-point
// numbers; spare digits leave room for larger numbers than the sample has.
const (
	maxFraction = 9
	minScale    = 2
	spareDigits = 3
	maxDigits   = 38
)

// number tells exact numbers from floating-point ones. Digits beyond 64 bits in
// a CSV file are names of something rather than numbers.
func (j *typeGuess) number() contract.Column {
	scale := j.fraction
	if scale > 0 {
		scale = max(scale, minScale)
	}
	switch {
	case j.isPossible(contract.Integer):
		return contract.Column{Type: contract.Integer}
	case j.text && j.fraction == 0 && !j.exponent:
		return contract.Column{Type: contract.String}
	case j.exponent || j.fraction > maxFraction || j.whole+scale > maxDigits:
		return contract.Column{Type: contract.Double}
	default:
		return contract.Column{Type: contract.Decimal, Precision: roundedPrecision(j.whole + scale), Scale: scale}
	}
}

// roundedPrecision returns a precision with spare digits: the most that Parquet keeps in 32
// or 64 bits, or the most there is.
func roundedPrecision(digits int) int {
	for _, precision := range []int{9, 18} {
		if digits+spareDigits <= precision {
			return precision
		}
	}
	return maxDigits
}

func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }
