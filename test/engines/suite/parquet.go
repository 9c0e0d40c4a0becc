package suite

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"strings"
	"time"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/format"
)

// ReadParquet returns a file's rows as JSON-like values, by the columns' logical types.
func ReadParquet(body []byte) (rows []map[string]any, err error) {
	file, err := parquet.OpenFile(bytes.NewReader(body), int64(len(body)))
	if err != nil {
		return nil, fmt.Errorf("open Parquet: %w", err)
	}
	for _, group := range file.RowGroups() {
		if rows, err = readGroup(rows, file.Root().Columns(), group.Rows()); err != nil {
			return nil, fmt.Errorf("read Parquet: %w", err)
		}
	}
	return rows, nil
}

func readGroup(rows []map[string]any, leaves []*parquet.Column, reader parquet.Rows) ([]map[string]any, error) {
	defer reader.Close()
	buffer := make([]parquet.Row, 100)
	for {
		n, err := reader.ReadRows(buffer)
		for _, r := range buffer[:n] {
			values := make(map[string]any, len(leaves))
			for _, value := range r {
				leaf := leaves[value.Column()]
				values[leaf.Name()] = logical(leaf, value)
			}
			rows = append(rows, values)
		}
		if errors.Is(err, io.EOF) {
			return rows, nil
		}
		if err != nil {
			return nil, err
		}
	}
}

// Types returns each column's physical and logical type as text. A 64-bit integer has
// the same text with and without its annotation (github.com/apache/parquet-format,
// LogicalTypes.md).
func Types(body []byte) (map[string]string, error) {
	file, err := parquet.OpenFile(bytes.NewReader(body), int64(len(body)))
	if err != nil {
		return nil, fmt.Errorf("open Parquet: %w", err)
	}
	types := make(map[string]string)
	for _, leaf := range file.Root().Columns() {
		text := strings.ReplaceAll(leaf.Type().String(), "INT(64,true)", "INT64")
		types[leaf.Name()] = fmt.Sprintf("%s %s", leaf.Type().Kind(), text)
	}
	return types, nil
}

func logical(leaf *parquet.Column, v parquet.Value) any {
	if v.IsNull() {
		return nil
	}
	if kind := leaf.Type().LogicalType(); kind != nil {
		switch kind := kind.Value.(type) {
		case *format.DecimalType:
			return decimalText(v, int(kind.Scale))
		case *format.DateType:
			return time.Unix(int64(v.Int32())*86400, 0).UTC().Format(time.DateOnly)
		case *format.TimestampType:
			return time.UnixMicro(v.Int64()).UTC().Format("2006-01-02T15:04:05.000000Z")
		case *format.TimeType:
			return time.UnixMicro(v.Int64()).UTC().Format("15:04:05.000000")
		}
	}
	switch v.Kind() {
	case parquet.Boolean:
		return v.Boolean()
	case parquet.Double:
		return v.Double()
	case parquet.Int64:
		return json.Number(fmt.Sprint(v.Int64()))
	default:
		return string(v.ByteArray())
	}
}

func decimalText(v parquet.Value, scale int) string {
	unscaled := new(big.Int)
	switch v.Kind() {
	case parquet.Int32:
		unscaled.SetInt64(int64(v.Int32()))
	case parquet.Int64:
		unscaled.SetInt64(v.Int64())
	default:
		digits := v.ByteArray()
		unscaled.SetBytes(digits)
		if digits[0]&0x80 != 0 {
			unscaled.Sub(unscaled, new(big.Int).Lsh(big.NewInt(1), uint(8*len(digits))))
		}
	}
	power := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(scale)), nil)
	return new(big.Rat).SetFrac(unscaled, power).FloatString(scale)
}
