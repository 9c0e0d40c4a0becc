package parquetfile

import (
	"encoding/binary"
	"math"

	"github.com/parquet-go/parquet-go/format"

	"github.com/firn-data/firn/internal/engine/row"
)

// numbers are INT64, INT32 and DOUBLE values. A double is stored as its bits.
type numbers struct {
	// read returns the values of a batch, without nulls.
	read   func(*row.Batch) []int64
	size64 bool
	double bool

	known   *numberDictionary // nil: no dictionary
	trial   dictionaryTrial
	indices []uint32 // of the open page, while indexing
	plain   []byte   // of the open page, after indexing
	// indexing means that values go to the dictionary. used means that a page has used
	// the dictionary.
	indexing, used bool
	valueBounds    numberBounds
	scratch        []int64
}

func newNumbers(f *field, limits dictionaryLimits) *numbers {
	n := &numbers{size64: f.physical != row.Int32, double: f.physical == row.Float64, known: &numberDictionary{limits: limits}}
	n.read = func(batch *row.Batch) []int64 { return n.column(batch.Columns[f.place]) }
	n.reset()
	return n
}

// column returns the values of a column without nulls, valid until the next call.
func (n *numbers) column(c *row.Column) []int64 {
	if c.Physical == row.Int64 && c.Nulls() == 0 {
		return c.Int64s
	}
	values := n.scratch[:0]
	switch c.Physical {
	case row.Int64:
		for i, v := range c.Int64s {
			if c.Present[i] {
				values = append(values, v)
			}
		}
	case row.Int32:
		for i, v := range c.Int32s {
			if c.Present[i] {
				values = append(values, int64(v))
			}
		}
	default:
		for i, v := range c.Float64s {
			if c.Present[i] {
				values = append(values, int64(math.Float64bits(v)))
			}
		}
	}
	n.scratch = values
	return values
}

func (n *numbers) append(batch *row.Batch) {
	values := n.read(batch)
	if n.indexing && (n.known.full() || n.trial.fails(len(n.known.numbers), len(values))) {
		n.dropDictionary()
	}
	if !n.indexing {
		n.plain = n.appendPlain(n.plain, values)
		n.extendBounds(values)
		return
	}
	n.indices = n.known.numberAll(n.indices, values)
}

// dropDictionary continues without the dictionary. Earlier pages keep their indices.
func (n *numbers) dropDictionary() {
	n.extendBounds(n.known.numbers)
	for _, index := range n.indices {
		n.plain = n.appendPlain(n.plain, n.known.numbers[index:index+1])
	}
	n.indices, n.indexing = n.indices[:0], false
}

func (n *numbers) extendBounds(values []int64) {
	if n.double {
		n.valueBounds.addDoubles(values)
	} else {
		n.valueBounds.addAll(values)
	}
}

func (n *numbers) appendPlain(dst []byte, values []int64) []byte {
	if n.size64 {
		for _, v := range values {
			dst = binary.LittleEndian.AppendUint64(dst, uint64(v))
		}
		return dst
	}
	for _, v := range values {
		dst = binary.LittleEndian.AppendUint32(dst, uint32(v))
	}
	return dst
}

func (n *numbers) length() int {
	const short, long = 4, 8
	if n.size64 {
		return long
	}
	return short
}

// size counts a whole word for each index, which limits the rows of a page.
func (n *numbers) size() int { return len(n.plain) + len(n.indices)*indexSize }

func (n *numbers) page(dst []byte) ([]byte, format.Encoding, int) {
	if n.indexing && !n.used && (len(n.indices) == 0 || !repeats(len(n.known.numbers), len(n.indices))) {
		n.dropDictionary()
	}
	if !n.indexing {
		dst, n.plain = swapOrAppend(dst, n.plain)
		return dst, format.Plain, n.length()
	}
	dst = appendIndices(dst, n.indices, len(n.known.numbers))
	n.indices, n.used = n.indices[:0], true
	return dst, format.RLEDictionary, 0
}

func (n *numbers) dictionary() ([]byte, int, int) {
	if !n.used {
		return nil, 0, 0
	}
	return n.appendPlain(nil, n.known.numbers), len(n.known.numbers), n.length()
}

func (n *numbers) bounds() (low, high []byte) {
	if n.indexing {
		n.extendBounds(n.known.numbers)
	}
	if !n.valueBounds.known {
		return nil, nil
	}
	if n.double {
		n.valueBounds.zeros()
	}
	return n.appendPlain(nil, []int64{n.valueBounds.low}), n.appendPlain(nil, []int64{n.valueBounds.high})
}

func (n *numbers) reset() {
	n.plain, n.indices = n.plain[:0], n.indices[:0]
	n.trial, n.valueBounds, n.used = dictionaryTrial{}, numberBounds{}, false
	if n.indexing = n.known != nil; n.indexing {
		n.known.reset()
	}
}
