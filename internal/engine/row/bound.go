package row

import (
	"fmt"
	"math"
	"math/big"
	"strconv"

	"github.com/firn-data/firn/internal/contract"
)

// bound is a minimum or maximum rule. For integers and decimals, low and high are
// inclusive limits of the unscaled number. For doubles, the function double compares
// with the limit.
type bound struct {
	rule      string
	low, high Int128
	// low64 and high64 are the same limits within 64 bits. If no 64-bit number fits,
	// low64 is larger than high64.
	low64, high64 int64
	double        func(float64) bool
}

var (
	lowest  = Int128{High: math.MinInt64}
	highest = Int128{High: math.MaxInt64, Low: math.MaxUint64}
)

// allows reports whether the unscaled number is within the limits.
func (b *bound) allows(value Int128) bool { return !value.Less(b.low) && !b.high.Less(value) }

// allows64 is the same check for numbers of 64 bits.
func (b *bound) allows64(value int64) bool { return b.low64 <= value && value <= b.high64 }

// setLimits64 sets low64 and high64 from low and high.
func (b *bound) setLimits64() {
	smallest, largest := Int128{High: -1, Low: 1 << 63}, Int128{Low: math.MaxInt64}
	b.low64, b.high64 = math.MinInt64, math.MaxInt64
	if smallest.Less(b.low) {
		b.low64 = int64(b.low.Low)
	}
	if b.high.Less(largest) {
		b.high64 = int64(b.high.Low)
	}
	if largest.Less(b.low) || b.high.Less(smallest) {
		b.low64, b.high64 = 1, 0
	}
}

// compileBounds returns the bounds of a column, in the order of the checks.
func compileBounds(c contract.Column) ([]bound, error) {
	var bounds []bound
	for _, limit := range []struct{ rule, text string }{
		{ruleMinimum, c.Minimum},
		{ruleMaximum, c.Maximum},
		{ruleExclusiveMinimum, c.ExclusiveMinimum},
		{ruleExclusiveMaximum, c.ExclusiveMaximum},
	} {
		if limit.text == "" {
			continue
		}
		b, err := compileBound(c, limit.rule, limit.text)
		if err != nil {
			return nil, fmt.Errorf("column %s: %s %q: %w", c.Name, limit.rule, limit.text, err)
		}
		b.rule = c.Name + ":" + limit.rule
		b.setLimits64()
		bounds = append(bounds, b)
	}
	return bounds, nil
}

func compileBound(c contract.Column, rule, text string) (bound, error) {
	switch c.Type {
	case contract.Integer, contract.Decimal:
		exact, ok := new(big.Rat).SetString(text)
		if !ok {
			return bound{}, fmt.Errorf("not a number")
		}
		return exactBound(rule, exact, c.Scale), nil
	case contract.Double:
		limit, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return bound{}, fmt.Errorf("not a number")
		}
		return doubleBound(rule, limit), nil
	default:
		return bound{}, fmt.Errorf("a column of type %s has no bounds", c.Type)
	}
}

// exactBound converts a limit to the smallest or largest allowed unscaled number.
func exactBound(rule string, limit *big.Rat, scale int) bound {
	power := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(scale)), nil)
	scaled := new(big.Rat).Mul(limit, new(big.Rat).SetInt(power))
	floor := new(big.Int).Div(scaled.Num(), scaled.Denom()) // Euclidean: rounds down, the denominator is positive
	ceiling := new(big.Int).Set(floor)
	if !scaled.IsInt() {
		ceiling.Add(ceiling, big.NewInt(1))
	}
	one := big.NewInt(1)
	b := bound{low: lowest, high: highest}
	switch rule {
	case ruleMinimum:
		b.low = clamp(ceiling)
	case ruleExclusiveMinimum:
		b.low = clamp(floor.Add(floor, one))
	case ruleMaximum:
		b.high = clamp(floor)
	case ruleExclusiveMaximum:
		b.high = clamp(ceiling.Sub(ceiling, one))
	}
	return b
}

// clamp returns n, or the nearest 128-bit number. A bound outside of a column's range
// rejects no value.
func clamp(n *big.Int) Int128 {
	const valueBits = 127
	if n.BitLen() <= valueBits {
		return fromBig(n)
	}
	if n.Sign() < 0 {
		return lowest
	}
	return highest
}

// doubleBound compares by IEEE 754. A double column has no NaN.
func doubleBound(rule string, limit float64) bound {
	return bound{double: map[string]func(float64) bool{
		ruleMinimum:          func(v float64) bool { return v >= limit },
		ruleExclusiveMinimum: func(v float64) bool { return v > limit },
		ruleMaximum:          func(v float64) bool { return v <= limit },
		ruleExclusiveMaximum: func(v float64) bool { return v < limit },
	}[rule]}
}
