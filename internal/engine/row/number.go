package row

import (
	"math"
	"math/big"
	"math/bits"
	"strconv"
	"unsafe"
)

// parseInteger parses -?[0-9]{1,19}, within the range of 64 bits.
func parseInteger(text []byte) (int64, bool) {
	negative, digits := sign(text)
	if len(digits) == 0 || len(digits) > 19 {
		return 0, false
	}
	var value uint64
	for _, b := range digits {
		digit := b - '0'
		if digit > 9 {
			return 0, false
		}
		value = value*10 + uint64(digit)
	}
	if negative {
		return -int64(value), value <= 1<<63
	}
	return int64(value), value <= math.MaxInt64
}

// sign cuts a minus sign. A plus sign is invalid in a number.
func sign(text []byte) (negative bool, rest []byte) {
	if len(text) > 0 && text[0] == '-' {
		return true, text[1:]
	}
	return false, text
}

// Int128 is a signed number of 128 bits in two's complement.
type Int128 struct {
	High int64
	Low  uint64
}

// Less reports whether i is smaller than j.
func (i Int128) Less(j Int128) bool {
	return i.High < j.High || i.High == j.High && i.Low < j.Low
}

func (i Int128) negated() Int128 {
	low, borrow := bits.Sub64(0, i.Low, 0)
	high, _ := bits.Sub64(0, uint64(i.High), borrow)
	return Int128{High: int64(high), Low: low}
}

// times10 returns i*10 + digit. i must not be negative.
func (i Int128) times10(digit byte) Int128 {
	high, low := bits.Mul64(i.Low, 10)
	low, carry := bits.Add64(low, uint64(digit), 0)
	return Int128{High: i.High*10 + int64(high+carry), Low: low}
}

// fromBig returns n. The absolute value of n must be less than 2^127.
func fromBig(n *big.Int) Int128 {
	var absolute big.Int
	absolute.Abs(n)
	var low, high big.Int
	low.And(&absolute, new(big.Int).SetUint64(math.MaxUint64))
	high.Rsh(&absolute, 64)
	i := Int128{High: int64(high.Uint64()), Low: low.Uint64()}
	if n.Sign() < 0 {
		return i.negated()
	}
	return i
}

// decimalForm is the allowed number of digits of a decimal column.
type decimalForm struct {
	// whole is the maximum number of digits before the point. 0 allows a single zero.
	whole int
	scale int
}

// check matches the text with -?[0-9]{1,whole}(\.[0-9]{1,scale})? and returns the
// digits before and after the point.
func (f decimalForm) check(text []byte) (negative bool, whole, fraction []byte, ok bool) {
	negative, rest := sign(text)
	point := len(rest)
	for i, b := range rest {
		if b == '.' && point == len(rest) {
			point = i
		} else if b-'0' > 9 {
			return false, nil, nil, false
		}
	}
	whole = rest[:point]
	if point < len(rest) {
		fraction = rest[point+1:]
		if len(fraction) == 0 {
			return false, nil, nil, false
		}
	}
	fits := len(whole) <= f.whole || f.whole == 0 && len(whole) == 1 && whole[0] == '0'
	return negative, whole, fraction, len(whole) > 0 && fits && len(fraction) <= f.scale
}

// parse64 parses a decimal with at most 18 digits. The result is the unscaled number.
func (f decimalForm) parse64(text []byte) (int64, bool) {
	negative, whole, fraction, ok := f.check(text)
	if !ok {
		return 0, false
	}
	var value int64
	for _, b := range whole {
		value = value*10 + int64(b-'0')
	}
	for _, b := range fraction {
		value = value*10 + int64(b-'0')
	}
	for range f.scale - len(fraction) {
		value *= 10
	}
	if negative {
		value = -value
	}
	return value, true
}

// parse128 parses a decimal with at most 38 digits. The result is the unscaled number.
func (f decimalForm) parse128(text []byte) (Int128, bool) {
	negative, whole, fraction, ok := f.check(text)
	if !ok {
		return Int128{}, false
	}
	var value Int128
	for _, b := range whole {
		value = value.times10(b - '0')
	}
	for _, b := range fraction {
		value = value.times10(b - '0')
	}
	for range f.scale - len(fraction) {
		value = value.times10(0)
	}
	if negative {
		value = value.negated()
	}
	return value, true
}

// parseDouble parses -?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)? within the finite range of a
// double.
func parseDouble(text []byte) (float64, bool) {
	_, rest := sign(text)
	rest, ok := digits(rest)
	if ok && len(rest) > 0 && rest[0] == '.' {
		rest, ok = digits(rest[1:])
	}
	if ok && len(rest) > 0 && (rest[0] == 'e' || rest[0] == 'E') {
		rest = rest[1:]
		if len(rest) > 0 && (rest[0] == '+' || rest[0] == '-') {
			rest = rest[1:]
		}
		rest, ok = digits(rest)
	}
	if !ok || len(rest) > 0 {
		return 0, false
	}
	value, err := strconv.ParseFloat(unsafe.String(&text[0], len(text)), 64)
	return value, err == nil
}

// digits cuts the leading digits. ok means at least a single digit.
func digits(text []byte) (rest []byte, ok bool) {
	n := 0
	for n < len(text) && text[n]-'0' <= 9 {
		n++
	}
	return text[n:], n > 0
}
