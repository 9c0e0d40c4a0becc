package parquetfile

import (
	"encoding/binary"

	"github.com/parquet-go/parquet-go/format"

	"github.com/firn-data/firn/internal/engine/row"
)

// values encodes the values of one column chunk, page by page. Nulls aren't encoded.
type values interface {
	// append adds the values of a batch to the open page.
	append(batch *row.Batch)
	// size returns the approximate size of the open page in bytes.
	size() int
	// page appends the values of the open page and starts the next page. length is the
	// length of each value in bytes, or 0 for different lengths.
	page(dst []byte) (page []byte, encoding format.Encoding, length int)
	// dictionary returns the dictionary's values in PLAIN encoding, or no entries if no
	// page has used the dictionary.
	dictionary() (page []byte, entries, length int)
	// bounds returns the smallest and largest value in PLAIN encoding, texts without
	// their length, or nil.
	bounds() (low, high []byte)
	reset()
}

// valuesOf returns the encoder of a field.
func valuesOf(f *field, limits dictionaryLimits) values {
	switch f.place {
	case placeObject:
		return &constant{text: []byte(f.object)}
	case placeRecord:
		return &numbers{size64: true, read: func(b *row.Batch) []int64 { return b.Records }}
	}
	switch f.physical {
	case row.Bool:
		return &booleans{place: f.place}
	case row.Wide:
		return &wideNumbers{place: f.place, length: fixedLength(f.precision)}
	case row.Bytes:
		t := &texts{place: f.place, opaque: f.opaque, words: textDictionary{limits: limits}}
		t.reset()
		return t
	default:
		return newNumbers(f, limits)
	}
}

// swapOrAppend returns a page with the plain values, and an empty buffer. If page is
// empty, the two buffers are swapped instead of copied.
func swapOrAppend(page, plain []byte) (filled, empty []byte) {
	if len(page) == 0 {
		return plain, page
	}
	return append(page, plain...), plain[:0]
}

// constant is the same text in every row.
type constant struct {
	text  []byte
	count int
	used  bool
}

func (c *constant) append(batch *row.Batch) { c.count += batch.Len() }

func (c *constant) size() int { return 0 }

func (c *constant) page(dst []byte) ([]byte, format.Encoding, int) {
	dst = appendRun(append(dst, 1), 0, c.count, 1)
	c.count, c.used = 0, true
	return dst, format.RLEDictionary, 0
}

func (c *constant) dictionary() ([]byte, int, int) {
	if !c.used {
		return nil, 0, 0
	}
	page := binary.LittleEndian.AppendUint32(nil, uint32(len(c.text)))
	return append(page, c.text...), 1, 0
}

func (c *constant) bounds() (low, high []byte) { return c.text, c.text }

func (c *constant) reset() { c.count, c.used = 0, false }

// booleans are bits. The first bit is the lowest bit of its byte.
type booleans struct {
	place   int
	bits    bitmap
	scratch []bool
	// Of the chunk: whether true and false occur, and the number of values.
	hasTrue, hasFalse bool
	count             int
}

func (b *booleans) append(batch *row.Batch) {
	c := batch.Columns[b.place]
	known := c.Bools
	if c.Nulls() > 0 {
		known = b.scratch[:0]
		for i, v := range c.Bools {
			if c.Present[i] {
				known = append(known, v)
			}
		}
		b.scratch = known
	}
	before := b.bits.set
	b.bits.append(known)
	b.hasTrue = b.hasTrue || b.bits.set > before
	b.hasFalse = b.hasFalse || b.bits.set-before < len(known)
	b.count += len(known)
}

func (b *booleans) size() int { return len(b.bits.bytes) }

func (b *booleans) page(dst []byte) ([]byte, format.Encoding, int) {
	dst = append(dst, b.bits.bytes...)
	b.bits.reset()
	return dst, format.Plain, 0
}

func (b *booleans) dictionary() ([]byte, int, int) { return nil, 0, 0 }

func (b *booleans) bounds() (low, high []byte) {
	if b.count == 0 {
		return nil, nil
	}
	low, high = []byte{1}, []byte{0}
	if b.hasFalse {
		low[0] = 0
	}
	if b.hasTrue {
		high[0] = 1
	}
	return low, high
}

func (b *booleans) reset() {
	b.bits.reset()
	b.hasTrue, b.hasFalse, b.count = false, false, 0
}

// wideNumbers are numbers of up to 128 bits, as bytes of a fixed length.
type wideNumbers struct {
	place, length int
	plain         []byte
}

func (w *wideNumbers) append(batch *row.Batch) {
	const whole = 16
	c := batch.Columns[w.place]
	for i, v := range c.Wides {
		if !c.Present[i] {
			continue
		}
		var number [whole]byte
		binary.BigEndian.PutUint64(number[:], uint64(v.High))
		binary.BigEndian.PutUint64(number[whole/2:], v.Low)
		w.plain = append(w.plain, number[whole-w.length:]...)
	}
}

func (w *wideNumbers) size() int { return len(w.plain) }

func (w *wideNumbers) page(dst []byte) ([]byte, format.Encoding, int) {
	dst, w.plain = swapOrAppend(dst, w.plain)
	return dst, format.Plain, w.length
}

func (w *wideNumbers) dictionary() ([]byte, int, int) { return nil, 0, 0 }

func (w *wideNumbers) bounds() (low, high []byte) { return nil, nil }

func (w *wideNumbers) reset() { w.plain = w.plain[:0] }
