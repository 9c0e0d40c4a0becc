package parquetfile

import (
	"fmt"
	"maps"
	"slices"

	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"

	"github.com/firn-data/firn/internal/engine/row"
)

// chunk is one column's part of the open row group. The pages stay in memory until the
// row group is written.
type chunk struct {
	field     *field
	pageBytes int
	values    values
	levels    bitmap
	packer    packer
	// methods are the compression methods of pages, by encoding.
	methods map[format.Encoding]method
	scratch []byte

	// pages are the finished data pages, and pagesSize is their size in bytes. first is
	// the dictionary page. spare has the buffers of written pages.
	pages, spare [][]byte
	pagesSize    int64
	first        []byte
	rows, nulls  int64
	pageRows     int
	// unpacked is the size of all pages before compression, in bytes.
	unpacked int64
	counts   map[format.Encoding]int32
}

func newChunk(f *field, pageBytes int, limits dictionaryLimits, level Level) *chunk {
	return &chunk{
		field: f, pageBytes: pageBytes, values: valuesOf(f, limits), packer: packer{level: level},
		methods: make(map[format.Encoding]method), counts: make(map[format.Encoding]int32),
	}
}

// write appends the values of a batch.
func (c *chunk) write(batch *row.Batch) error {
	if c.field.optional {
		c.levels.append(batch.Columns[c.field.place].Present)
	}
	c.values.append(batch)
	c.pageRows += batch.Len()
	if c.values.size() < c.pageBytes {
		return nil
	}
	return c.endPage()
}

// endPage compresses the open page and starts the next page.
func (c *chunk) endPage() error {
	page := c.scratch[:0]
	nulls := c.levels.count - c.levels.set
	if c.field.optional {
		page = c.levels.appendLevels(page)
		c.levels.reset()
	}
	head := len(page)
	page, encoding, length := c.values.page(page)
	c.scratch = page
	packed, err := c.packPage(c.emptyBuffer(), page, head, length, encoding, func(size int) *format.PageHeader {
		return dataPageHeader(c.pageRows, nulls, len(page), size, encoding)
	})
	if err != nil {
		return err
	}
	c.pages = append(c.pages, packed)
	c.pagesSize += int64(len(packed))
	c.counts[encoding]++
	c.rows += int64(c.pageRows)
	c.nulls += int64(nulls)
	c.pageRows = 0
	return nil
}

// packPage appends the page's header and the compressed page.
func (c *chunk) packPage(dst, page []byte, head, length int, encoding format.Encoding, header func(size int) *format.PageHeader) ([]byte, error) {
	if c.methods[encoding] == undecided {
		c.methods[encoding] = c.packer.choose(page, head, length)
	}
	packed := c.packer.pack(c.packer.packed[:0], page, head, length, c.methods[encoding])
	c.packer.packed = packed
	described, err := encodeMetadata(header(len(packed)))
	if err != nil {
		return nil, fmt.Errorf("column %s: %w", c.field.name, err)
	}
	c.unpacked += int64(len(described) + len(page))
	return append(append(dst, described...), packed...), nil
}

// emptyBuffer returns the buffer of a written page, or nil.
func (c *chunk) emptyBuffer() []byte {
	last := len(c.spare) - 1
	if last < 0 {
		return nil
	}
	buffer := c.spare[last]
	c.spare = c.spare[:last]
	return buffer[:0]
}

// dictionaryPage is the key of dictionary pages in methods: their compression method is
// independent of the data pages.
const dictionaryPage format.Encoding = -1

// finish ends the last page and compresses the dictionary page.
func (c *chunk) finish() error {
	if c.pageRows > 0 {
		if err := c.endPage(); err != nil {
			return err
		}
	}
	page, entries, length := c.values.dictionary()
	if entries == 0 {
		return nil
	}
	if length == 0 {
		c.methods[dictionaryPage] = searched
	}
	first, err := c.packPage(c.first, page, 0, length, dictionaryPage, func(size int) *format.PageHeader {
		return dictionaryPageHeader(entries, len(page), size)
	})
	c.first = first
	return err
}

// size returns the size of the compressed pages in bytes.
func (c *chunk) size() int64 { return int64(len(c.first)) + c.pagesSize }

// describe returns the metadata of the chunk. offset is the position of the chunk in
// the file.
func (c *chunk) describe(offset int64) format.ColumnChunk {
	data := format.ColumnMetaData{
		Type: c.field.element.Type.V, PathInSchema: thrift.Slice[string]{c.field.name}, Codec: format.Zstd,
		NumValues: c.rows, TotalUncompressedSize: c.unpacked, TotalCompressedSize: c.size(),
		DataPageOffset: offset + int64(len(c.first)),
		Statistics:     format.Statistics{NullCount: c.nulls},
		Encoding:       thrift.Slice[format.Encoding]{format.RLE},
	}
	if !c.field.opaque {
		data.Statistics.MinValue, data.Statistics.MaxValue = c.values.bounds()
	}
	if len(c.first) > 0 {
		data.DictionaryPageOffset = offset
		data.EncodingStats = append(data.EncodingStats, format.PageEncodingStats{PageType: format.DictionaryPage, Encoding: format.Plain, Count: 1})
	}
	for _, encoding := range slices.Sorted(maps.Keys(c.counts)) {
		data.Encoding = append(data.Encoding, encoding)
		data.EncodingStats = append(data.EncodingStats, format.PageEncodingStats{PageType: format.DataPage, Encoding: encoding, Count: c.counts[encoding]})
	}
	if len(c.first) > 0 && c.counts[format.Plain] == 0 {
		data.Encoding = append(data.Encoding, format.Plain)
	}
	return format.ColumnChunk{FileOffset: 0, MetaData: data}
}

// reset starts the chunk of the next row group.
func (c *chunk) reset() {
	c.values.reset()
	c.levels.reset()
	clear(c.methods)
	clear(c.counts)
	c.spare = append(c.spare, c.pages...)
	c.pages, c.first = c.pages[:0], c.first[:0]
	c.pagesSize, c.rows, c.nulls, c.pageRows, c.unpacked = 0, 0, 0, 0, 0
}
