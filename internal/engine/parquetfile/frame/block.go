package frame

import (
	"encoding/binary"

	"github.com/klauspost/compress/huff0"
)

// sequences are the equal sequences of one block. Each sequence copies its literals and
// then a match from the offset.
type sequences struct {
	count           int
	literals, match int
	offset          code
}

// appendBlock appends a compressed block with the sequences and the writer's literals.
// The literals left over after the sequences come last.
func (w *Writer) appendBlock(dst []byte, s sequences) []byte {
	start := len(dst)
	dst = append(dst, 0, 0, 0)
	dst = w.appendLiterals(dst)
	dst = appendSequences(dst, s)
	appendBlockHeader(dst[:start], compressedBlock, len(dst)-start-blockHeader)
	w.literals = w.literals[:0]
	return dst
}

// minEntropy is the minimum number of literals for a Huffman table.
const minEntropy = 4096

// appendLiterals appends the literals section (RFC 8878, 3.1.1.3.1). Literals are
// Huffman coded if that makes the section smaller.
func (w *Writer) appendLiterals(dst []byte) []byte {
	if len(w.literals) >= minEntropy {
		w.table.Reuse = huff0.ReusePolicyNone
		packed, _, err := huff0.Compress4X(w.literals, &w.table)
		if err == nil && len(packed) < len(w.literals) { // an error means incompressible literals
			return appendPacked(dst, packed, len(w.literals))
		}
	}
	const shortSize, middleSize = 1 << 5, 1 << 12
	switch n := uint32(len(w.literals)); {
	case n < shortSize:
		dst = append(dst, byte(n<<3))
	case n < middleSize:
		dst = binary.LittleEndian.AppendUint16(dst, uint16(n<<4|1<<2))
	default:
		header := n<<4 | 3<<2
		dst = append(dst, byte(header), byte(header>>8), byte(header>>16))
	}
	return append(dst, w.literals...)
}

// appendPacked appends literals in four Huffman streams, with their table.
func appendPacked(dst, packed []byte, size int) []byte {
	const compressed = 2
	format, width, bytes := uint64(2), 14, 4
	if size >= 1<<14 {
		format, width, bytes = 3, 18, 5
	}
	header := compressed | format<<2 | uint64(size)<<4 | uint64(len(packed))<<(4+width)
	for range bytes {
		dst = append(dst, byte(header))
		header >>= 8
	}
	return append(dst, packed...)
}

// appendSequences appends the sequences section (RFC 8878, 3.1.1.3.2). Each of the
// three tables has one symbol, so that a sequence consists only of extra bits.
func appendSequences(dst []byte, s sequences) []byte {
	const oneByte, twoBytes, oneSymbol = 128, 0x7F00, 1
	switch {
	case s.count < oneByte:
		dst = append(dst, byte(s.count))
	case s.count < twoBytes:
		dst = append(dst, byte(s.count>>8+oneByte), byte(s.count))
	default:
		dst = append(dst, 0xFF)
		dst = binary.LittleEndian.AppendUint16(dst, uint16(s.count-twoBytes))
	}
	if s.count == 0 {
		return dst
	}
	literals, match := literalCode(s.literals), matchCode(s.match)
	dst = append(dst, oneSymbol<<6|oneSymbol<<4|oneSymbol<<2, literals.symbol, s.offset.symbol, match.symbol)
	return appendExtra(dst, s.count, literals, match, s.offset)
}

// appendExtra appends the bit stream. A decoder reads the stream from the end: the last
// sequence comes first, and a single bit ends the stream.
func appendExtra(dst []byte, count int, codes ...code) []byte {
	var pattern uint64
	width := 0
	for _, c := range codes {
		pattern |= c.extra << width
		width += c.width
	}
	var pending uint64
	filled := 0
	if width > 0 {
		for range count {
			pending |= pattern << filled
			for filled += width; filled >= 8; filled -= 8 {
				dst = append(dst, byte(pending))
				pending >>= 8
			}
		}
	}
	return append(dst, byte(pending|1<<filled))
}
