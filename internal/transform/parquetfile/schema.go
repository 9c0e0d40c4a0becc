// Package parquetfile writes batches of rows as Parquet that Snowflake's
// vectorized scanner reads: zstd, data page version 1, encodings PLAIN, RLE and
// RLE_DICTIONARY only, logical types instead of INT96 and bare bytes
// (docs.snowflake.com, "Faster Parquet data ingestion" and create-file-format).
package parquetfile

import (
	"slices"

	"github.com/parquet-go/parquet-go"

	"github.com/firn-data/firn/internal/contract"
	"github.com/firn-data/firn/internal/object"
	"github.com/firn-data/firn/internal/transform/row"
)

// The columns that say where a row comes from.
const (
	ObjectColumn = "_firn_object"
	RecordColumn = "_firn_record"
)

// Layout is the columns of a file, in order.
type Layout struct {
	fields []field
}

// field is one column of a file. place is its column in the batch, or one of
// the two below zero.
type field struct {
	name     string
	node     parquet.Node
	place    int
	object   parquet.Value
	opaque   bool // minimum and maximum mean nothing, or would be wrong
	optional bool
}

const (
	placeObject = -1
	placeRecord = -2
)

// Data returns the layout of accepted rows: the contract's columns, then where
// the row comes from.
func Data(columns []contract.Column, id object.ID) Layout {
	fields := columnFields(columns)
	return Layout{fields: append(fields, originFields(id)...)}
}

// Rejects returns the layout of rejected rows.
func Rejects(columns []*row.Column, id object.ID) Layout {
	contracts := make([]contract.Column, len(columns))
	for i, c := range columns {
		contracts[i] = c.Contract
	}
	return Layout{fields: append(originFields(id), columnFields(contracts)...)}
}

func originFields(id object.ID) []field {
	return []field{
		{name: ObjectColumn, node: dictionary(parquet.String()), place: placeObject, object: parquet.ByteArrayValue([]byte(id))},
		{name: RecordColumn, node: plain(parquet.Leaf(parquet.Int64Type)), place: placeRecord},
	}
}

// columnFields makes columns that the contract requires REQUIRED, all others
// OPTIONAL.
func columnFields(columns []contract.Column) []field {
	fields := make([]field, len(columns))
	for i, c := range columns {
		fields[i] = field{name: c.Name, node: nodeOf(c), place: i, optional: !c.Required}
		fields[i].opaque = c.Type == contract.JSON || c.Type == contract.Decimal && c.Precision > maxDigits64
		if fields[i].optional {
			fields[i].node = parquet.Optional(fields[i].node)
		}
	}
	return fields
}

// Most digits of a decimal in INT32 and INT64
// (github.com/apache/parquet-format, LogicalTypes.md).
const (
	maxDigits32 = 9
	maxDigits64 = 18
)

// nodeOf gives dictionaries to what repeats. A dictionary that grows too large
// falls back to PLAIN by itself.
func nodeOf(c contract.Column) parquet.Node {
	switch c.Type {
	case contract.Integer:
		return plain(parquet.Leaf(parquet.Int64Type))
	case contract.Double:
		return plain(parquet.Leaf(parquet.DoubleType))
	case contract.Boolean:
		return plain(parquet.Leaf(parquet.BooleanType))
	case contract.Date:
		return dictionary(parquet.Date())
	case contract.Timestamp:
		return plain(parquet.Timestamp(parquet.Microsecond))
	case contract.Time:
		return plain(parquet.TimeAdjusted(parquet.Microsecond, false))
	case contract.Decimal:
		return decimalNode(c)
	case contract.JSON:
		return plain(parquet.String())
	default:
		return dictionary(parquet.String())
	}
}

// decimalNode never gives a small decimal a wide form: readers may refuse it.
func decimalNode(c contract.Column) parquet.Node {
	physical := parquet.FixedLenByteArrayType(fixedLength(c.Precision))
	switch {
	case c.Precision <= maxDigits32:
		physical = parquet.Int32Type
	case c.Precision <= maxDigits64:
		physical = parquet.Int64Type
	}
	return plain(parquet.Decimal(c.Scale, c.Precision, physical))
}

func plain(n parquet.Node) parquet.Node      { return parquet.Encoded(n, &parquet.Plain) }
func dictionary(n parquet.Node) parquet.Node { return parquet.Encoded(n, &parquet.RLEDictionary) }

// schema keeps the order of the fields; parquet.Group alone sorts by name.
func (l Layout) schema() *parquet.Schema {
	group, order := parquet.Group{}, make(map[string]int)
	for i, f := range l.fields {
		group[f.name] = f.node
		order[f.name] = i
	}
	fields := group.Fields()
	slices.SortFunc(fields, func(a, b parquet.Field) int { return order[a.Name()] - order[b.Name()] })
	return parquet.NewSchema("row", orderedGroup{Group: group, fields: fields})
}

type orderedGroup struct {
	parquet.Group
	fields []parquet.Field
}

// Fields returns the columns in the layout's order.
func (g orderedGroup) Fields() []parquet.Field { return g.fields }
