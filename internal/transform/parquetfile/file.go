package parquetfile

import (
	"fmt"
	"io"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/compress/zstd"

	"github.com/firn-data/firn/internal/transform/row"
)

// A row group is flushed at whichever comes first. Its compressed pages are
// what a file keeps in memory.
const (
	rowGroupRows  = 512 << 10
	rowGroupBytes = 32 << 20
)

// Sizes of the buffers of one file: all columns share pageBytes, within the
// limits a column, so that a wide contract takes no more memory.
const (
	pageBytes       = 16 << 20
	minPage         = 64 << 10
	maxPage         = 1 << 20
	dictionaryBytes = 1 << 20
)

// File writes one Parquet file. It isn't safe for concurrent use.
type File struct {
	layout  Layout
	output  *countingWriter
	writer  *parquet.GenericWriter[any]
	columns []*parquet.ColumnWriter
	values  []parquet.Value
	fixed   []byte // the bytes of wide decimals
	rows    int64
	flushed struct{ rows, bytes int64 }
}

// New begins a file of the layout.
func New(output io.Writer, layout Layout) *File {
	counting := &countingWriter{output: output}
	options := []parquet.WriterOption{
		layout.schema(),
		parquet.Compression(&zstd.Codec{Level: zstd.SpeedFastest}),
		parquet.CreatedBy("firn", "1", "0"),
		parquet.DataPageVersion(1),
		parquet.DictionaryMaxBytes(dictionaryBytes),
		parquet.PageBufferSize(min(max(pageBytes/len(layout.fields), minPage), maxPage)),
	}
	for _, f := range layout.fields {
		if f.opaque {
			options = append(options, parquet.SkipPageBounds(f.name), parquet.SkipPageStatistics(f.name))
		}
	}
	writer := parquet.NewGenericWriter[any](counting, options...)
	return &File{layout: layout, output: counting, writer: writer, columns: writer.ColumnWriters()}
}

// Write appends the rows of a batch, whose columns are those of the layout.
func (f *File) Write(batch *row.Batch) error {
	for i := range f.layout.fields {
		f.fill(i, batch)
		if _, err := f.columns[i].WriteRowValues(f.values); err != nil {
			return fmt.Errorf("write column %s: %w", f.layout.fields[i].name, err)
		}
	}
	f.rows += int64(batch.Len())
	if f.rows-f.flushed.rows < rowGroupRows && f.writer.Size()-f.flushed.bytes < rowGroupBytes {
		return nil
	}
	if err := f.writer.Flush(); err != nil {
		return fmt.Errorf("write row group: %w", err)
	}
	f.flushed.rows, f.flushed.bytes = f.rows, f.writer.Size()
	return nil
}

// Rows returns the number of rows written so far.
func (f *File) Rows() int64 { return f.rows }

// Size returns the number of bytes written so far, without the row group that
// is still open. After Close it is the file's size.
func (f *File) Size() int64 { return f.output.count }

// Close writes what is buffered and the footer. It doesn't close the output.
func (f *File) Close() error {
	if err := f.writer.Close(); err != nil {
		return fmt.Errorf("close Parquet file: %w", err)
	}
	return nil
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
