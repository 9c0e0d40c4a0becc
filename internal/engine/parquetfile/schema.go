// Package parquetfile writes batches of rows as Parquet for Snowflake's vectorized
// scanner. The files have zstd, data pages of version 1, and only the encodings PLAIN,
// RLE and RLE_DICTIONARY. Columns have logical types instead of INT96 and bare bytes
// (docs.snowflake.com, "Faster Parquet data ingestion" and create-file-format).
//
// The package supports only flat columns, so a chunk takes a whole column of a batch in
// one loop. Repeated numbers and texts go to a dictionary, which is dropped if it saves
// no space. Every page is one zstd frame. The general search of zstd runs only on pages
// with matches.
package parquetfile

import (
	"math/big"

	"github.com/parquet-go/parquet-go/deprecated"
	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"

	"github.com/firn-data/firn/internal/contract"
	"github.com/firn-data/firn/internal/engine/row"
	"github.com/firn-data/firn/internal/object"
)

// The columns with the origin of a row.
const (
	ObjectColumn = "_firn_object"
	RecordColumn = "_firn_record"
)

// Layout is the sequence of a file's columns.
type Layout struct {
	fields []field
}

// field is one column of a file. place is the index of the column in the batch, or
// placeObject or placeRecord.
type field struct {
	name      string
	element   format.SchemaElement
	physical  row.Physical
	precision int
	place     int
	object    object.ID
	opaque    bool // no minimum and maximum: meaningless or wrong for the type
	optional  bool
}

const (
	placeObject = -1
	placeRecord = -2
)

// Data returns the layout of accepted rows: the contract's columns, then the origin
// columns.
func Data(columns []contract.Column, id object.ID) Layout {
	fields := columnFields(columns)
	return Layout{fields: append(fields, originFields(id)...)}
}

// Rejects returns the layout of rejects: the origin columns, then the columns of the
// batch.
func Rejects(columns []*row.Column, id object.ID) Layout {
	contracts := make([]contract.Column, len(columns))
	for i, c := range columns {
		contracts[i] = c.Contract
	}
	return Layout{fields: append(originFields(id), columnFields(contracts)...)}
}

func originFields(id object.ID) []field {
	return []field{
		{name: ObjectColumn, place: placeObject, object: id, element: elementOf(contract.Column{Name: ObjectColumn, Type: contract.String, Required: true})},
		{name: RecordColumn, place: placeRecord, element: elementOf(contract.Column{Name: RecordColumn, Type: contract.Integer, Required: true})},
	}
}

// columnFields returns the fields of columns. Columns required by the contract are
// REQUIRED, all others OPTIONAL.
func columnFields(columns []contract.Column) []field {
	fields := make([]field, len(columns))
	for i, c := range columns {
		fields[i] = field{
			name: c.Name, element: elementOf(c), physical: row.PhysicalOf(c), precision: c.Precision, place: i,
			opaque:   c.Type == contract.JSON || row.PhysicalOf(c) == row.Wide,
			optional: !c.Required,
		}
	}
	return fields
}

// elementOf describes a column by its logical type, and by the converted type for older
// readers.
func elementOf(c contract.Column) format.SchemaElement {
	e := format.SchemaElement{
		Name: c.Name, Type: thrift.New(physicalType(row.PhysicalOf(c))), RepetitionType: thrift.New(format.Optional),
	}
	if c.Required {
		e.RepetitionType = thrift.New(format.Required)
	}
	micros := format.TimeUnit{Value: &format.MicroSeconds{}}
	switch c.Type {
	case contract.String, contract.JSON:
		annotate(&e, deprecated.UTF8, &format.StringType{})
	case contract.Integer:
		annotate(&e, deprecated.Int64, &format.IntType{BitWidth: 64, IsSigned: true})
	case contract.Date:
		annotate(&e, deprecated.Date, &format.DateType{})
	case contract.Timestamp:
		annotate(&e, deprecated.TimestampMicros, &format.TimestampType{IsAdjustedToUTC: true, Unit: micros})
	case contract.Time: // the converted type TIME_MICROS would mean UTC
		e.LogicalType.Value = &format.TimeType{Unit: micros}
	case contract.Decimal:
		scale, precision := int32(c.Scale), int32(c.Precision)
		annotate(&e, deprecated.Decimal, &format.DecimalType{Scale: scale, Precision: precision})
		e.Scale, e.Precision = thrift.New(scale), thrift.New(precision)
		if e.Type.V == format.FixedLenByteArray {
			e.TypeLength = thrift.New(int32(fixedLength(c.Precision)))
		}
	default: // the physical type is enough
	}
	return e
}

func annotate(e *format.SchemaElement, converted deprecated.ConvertedType, logical format.LogicalTypeValue) {
	e.ConvertedType = thrift.New(converted)
	e.LogicalType.Value = logical
}

func physicalType(p row.Physical) format.Type {
	switch p {
	case row.Int64:
		return format.Int64
	case row.Int32:
		return format.Int32
	case row.Wide:
		return format.FixedLenByteArray
	case row.Float64:
		return format.Double
	case row.Bool:
		return format.Boolean
	default:
		return format.ByteArray
	}
}

// fixedLength returns the minimum number of bytes for a decimal of the precision.
func fixedLength(precision int) int {
	largest := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(precision)), nil)
	largest.Sub(largest, big.NewInt(1))
	return largest.BitLen()/8 + 1 // one more bit for the sign
}

// schema returns the tree of columns, with the root first.
func (l Layout) schema() thrift.Slice[format.SchemaElement] {
	elements := thrift.Slice[format.SchemaElement]{{Name: "row", NumChildren: thrift.New(int32(len(l.fields)))}}
	for _, f := range l.fields {
		elements = append(elements, f.element)
	}
	return elements
}
