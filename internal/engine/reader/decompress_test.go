package reader_test

import (
	"bytes"
	"compress/gzip"
	"io"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/firn-data/firn/internal/contract"
	"github.com/firn-data/firn/internal/engine/reader"
	"github.com/firn-data/firn/internal/fault"
)

func gzipped(t testing.TB, plain []byte) []byte {
	t.Helper()
	var packed bytes.Buffer
	writer := gzip.NewWriter(&packed)
	_, err := writer.Write(plain)
	if err == nil {
		err = writer.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return packed.Bytes()
}

func zstandard(t testing.TB, plain []byte, options ...zstd.EOption) []byte {
	t.Helper()
	encoder, err := zstd.NewWriter(nil, options...)
	if err != nil {
		t.Fatal(err)
	}
	return encoder.EncodeAll(plain, nil)
}

// repeatingReader repeats the same bytes: consecutive gzip members unpack to one
// stream.
type repeatingReader struct {
	body []byte
	left int
	rest []byte
}

func (r *repeatingReader) Read(p []byte) (int, error) {
	if len(r.rest) == 0 {
		if r.left == 0 {
			return 0, io.EOF
		}
		r.left--
		r.rest = r.body
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

// TestLargeDecompressionBombIsRefused unpacks 2 GiB. `make test` runs a test named
// TestLarge... without the race detector.
func TestLargeDecompressionBombIsRefused(t *testing.T) {
	t.Parallel()
	const member = 16 << 20
	tests := []struct {
		name    string
		plain   []byte
		members int
		bomb    bool
	}{
		{"over both limits", make([]byte, member), 70, true},
		{"high ratio, small", make([]byte, member), 60, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			packed := gzipped(t, test.plain)
			plain, err := reader.Open(&repeatingReader{body: packed, left: test.members}, reader.Gzip, contract.UTF8)
			if err != nil {
				t.Fatal(err)
			}
			n, err := io.Copy(io.Discard, plain)
			if isBomb := err != nil; isBomb != test.bomb {
				t.Fatalf("after %d bytes: %v", n, err)
			}
			if err != nil && fault.As(err).Code != fault.BadCompression {
				t.Errorf("error %v", err)
			}
		})
	}
}

func TestZstdFramesAreRead(t *testing.T) {
	t.Parallel()
	text := []byte(strings.Repeat("a,b\n1,2\n", 10_000))
	frame := zstandard(t, text)
	tests := []struct {
		name string
		body []byte
		want []byte
		ok   bool
	}{
		{"one frame", frame, text, true},
		{"two frames", append(bytes.Clone(frame), frame...), append(bytes.Clone(text), text...), true},
		{"truncated", frame[:len(frame)-5], nil, false},
		{"junk after the end", append(bytes.Clone(frame), "junk"...), nil, false},
		{"damaged", append(bytes.Clone(frame[:len(frame)-1]), frame[len(frame)-1]^1), nil, false},
		{"window too large", zstandard(t, bytes.Repeat([]byte("0123456789abcdef"), 8<<20), zstd.WithWindowSize(128<<20), zstd.WithSingleSegment(false)), nil, false},
		{"not zstd", []byte("a,b\n1,2\n"), nil, false},
		{"empty", nil, nil, true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			plain, err := reader.Open(bytes.NewReader(test.body), reader.Zstd, contract.UTF8)
			var got []byte
			if err == nil {
				got, err = io.ReadAll(plain)
			}
			if (err == nil) != test.ok {
				t.Fatalf("error %v", err)
			}
			if err != nil && fault.As(err).Code != fault.BadCompression {
				t.Errorf("error %v", err)
			}
			if test.ok && !bytes.Equal(got, test.want) {
				t.Errorf("%d bytes, want %d", len(got), len(test.want))
			}
		})
	}
}

func TestCompressedOrUTF16BytesAreRefusedAsPlain(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		body []byte
		code fault.Code
	}{
		"gzip":       {gzipped(t, []byte("x")), fault.BadCompression},
		"zstd":       {zstandard(t, []byte("x")), fault.BadCompression},
		"gzip twice": {gzipped(t, gzipped(t, []byte("x"))), fault.BadCompression},
		"UTF-16 BE":  {[]byte{0xFE, 0xFF, 0, 'a'}, fault.BadEncoding},
	} {
		compression := reader.Plain
		if name == "gzip twice" {
			compression = reader.Gzip
		}
		_, err := reader.Open(bytes.NewReader(test.body), compression, contract.UTF8)
		if f := fault.As(err); f == nil || f.Code != test.code || f.Disposition != fault.Permanent {
			t.Errorf("%s: error %v", name, err)
		}
	}
}
