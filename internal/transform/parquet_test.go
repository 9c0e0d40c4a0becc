package transform_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/big"
	"testing"
	"time"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/format"
)

// readParquet returns a file's rows as JSON-like values by their logical types:
// what a reader of the table would see.
func readParquet(t *testing.T, body []byte) []map[string]any {
	t.Helper()
	file, err := parquet.OpenFile(bytes.NewReader(body), int64(len(body)))
	if err != nil {
		t.Fatalf("open Parquet: %v", err)
	}
	leaves := file.Root().Columns()
	var rows []map[string]any
	for _, group := range file.RowGroups() {
		reader := group.Rows()
		buffer := make([]parquet.Row, 100)
		for {
			n, err := reader.ReadRows(buffer)
			for _, r := range buffer[:n] {
				rows = append(rows, rowOf(leaves, r))
			}
			if err != nil {
				break
			}
		}
		if err := reader.Close(); err != nil {
			t.Fatalf("close rows: %v", err)
		}
	}
	return rows
}

func rowOf(leaves []*parquet.Column, r parquet.Row) map[string]any {
	values := make(map[string]any, len(leaves))
	for _, value := range r {
		leaf := leaves[value.Column()]
		values[leaf.Name()] = logical(leaf, value)
	}
	return values
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
			return time.Unix(int64(v.Int32())*86400, 0).UTC().Format("2006-01-02")
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
		bytes := v.ByteArray()
		unscaled.SetBytes(bytes)
		if bytes[0]&0x80 != 0 {
			unscaled.Sub(unscaled, new(big.Int).Lsh(big.NewInt(1), uint(8*len(bytes))))
		}
	}
	power := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(scale)), nil)
	return new(big.Rat).SetFrac(unscaled, power).FloatString(scale)
}
