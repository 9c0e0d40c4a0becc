package parquetfile

import (
	"encoding/binary"
	"math/big"

	"github.com/parquet-go/parquet-go"

	"github.com/firn-data/firn/internal/transform/row"
)

// fill sets f.values to the batch's values of one field.
func (f *File) fill(index int, batch *row.Batch) {
	layout := &f.layout.fields[index]
	f.values = f.values[:0]
	switch layout.place {
	case placeObject:
		for range batch.Records {
			f.values = append(f.values, layout.object)
		}
	case placeRecord:
		for _, record := range batch.Records {
			f.values = append(f.values, parquet.Int64Value(record))
		}
	default:
		c := batch.Columns[layout.place]
		f.fillColumn(c)
		if layout.optional {
			f.setLevels(c.Present)
		}
	}
}

// fillColumn takes nulls for zeros; setLevels mends that.
func (f *File) fillColumn(c *row.Column) {
	switch c.Physical {
	case row.Int64:
		for _, v := range c.Int64s {
			f.values = append(f.values, parquet.Int64Value(v))
		}
	case row.Int32:
		for _, v := range c.Int32s {
			f.values = append(f.values, parquet.Int32Value(v))
		}
	case row.Float64:
		for _, v := range c.Float64s {
			f.values = append(f.values, parquet.DoubleValue(v))
		}
	case row.Bool:
		for _, v := range c.Bools {
			f.values = append(f.values, parquet.BooleanValue(v))
		}
	case row.Wide:
		f.fixed = f.fixed[:0]
		length := fixedLength(c.Contract.Precision)
		for _, v := range c.Wides {
			f.values = append(f.values, parquet.FixedLenByteArrayValue(f.wide(v, length)))
		}
	default:
		for i, end := range c.Ends[1:] {
			f.values = append(f.values, parquet.ByteArrayValue(c.Text[c.Ends[i]:end]))
		}
	}
}

// setLevels tells nulls from values of an optional column: a value is defined
// at level 1.
func (f *File) setLevels(present []bool) {
	for i, isPresent := range present {
		if isPresent {
			f.values[i].SetDefinitionLevel(1)
		} else {
			f.values[i] = parquet.NullValue()
		}
	}
}

// wide returns the number as big-endian two's complement of the length, at
// most 16 bytes. The bytes stay valid until the next column is filled.
func (f *File) wide(value row.Int128, length int) []byte {
	const whole = 16
	from := len(f.fixed)
	f.fixed = binary.BigEndian.AppendUint64(f.fixed, uint64(value.High))
	f.fixed = binary.BigEndian.AppendUint64(f.fixed, value.Low)
	return f.fixed[from+whole-length : from+whole]
}

// fixedLength returns the fewest bytes that hold a decimal of the precision.
func fixedLength(precision int) int {
	largest := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(precision)), nil)
	largest.Sub(largest, big.NewInt(1))
	return largest.BitLen()/8 + 1 // one bit more, for the sign
}
