package parquetfile

import (
	"bytes"
	"fmt"
	"sync"

	"github.com/klauspost/compress/zstd"
	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"

	"github.com/firn-data/firn/internal/engine/parquetfile/frame"
)

// Level is the compression level of zstd: 1 or 3.
type Level int

// The levels.
const (
	Fastest Level = 1
	Default Level = 3
)

// searchWindow is the distance in bytes in which zstd searches for matches. It bounds
// the memory of a compressor.
const searchWindow = 1 << 20

// compressors are shared by all files. A compressor has one table for each page in
// progress.
var compressors = map[Level]func() *zstd.Encoder{
	Fastest: compressor(Fastest),
	Default: compressor(Default),
}

func compressor(level Level) func() *zstd.Encoder {
	return sync.OnceValue(func() *zstd.Encoder {
		encoder, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.EncoderLevelFromZstd(int(level))),
			zstd.WithEncoderCRC(false), zstd.WithWindowSize(searchWindow), zstd.WithLowerEncoderMem(true))
		if err != nil { // impossible: the options are fixed
			panic(err)
		}
		return encoder
	})
}

// method is the compression method for the pages of a column chunk. Each method writes
// zstd frames.
type method int

const (
	undecided method = iota
	searched         // matches found by zstd at its level
	recorded         // records of one length, see package frame
	stored           // uncompressed
)

// packer compresses pages.
type packer struct {
	level  Level
	frame  frame.Writer
	sample []byte
	packed []byte
}

// sampleBytes is the part of the first page for the choice of a method. minSaving is
// the minimum saving of a method. maxRecordCost is the allowed size of records relative
// to a search, which takes ten times as long.
const (
	sampleBytes   = 64 << 10
	minSaving     = 0.03
	maxRecordCost = 1.1
)

// choose returns the method for a page. The page has head bytes and then, if length
// isn't zero, records of that length.
func (p *packer) choose(page []byte, head, length int) method {
	size := min(len(page), sampleBytes)
	if length > 0 {
		size = head + (size-min(head, size))/length*length
	}
	sample := page[:size]
	p.sample = compressors[p.level]().EncodeAll(sample, p.sample[:0])
	best, least := searched, len(p.sample)
	if length > 0 {
		if packed, ok := p.frame.Append(p.sample[:0], sample, head, length); ok {
			p.sample = packed
			if float64(len(packed)) <= maxRecordCost*float64(least) {
				best, least = recorded, len(packed)
			}
		}
	}
	if float64(least) > (1-minSaving)*float64(size) {
		return stored
	}
	return best
}

// pack appends the compressed page.
func (p *packer) pack(dst, page []byte, head, length int, m method) []byte {
	if m == stored {
		return frame.Store(dst, page)
	}
	if m == recorded && length > 0 {
		if packed, ok := p.frame.Append(dst, page, head, length); ok {
			return packed
		}
	}
	return compressors[p.level]().EncodeAll(page, dst)
}

// protocol encodes the metadata of files.
var protocol thrift.CompactProtocol

func encodeMetadata(v any) ([]byte, error) {
	var buffer bytes.Buffer
	if err := thrift.NewEncoder(protocol.NewWriter(&buffer)).Encode(v); err != nil {
		return nil, fmt.Errorf("encode Parquet metadata: %w", err)
	}
	return buffer.Bytes(), nil
}

// dataPageHeader describes a version 1 page: the levels are compressed with the values.
func dataPageHeader(rows, nulls, size, packed int, encoding format.Encoding) *format.PageHeader {
	return &format.PageHeader{
		Type: format.DataPage, UncompressedPageSize: int32(size), CompressedPageSize: int32(packed),
		DataPageHeader: thrift.New(format.DataPageHeader{
			NumValues: int32(rows), Encoding: encoding, DefinitionLevelEncoding: format.RLE, RepetitionLevelEncoding: format.RLE,
			Statistics: format.Statistics{NullCount: int64(nulls)},
		}),
	}
}

func dictionaryPageHeader(entries, size, packed int) *format.PageHeader {
	return &format.PageHeader{
		Type: format.DictionaryPage, UncompressedPageSize: int32(size), CompressedPageSize: int32(packed),
		DictionaryPageHeader: thrift.New(format.DictionaryPageHeader{NumValues: int32(entries), Encoding: format.Plain}),
	}
}
