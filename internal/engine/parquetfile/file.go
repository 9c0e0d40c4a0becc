package parquetfile

import (
	"encoding/binary"
	"fmt"
	"io"
	"runtime"
	"sync/atomic"

	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"
	"golang.org/x/sync/errgroup"

	"github.com/firn-data/firn/internal/engine/row"
	"github.com/firn-data/firn/internal/fault"
)

// A row group is written at rowGroupRows rows or rowGroupBytes bytes of compressed
// pages, at the first of both limits. A file keeps these pages in memory.
const (
	rowGroupRows  = 1 << 20
	rowGroupBytes = 32 << 20
)

// Buffer sizes of one file in bytes. All columns share pageBytes and dictionaryBytes,
// within the limits for each column, so that a wide contract needs no more memory.
const (
	pageBytes       = 16 << 20
	minPage         = 64 << 10
	maxPage         = 512 << 10
	dictionaryBytes = 32 << 20
	minDictionary   = 256 << 10
	maxDictionary   = 4 << 20
	// entryBytes is the minimum size of a dictionary entry.
	entryBytes = 16
	maxEntries = 1 << 17
)

// magic is at the start and the end of a file.
const magic = "PAR1"

// createdBy has a form that readers can parse (github.com/apache/parquet-format,
// parquet.thrift, FileMetaData).
const createdBy = "firn version 1 (build 0)"

// File writes one Parquet file. It isn't safe for concurrent use. The bytes of the file
// depend only on the batches, not on the number of processors.
type File struct {
	layout  Layout
	output  *countingWriter
	chunks  []*chunk
	workers int
	groups  []format.RowGroup
	rows    int64
	// open is the number of rows in the open row group.
	open int64
}

// New starts a file with the layout.
func New(output io.Writer, layout Layout, level Level) *File {
	f := &File{layout: layout, output: &countingWriter{output: output}, workers: runtime.GOMAXPROCS(0)}
	columns := len(layout.fields)
	page := min(max(pageBytes/columns, minPage), maxPage)
	dictionary := min(max(dictionaryBytes/columns, minDictionary), maxDictionary)
	limits := dictionaryLimits{bytes: dictionary, entries: min(dictionary/entryBytes, maxEntries)}
	for i := range layout.fields {
		f.chunks = append(f.chunks, newChunk(&layout.fields[i], page, limits, level))
	}
	return f
}

// Write appends the rows of a batch. The batch must have the columns of the layout.
func (f *File) Write(batch *row.Batch) error {
	if err := f.each(func(c *chunk) error { return c.write(batch) }); err != nil {
		return err
	}
	f.rows += int64(batch.Len())
	f.open += int64(batch.Len())
	size := int64(0)
	for _, c := range f.chunks {
		size += c.size()
	}
	if f.open < rowGroupRows && size < rowGroupBytes {
		return nil
	}
	return f.flush()
}

// each calls the function for all chunks, in as many goroutines as there are
// processors. A panic is a fault of code crashed.
func (f *File) each(do func(*chunk) error) error {
	var next atomic.Int64
	var group errgroup.Group
	for range min(f.workers, len(f.chunks)) {
		group.Go(func() (err error) {
			defer fault.Recover("write columns", &err)
			for {
				i := int(next.Add(1)) - 1
				if i >= len(f.chunks) {
					return nil
				}
				if err := do(f.chunks[i]); err != nil {
					return err
				}
			}
		})
	}
	return group.Wait()
}

// flush writes the open row group.
func (f *File) flush() error {
	if err := f.begin(); err != nil {
		return err
	}
	if err := f.each((*chunk).finish); err != nil {
		return err
	}
	group := format.RowGroup{NumRows: f.open, FileOffset: f.output.count, Ordinal: int16(len(f.groups))}
	for _, c := range f.chunks {
		group.Columns = append(group.Columns, c.describe(f.output.count))
		group.TotalByteSize += c.unpacked
		group.TotalCompressedSize += c.size()
		for _, part := range append([][]byte{c.first}, c.pages...) {
			if _, err := f.output.Write(part); err != nil {
				return fmt.Errorf("write row group: %w", err)
			}
		}
		c.reset()
	}
	f.groups = append(f.groups, group)
	f.open = 0
	return nil
}

// begin writes magic at the start of the file.
func (f *File) begin() error {
	if f.output.count > 0 {
		return nil
	}
	if _, err := io.WriteString(f.output, magic); err != nil {
		return fmt.Errorf("begin Parquet file: %w", err)
	}
	return nil
}

// Rows returns the number of rows so far.
func (f *File) Rows() int64 { return f.rows }

// Size returns the number of bytes so far, without the open row group. After Close, it
// is the size of the file.
func (f *File) Size() int64 { return f.output.count }

// Close writes the open row group and the footer. It doesn't close the output.
func (f *File) Close() error {
	if f.open > 0 {
		if err := f.flush(); err != nil {
			return err
		}
	}
	if err := f.begin(); err != nil {
		return err
	}
	footer, err := encodeMetadata(f.metadata())
	if err != nil {
		return err
	}
	footer = binary.LittleEndian.AppendUint32(footer, uint32(len(footer)))
	if _, err := f.output.Write(append(footer, magic...)); err != nil {
		return fmt.Errorf("close Parquet file: %w", err)
	}
	return nil
}

func (f *File) metadata() *format.FileMetaData {
	const version = 1
	orders := make(thrift.Slice[format.ColumnOrder], len(f.layout.fields))
	for i := range orders {
		orders[i].Value = &format.TypeDefinedOrder{}
	}
	return &format.FileMetaData{
		Version: version, Schema: f.layout.schema(), NumRows: f.rows, RowGroups: f.groups,
		CreatedBy: createdBy, ColumnOrders: orders,
	}
}

type countingWriter struct {
	output io.Writer
	count  int64
}

func (c *countingWriter) Write(p []byte) (int, error) {
	n, err := c.output.Write(p)
	c.count += int64(n)
	return n, err
}
