package reader

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/firn-data/firn/internal/contract"
	"github.com/firn-data/firn/internal/fault"
)

// An object is a bomb if its unpacked size is above maxUnpacked bytes and above
// maxRatio times its packed size. Real logs compress 10 to 50 times.
const (
	maxRatio    = 200
	maxUnpacked = 1 << 30
)

// maxZstdWindow is the largest allowed window of a zstd frame. 32 MiB covers all levels
// up to 21; only "--long" needs more.
const maxZstdWindow = 32 << 20

// Open returns the text of an object as UTF-8, without a leading byte order mark.
// Every error of the compression is a permanent fault: damage, truncation, bytes
// after the end and a bomb. Errors of the source pass unchanged. io.EOF comes only
// after the last correct checksum.
func Open(source io.Reader, compression Compression, encoding contract.Encoding) (io.Reader, error) {
	plain, err := unpack(source, compression)
	if err != nil {
		return nil, err
	}
	plain, marked, err := withoutByteOrderMark(plain)
	if err != nil {
		return nil, err
	}
	return toUTF8(plain, encoding, marked)
}

func unpack(source io.Reader, compression Compression) (io.Reader, error) {
	packed := &counter{source: source}
	if compression == Plain {
		return packed, nil
	}
	unpacked, err := open(packed, compression)
	if errors.Is(err, io.EOF) && packed.count == 0 {
		return eof{}, nil
	}
	guarded := &checkedReader{packed: packed, unpacked: unpacked}
	if err != nil {
		return nil, guarded.classify(err)
	}
	return guarded, nil
}

func open(packed io.Reader, compression Compression) (io.Reader, error) {
	switch compression {
	case Gzip:
		return gzip.NewReader(packed) // reads all members
	case Zstd:
		decoder, err := zstd.NewReader(packed, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxZstdWindow))
		if err != nil {
			return nil, err
		}
		return decoder.IOReadCloser(), nil
	default:
		return nil, fmt.Errorf("compression %q is unknown", compression)
	}
}

// counter counts the bytes of the source and keeps its error, so that a broken
// connection isn't reported as a damaged file.
type counter struct {
	source io.Reader
	count  int64
	err    error
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.source.Read(p)
	c.count += int64(n)
	if err != nil && !errors.Is(err, io.EOF) {
		c.err = err
	}
	return n, err
}

// checkedReader turns the errors of a decompressor into faults and refuses bombs.
type checkedReader struct {
	packed   *counter
	unpacked io.Reader
	count    int64
}

func (r *checkedReader) Read(p []byte) (int, error) {
	n, err := r.unpacked.Read(p)
	r.count += int64(n)
	if r.count > maxUnpacked && r.count > maxRatio*r.packed.count {
		return 0, fault.Permanentf("decompress object", fault.BadCompression,
			"it unpacks to more than %d times its size: %d bytes from %d so far", maxRatio, r.count, r.packed.count)
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return n, r.classify(err)
	}
	return n, err
}

// classify returns the source's error, if the source failed, or a fault of the file.
func (r *checkedReader) classify(err error) error {
	if r.packed.err != nil {
		return r.packed.err
	}
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		err = errors.New("the compressed data ends too early, or something follows it")
	}
	return fault.Permanentf("decompress object", fault.BadCompression, "after %d bytes: %w", r.packed.count, err)
}

// First bytes of files: the UTF-8 byte order mark, the marks of UTF-16, and the magic
// numbers of compressed files.
var (
	byteOrderMarkUTF8   = []byte{0xEF, 0xBB, 0xBF}
	byteOrderMarksUTF16 = [][]byte{{0xFF, 0xFE}, {0xFE, 0xFF}}
	signatures          = map[string][]byte{"gzip": {0x1F, 0x8B}, "zstd": {0x28, 0xB5, 0x2F, 0xFD}}
)

// withoutByteOrderMark removes a UTF-8 byte order mark; marked reports a removed mark.
// Text with the first bytes of UTF-16 or of a compressed file is refused.
func withoutByteOrderMark(source io.Reader) (text io.Reader, marked bool, err error) {
	head := make([]byte, 4)
	n, err := io.ReadFull(source, head)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, false, err
	}
	head = head[:n]
	for _, mark := range byteOrderMarksUTF16 {
		if bytes.HasPrefix(head, mark) {
			return nil, false, fault.Permanentf("read object", fault.BadEncoding, "it begins with the mark of UTF-16")
		}
	}
	for name, magic := range signatures {
		if bytes.HasPrefix(head, magic) {
			return nil, false, fault.Permanentf("read object", fault.BadCompression, "its bytes are %s, which its name doesn't say", name)
		}
	}
	head, marked = bytes.CutPrefix(head, byteOrderMarkUTF8)
	return io.MultiReader(bytes.NewReader(head), source), marked, nil
}

type eof struct{}

func (eof) Read([]byte) (int, error) { return 0, io.EOF }
