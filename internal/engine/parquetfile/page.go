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

// Level is how hard zstd searches: its own levels 1 and 3.
type Level int

// The levels.
const (
	Fastest Level = 1
	Default Level = 3
)

// searchWindow bounds in bytes how far back zstd searches, and its memory.
const searchWindow = 1 << 20

// compressors are shared by all files: each keeps a table for every page that
// is compressed at once.
var compressors = map[Level]func() *zstd.Encoder{
	Fastest: compressor(Fastest),
	Default: compressor(Default),
}

func compressor(level Level) func() *zstd.Encoder {
	return sync.OnceValue(func() *zstd.Encoder {
		encoder, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.EncoderLevelFromZstd(int(level))),
			zstd.WithEncoderCRC(false), zstd.WithWindowSize(searchWindow), zstd.WithLowerEncoderMem(true))
		if err != nil { // the options are fixed: can't happen
			panic(err)
		}
		return encoder
	})
}

// method is how the pages of a column chunk are compressed. All are zstd frames.
type method int

const (
	undecided method = iota
	searched         // what zstd finds at its level
	recorded         // as records of one length, see package frame
	stored           // as they are
)

// packer compresses pages.
type packer struct {
	level  Level
	frame  frame.Writer
	sample []byte
	packed []byte
}

// Bytes of the first page by which the method is chosen; what a method must
// save to be taken, and what records may cost more than a search that takes
// ten times as long.
const (
	sampleBytes   = 64 << 10
	minSaving     = 0.03
	maxRecordCost = 1.1
)

// choose finds the method for a page of head bytes and, if length isn't zero,
// records of the length.
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

// protocol encodes the metadata of a file.
var protocol thrift.CompactProtocol

func encodeMetadata(v any) ([]byte, error) {
	var buffer bytes.Buffer
	if err := thrift.NewEncoder(protocol.NewWriter(&buffer)).Encode(v); err != nil {
		return nil, fmt.Errorf("encode Parquet metadata: %w", err)
	}
	return buffer.Bytes(), nil
}

// dataPageHeader describes a page of the first version, whose levels are part
// of what is compressed.
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
