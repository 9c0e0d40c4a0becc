package parquetfile

import (
	"encoding/binary"

	"github.com/parquet-go/parquet-go/format"

	"github.com/firn-data/firn/internal/engine/row"
)

// indexSize is the size of a dictionary index in the size of a page.
const indexSize = 8

// appendIndices appends a page of indices into a dictionary. entries is the number of
// the dictionary's entries.
func appendIndices(dst []byte, indices []uint32, entries int) []byte {
	width := bitWidth(entries)
	return appendHybrid(append(dst, byte(width)), indices, width)
}

// texts are BYTE_ARRAY values.
type texts struct {
	place  int
	opaque bool

	words   textDictionary
	trial   dictionaryTrial
	indices []uint32 // of the open page, while indexing
	plain   []byte   // of the open page, after indexing
	// length is the length of all texts in plain, or unequalLength.
	length int
	// indexing means that values go to the dictionary. used means that a page has used
	// the dictionary.
	indexing, used bool
	valueBounds    textBounds
}

const unequalLength = -1

func (t *texts) append(batch *row.Batch) {
	c := batch.Columns[t.place]
	if t.indexing && (t.words.full() || t.trial.fails(len(t.words.ends), c.Len()-c.Nulls())) {
		t.dropDictionary()
	}
	if t.indexing {
		t.index(c)
		return
	}
	for i := range c.Len() {
		if c.Present[i] {
			t.add(c.TextAt(i))
		}
	}
}

func (t *texts) index(c *row.Column) {
	for i, isPresent := range c.Present {
		if isPresent {
			t.indices = t.words.add(t.indices, c.TextAt(i))
		}
	}
	t.indices = t.words.flush(t.indices)
}

// add appends one text to the open page, without a dictionary.
func (t *texts) add(text []byte) {
	switch {
	case len(t.plain) == 0:
		t.length = len(text)
	case t.length != len(text):
		t.length = unequalLength
	}
	t.plain = binary.LittleEndian.AppendUint32(t.plain, uint32(len(text)))
	t.plain = append(t.plain, text...)
	if !t.opaque {
		t.valueBounds.add(text)
	}
}

// dropDictionary continues without the dictionary. Earlier pages keep their indices.
func (t *texts) dropDictionary() {
	t.extendBounds()
	for _, index := range t.indices {
		t.add(t.words.text(index))
	}
	t.indices, t.indexing = t.indices[:0], false
}

func (t *texts) extendBounds() {
	if t.opaque {
		return
	}
	for i := range t.words.ends {
		t.valueBounds.add(t.words.text(uint32(i)))
	}
}

// size counts a whole word for each index, which limits the rows of a page.
func (t *texts) size() int { return len(t.plain) + len(t.indices)*indexSize }

func (t *texts) page(dst []byte) ([]byte, format.Encoding, int) {
	if t.indexing && !t.used && (len(t.indices) == 0 || !repeats(len(t.words.ends), len(t.indices))) {
		t.dropDictionary()
	}
	if t.indexing {
		dst = appendIndices(dst, t.indices, len(t.words.ends))
		t.indices, t.used = t.indices[:0], true
		return dst, format.RLEDictionary, 0
	}
	record := 0
	if len(t.plain) > 0 && t.length != unequalLength {
		record = lengthSize + t.length
	}
	dst, t.plain = swapOrAppend(dst, t.plain)
	return dst, format.Plain, record
}

func (t *texts) dictionary() ([]byte, int, int) {
	if !t.used {
		return nil, 0, 0
	}
	return t.words.page, len(t.words.ends), 0
}

func (t *texts) bounds() (low, high []byte) {
	if t.indexing {
		t.extendBounds()
	}
	if !t.valueBounds.known || len(t.valueBounds.low) > maxBound || len(t.valueBounds.high) > maxBound {
		return nil, nil
	}
	return t.valueBounds.low, t.valueBounds.high
}

func (t *texts) reset() {
	t.plain, t.indices = t.plain[:0], t.indices[:0]
	t.trial, t.used, t.indexing = dictionaryTrial{}, false, true
	t.valueBounds.known = false
	t.words.reset()
}
