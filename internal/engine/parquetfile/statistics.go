package parquetfile

import (
	"bytes"
	"encoding/binary"
	"math"
)

// maxBound is the maximum length in bytes of a minimum or maximum in the footer. With a
// longer value, the column has neither.
const maxBound = 256

// numberBounds are the smallest and largest number of a column chunk.
type numberBounds struct {
	known     bool
	low, high int64
}

func (b *numberBounds) addAll(values []int64) {
	if len(values) == 0 {
		return
	}
	if !b.known {
		b.known, b.low, b.high = true, values[0], values[0]
	}
	low, high := b.low, b.high
	for _, v := range values {
		low, high = min(low, v), max(high, v)
	}
	b.low, b.high = low, high
}

// addDoubles adds doubles, given as bits. Doubles of a contract are finite.
func (b *numberBounds) addDoubles(values []int64) {
	for _, v := range values {
		value := math.Float64frombits(uint64(v))
		if !b.known {
			b.known, b.low, b.high = true, v, v
		}
		if value < math.Float64frombits(uint64(b.low)) {
			b.low = v
		}
		if value > math.Float64frombits(uint64(b.high)) {
			b.high = v
		}
	}
}

// zeros makes a zero minimum negative and a zero maximum positive
// (github.com/apache/parquet-format, parquet.thrift, ColumnOrder).
func (b *numberBounds) zeros() {
	if math.Float64frombits(uint64(b.low)) == 0 {
		b.low = math.MinInt64 // the bits of -0
	}
	if math.Float64frombits(uint64(b.high)) == 0 {
		b.high = 0
	}
}

// textBounds are the smallest and largest text of a column chunk, in byte order.
type textBounds struct {
	known     bool
	low, high []byte
	// First eight bytes of low and high. They decide nearly every comparison.
	lowKey, highKey uint64
}

func (b *textBounds) add(text []byte) {
	key := orderKey(text)
	if !b.known {
		b.known = true
		b.low, b.high = append(b.low[:0], text...), append(b.high[:0], text...)
		b.lowKey, b.highKey = key, key
		return
	}
	if key <= b.lowKey && bytes.Compare(text, b.low) < 0 {
		b.low, b.lowKey = append(b.low[:0], text...), key
	}
	if key >= b.highKey && bytes.Compare(text, b.high) > 0 {
		b.high, b.highKey = append(b.high[:0], text...), key
	}
}

// orderKey returns the first eight bytes as a number with the same order.
func orderKey(text []byte) uint64 {
	const size = 8
	if len(text) >= size {
		return binary.BigEndian.Uint64(text)
	}
	var key uint64
	for i, b := range text {
		key |= uint64(b) << (56 - 8*i)
	}
	return key
}
