package frame

import "math/bits"

// code is a symbol of the sequences section, with its extra bits.
type code struct {
	symbol byte
	extra  uint64
	width  int
}

// span is the first length of a code and the width of the extra bits.
type span struct{ first, width int }

// The codes of lengths with extra bits (RFC 8878, 3.1.1.3.2.1.1). A shorter length is
// its own code. Match lengths start at 3.
var (
	literalSpans = []span{
		{16, 1},
		{18, 1},
		{20, 1},
		{22, 1},
		{24, 2},
		{28, 2},
		{32, 3},
		{40, 3},
		{48, 4},
		{64, 6},
		{128, 7},
		{256, 8},
		{512, 9},
		{1024, 10},
		{2048, 11},
		{4096, 12},
		{8192, 13},
		{16384, 14},
		{32768, 15},
		{65536, 16},
	}
	matchSpans = []span{
		{35, 1},
		{37, 1},
		{39, 1},
		{41, 1},
		{43, 2},
		{47, 2},
		{51, 3},
		{59, 3},
		{67, 4},
		{83, 4},
		{99, 5},
		{131, 7},
		{259, 8},
		{515, 9},
		{1027, 10},
		{2051, 11},
		{4099, 12},
		{8195, 13},
		{16387, 14},
		{32771, 15},
		{65539, 16},
	}
)

func literalCode(length int) code { return lengthCode(length, 0, literalSpans) }

func matchCode(length int) code { return lengthCode(length, minMatch, matchSpans) }

func lengthCode(length, shortest int, spans []span) code {
	if length < spans[0].first {
		return code{symbol: byte(length - shortest)}
	}
	i := len(spans) - 1
	for spans[i].first > length {
		i--
	}
	return code{symbol: byte(spans[0].first - shortest + i), extra: uint64(length - spans[i].first), width: spans[i].width}
}

// repeated is the code for the offset of the last sequence. It is valid only with
// literals before the match.
var repeated = code{}

// offsetCode returns the code of a new offset (RFC 8878, 3.1.1.3.2.1.1).
func offsetCode(offset int) code {
	const repeats = 3 // smaller values mean recent offsets
	value := uint64(offset + repeats)
	width := bits.Len64(value) - 1
	return code{symbol: byte(width), extra: value - 1<<width, width: width}
}
