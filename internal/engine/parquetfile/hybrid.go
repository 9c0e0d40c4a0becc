package parquetfile

import (
	"encoding/binary"
	"math/bits"
)

// group is the number of values in a group of bit-packing.
const group = 8

// appendHybrid appends the values in the hybrid of run lengths and bit-packing
// (github.com/apache/parquet-format, Encodings.md, RLE = 3). width is the width of a
// value in bits, 1 to 32.
func appendHybrid(dst []byte, values []uint32, width int) []byte {
	packed, at := 0, 0 // values from packed to at are still to be bit-packed
	for at+group <= len(values) {
		run := runLength(values[at:])
		if run < group {
			at += group
			continue
		}
		dst = appendPacked(dst, values[packed:at], width)
		dst = appendRun(dst, values[at], run, width)
		at += run
		packed = at
	}
	return appendPacked(dst, values[packed:], width)
}

// runLength returns the number of repetitions of the first value at the start.
func runLength(values []uint32) int {
	n := 1
	for n < len(values) && values[n] == values[0] {
		n++
	}
	return n
}

// appendRun appends a run of count equal values.
func appendRun(dst []byte, value uint32, count, width int) []byte {
	dst = binary.AppendUvarint(dst, uint64(count)<<1)
	for range (width + 7) / 8 {
		dst = append(dst, byte(value))
		value >>= 8
	}
	return dst
}

// appendPacked appends the values bit-packed. Zeros fill the last group.
func appendPacked(dst []byte, values []uint32, width int) []byte {
	if len(values) == 0 {
		return dst
	}
	groups := (len(values) + group - 1) / group
	dst = binary.AppendUvarint(dst, uint64(groups)<<1|1)
	end := len(dst) + groups*width
	const half = 32
	var pending uint64
	filled := 0
	for _, v := range values {
		pending |= uint64(v) << filled
		if filled += width; filled >= half {
			dst = binary.LittleEndian.AppendUint32(dst, uint32(pending))
			pending >>= half
			filled -= half
		}
	}
	for len(dst) < end {
		dst = append(dst, byte(pending))
		pending >>= 8
	}
	return dst
}

// bitWidth returns the bits for an index into count values, at least 1.
func bitWidth(count int) int { return max(bits.Len(uint(max(count, 1)-1)), 1) }

// bitmap is a sequence of bits. The first bit is the lowest bit of its byte.
type bitmap struct {
	bytes []byte
	count int
	set   int
}

// append appends one bit for each value.
func (b *bitmap) append(values []bool) {
	for _, v := range values {
		if b.count%group == 0 {
			b.bytes = append(b.bytes, 0)
		}
		if v {
			b.bytes[len(b.bytes)-1] |= 1 << (b.count % group)
			b.set++
		}
		b.count++
	}
}

func (b *bitmap) reset() { b.bytes, b.count, b.set = b.bytes[:0], 0, 0 }

// appendLevels appends the bits as the definition levels of a page (Encodings.md): the
// size in bytes, then the hybrid.
func (b *bitmap) appendLevels(dst []byte) []byte {
	const sizeBytes = 4
	start := len(dst)
	dst = append(dst, 0, 0, 0, 0)
	switch b.set {
	case b.count:
		dst = appendRun(dst, 1, b.count, 1)
	case 0:
		dst = appendRun(dst, 0, b.count, 1)
	default:
		dst = binary.AppendUvarint(dst, uint64(len(b.bytes))<<1|1)
		dst = append(dst, b.bytes...)
	}
	binary.LittleEndian.PutUint32(dst[start:], uint32(len(dst)-start-sizeBytes))
	return dst
}
