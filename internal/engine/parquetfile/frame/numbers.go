package frame

import (
	"encoding/binary"
	"math/bits"
)

const (
	// window is the count of numbers with the same width.
	window = 1024
	// maxWidth is the maximum number of written bytes of a number. The other bytes, at
	// least 3, equal those of the number before.
	maxWidth = numberLength - minMatch
	// exceptionCost is the cost of a wider number in bytes: the whole number and a new
	// block.
	exceptionCost = numberLength + 13
)

// numbers is a run of numbers with the same width, written as one block.
type numbers struct {
	width, count int
}

// appendNumbers writes little-endian numbers. Most of the numbers differ from the
// number before only in their low bytes.
func (w *Writer) appendNumbers(dst, content []byte, head int) ([]byte, bool) {
	records := content[head:]
	start := len(dst)
	dst = appendHeader(dst, len(content))
	dst = appendRaw(dst, content[:head+numberLength])
	previous := binary.LittleEndian.Uint64(records)
	var open numbers
	isFirst, useful := true, false
	for at := numberLength; at < len(records); at += window * numberLength {
		part := records[at:min(at+window*numberLength, len(records))]
		width := chooseWidth(part, previous)
		if width != open.width {
			dst = w.close(dst, &open)
			open.width = width
		}
		if width == 0 {
			dst = appendRaw(dst, part)
			previous = binary.LittleEndian.Uint64(part[len(part)-numberLength:])
			continue
		}
		useful = true
		for ; len(part) > 0; part = part[numberLength:] {
			value := binary.LittleEndian.Uint64(part)
			fits := (value^previous)>>(8*width) == 0
			previous = value
			switch {
			case !fits:
				w.literals = append(w.literals, part[:numberLength]...)
				dst = w.close(dst, &open)
				continue
			case isFirst:
				isFirst = false
				dst = w.close(dst, &open)
				w.literals = append(w.literals, part[:width]...)
				dst = w.appendBlock(dst, sequences{count: 1, literals: width, match: numberLength - width, offset: offsetCode(numberLength)})
				continue
			}
			w.literals = appendLow(w.literals, value, width)
			if open.count++; open.count == maxBlock/numberLength-1 {
				dst = w.close(dst, &open)
			}
		}
	}
	if !useful {
		return dst[:start], false
	}
	return appendEnd(w.close(dst, &open)), true
}

// close writes the open numbers as a block, with the remaining literals after the
// numbers.
func (w *Writer) close(dst []byte, open *numbers) []byte {
	switch {
	case open.count > 0:
		dst = w.appendBlock(dst, sequences{count: open.count, literals: open.width, match: numberLength - open.width, offset: repeated})
	case len(w.literals) > 0:
		dst = appendRaw(dst, w.literals)
		w.literals = w.literals[:0]
	}
	open.count = 0
	return dst
}

// chooseWidth returns the width in bytes with the smallest result, or 0 if the part
// should stay uncompressed.
func chooseWidth(part []byte, previous uint64) int {
	var counts [numberLength + 1]int
	for at := 0; at < len(part); at += numberLength {
		value := binary.LittleEndian.Uint64(part[at:])
		counts[(bits.Len64(value^previous)+7)/8]++
		previous = value
	}
	best, least := 0, len(part)
	within, count := counts[0], len(part)/numberLength
	for width := 1; width <= maxWidth; width++ {
		within += counts[width]
		if cost := within*width + (count-within)*exceptionCost; cost < least {
			best, least = width, cost
		}
	}
	return best
}

// appendLow appends the low bytes of the value.
func appendLow(dst []byte, value uint64, width int) []byte {
	dst = binary.LittleEndian.AppendUint64(dst, value)
	return dst[:len(dst)-numberLength+width]
}
