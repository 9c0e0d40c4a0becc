package row

import (
	"bytes"
	"encoding/binary"
	"unicode/utf8"
)

var replacement = []byte("\uFFFD")

// ValidText reports whether the bytes are UTF-8 without U+FFFD. A U+FFFD means lost
// text: an earlier program replaced unreadable bytes.
func ValidText(text []byte) bool {
	if isASCII(text) {
		return true
	}
	return utf8.Valid(text) && !bytes.Contains(text, replacement)
}

// isASCII tests 32 bytes at a time, then eight.
func isASCII(text []byte) bool {
	const highBits = 0x8080808080808080
	for len(text) >= 32 {
		if (binary.LittleEndian.Uint64(text)|binary.LittleEndian.Uint64(text[8:])|
			binary.LittleEndian.Uint64(text[16:])|binary.LittleEndian.Uint64(text[24:]))&highBits != 0 {
			return false
		}
		text = text[32:]
	}
	for len(text) >= 8 {
		if binary.LittleEndian.Uint64(text)&highBits != 0 {
			return false
		}
		text = text[8:]
	}
	for _, b := range text {
		if b >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// Legible appends the text with one U+FFFD for each ill-formed sequence, so that the
// result is valid UTF-8. A sequence is the longest prefix of a well-formed character
// (Unicode chapter 3.9). Java and Python decode the same way, so both engines write the
// same text.
func Legible(dst, text []byte) []byte {
	for len(text) > 0 {
		r, size := utf8.DecodeRune(text)
		if r == utf8.RuneError && size <= 1 {
			dst = append(dst, replacement...)
			text = text[illFormed(text):]
			continue
		}
		dst = append(dst, text[:size]...)
		text = text[size:]
	}
	return dst
}

// illFormed returns the length in bytes of the ill-formed sequence at the start, 1 to
// 3.
func illFormed(text []byte) int {
	const lowest, highest = 0x80, 0xBF
	needed, low, high := 0, byte(lowest), byte(highest)
	switch b := text[0]; {
	case b >= 0xC2 && b <= 0xDF:
		needed = 1
	case b == 0xE0:
		needed, low = 2, 0xA0
	case b == 0xED:
		needed, high = 2, 0x9F
	case b >= 0xE1 && b <= 0xEF:
		needed = 2
	case b == 0xF0:
		needed, low = 3, 0x90
	case b == 0xF4:
		needed, high = 3, 0x8F
	case b >= 0xF1 && b <= 0xF3:
		needed = 3
	}
	n := 1
	for n <= needed && n < len(text) && text[n] >= low && text[n] <= high {
		n++
		low, high = lowest, highest
	}
	return n
}
