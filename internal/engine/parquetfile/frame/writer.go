package frame

import (
	"github.com/klauspost/compress/huff0"
)

// Writer writes frames of records. It isn't safe for concurrent use.
type Writer struct {
	literals []byte
	table    huff0.Scratch
}

// numberLength is the length in bytes of records treated as little-endian numbers.
const numberLength = 8

// Append appends a frame of the content: head bytes, then records of the given length.
// If the records have too few common bytes, Append appends nothing and returns false.
func (w *Writer) Append(dst, content []byte, head, length int) ([]byte, bool) {
	records := content[head:]
	if len(records) < 2*length || len(records)%length != 0 {
		return dst, false
	}
	w.literals = w.literals[:0]
	if length == numberLength {
		if packed, ok := w.appendNumbers(dst, content, head); ok {
			return packed, true
		}
	}
	return w.appendRecords(dst, content, head, length)
}

// appendRecords writes records with common bytes at the same place in all records.
func (w *Writer) appendRecords(dst, content []byte, head, length int) ([]byte, bool) {
	place, match := common(content[head:], length)
	match = min(match, length-1) // without a literal, "repeated" means another offset
	if match < minMatch || length > maxBlock {
		return dst, false
	}
	dst = appendHeader(dst, len(content))
	at := head + length + place // the first match
	dst = appendRaw(dst, content[:at-1])
	dst = w.first(dst, content[at-1], match, length)
	at += match
	literals := length - match
	count := (len(content) - at) / length
	for count > 0 {
		n := min(count, maxBlock/length)
		for range n {
			w.literals = append(w.literals, content[at:at+literals]...)
			at += length
		}
		dst = w.appendBlock(dst, sequences{count: n, literals: literals, match: match, offset: repeated})
		count -= n
	}
	return appendEnd(appendRaw(dst, content[at:])), true
}

// first writes one byte and a match, which makes the offset the recent offset.
func (w *Writer) first(dst []byte, literal byte, match, offset int) []byte {
	w.literals = append(w.literals, literal)
	return w.appendBlock(dst, sequences{count: 1, literals: 1, match: match, offset: offsetCode(offset)})
}

// common returns the longest sequence of bytes with the same values in all records.
func common(records []byte, length int) (place, size int) {
	differs := make([]byte, length)
	first := records[:length]
	for at := length; at < len(records); at += length {
		for i, b := range records[at : at+length] {
			differs[i] |= b ^ first[i]
		}
	}
	run := 0
	for i, d := range differs {
		if d != 0 {
			run = 0
			continue
		}
		if run++; run > size {
			place, size = i+1-run, run
		}
	}
	return place, size
}
