package frame_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/klauspost/compress/zstd"
	"pgregory.net/rapid"

	"github.com/firn-data/firn/internal/engine/parquetfile/frame"
)

func decode(t interface{ Fatalf(string, ...any) }, packed []byte) []byte {
	decoder, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1))
	if err != nil {
		t.Fatalf("new decoder: %v", err)
	}
	defer decoder.Close()
	content, err := decoder.DecodeAll(packed, nil)
	if err != nil {
		t.Fatalf("decode: %v", err)
	}
	return content
}

// TestAnyNumbersDecodeEqual decodes frames of any numbers, with and without common
// bytes.
func TestAnyNumbersDecodeEqual(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		content := rapid.SliceOfN(rapid.Byte(), 0, 50).Draw(t, "head")
		head := len(content)
		value := rapid.Uint64().Draw(t, "start")
		random := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
		for range rapid.IntRange(1, 5).Draw(t, "parts") {
			shift := rapid.IntRange(0, 63).Draw(t, "shift")
			for range rapid.IntRange(0, 40_000).Draw(t, "count") {
				value += random.Uint64() >> shift
				content = binary.LittleEndian.AppendUint64(content, value)
			}
		}
		var w frame.Writer
		prefix := []byte("before")
		packed, ok := w.Append(prefix, content, head, 8)
		if !ok {
			if !bytes.Equal(packed, prefix) {
				t.Fatalf("Append refused the records but appended %d bytes", len(packed)-len(prefix))
			}
			return
		}
		if got := decode(t, packed[len(prefix):]); !bytes.Equal(got, content) {
			t.Fatalf("decoded %d bytes, want the %d bytes of the content", len(got), len(content))
		}
	})
}

// TestAnyRecordsDecodeEqual decodes frames of records with any common bytes.
func TestAnyRecordsDecodeEqual(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		content := rapid.SliceOfN(rapid.Byte(), 0, 50).Draw(t, "head")
		head := len(content)
		length := rapid.OneOf(rapid.IntRange(1, 60), rapid.IntRange(1, 4000)).Draw(t, "length")
		from := rapid.IntRange(0, length).Draw(t, "from")
		to := rapid.IntRange(from, length).Draw(t, "to")
		random := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
		record := make([]byte, length)
		for range rapid.IntRange(0, 2_000_000/length).Draw(t, "count") {
			for i := range record {
				if i < from || i >= to {
					record[i] = byte('0' + random.IntN(10))
				}
			}
			content = append(content, record...)
		}
		var w frame.Writer
		packed, ok := w.Append(nil, content, head, length)
		if !ok {
			if min(to-from, length-1) >= 3 && len(content)-head >= 2*length {
				t.Fatalf("Append refused records with %d common bytes of %d", to-from, length)
			}
			return
		}
		if got := decode(t, packed); !bytes.Equal(got, content) {
			t.Fatalf("decoded %d bytes, want the %d bytes of the content", len(got), len(content))
		}
	})
}

// TestFrameIsSmallerThanInput checks the sizes of frames. A frame must save the
// repeated bytes.
func TestFrameIsSmallerThanInput(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	var ascending, amounts, keys []byte
	const rows = 100_000
	for i := range rows {
		ascending = binary.LittleEndian.AppendUint64(ascending, uint64(1_000_000_000+i+i/100))
		amounts = binary.LittleEndian.AppendUint64(amounts, random.Uint64N(200_000))
		keys = fmt.Appendf(append(keys, 9, 0, 0, 0), "C%08d", random.IntN(1e8))
	}
	for name, test := range map[string]struct {
		content []byte
		length  int
		most    float64 // bytes per record
	}{
		"ascending": {ascending, 8, 1.1},
		"amounts":   {amounts, 8, 3},
		"keys":      {keys, 13, 3.5},
	} {
		var w frame.Writer
		packed, ok := w.Append(nil, test.content, 0, test.length)
		if size := float64(len(packed)) / rows; !ok || size > test.most {
			t.Errorf("%s: %.2f bytes per record, want at most %.2f", name, size, test.most)
		}
		if !bytes.Equal(decode(t, packed), test.content) {
			t.Errorf("%s: the decoded bytes differ from the content", name)
		}
	}
}

// TestRecordAboveBlockSizeIsNotWritten: Append refuses records longer than a block.
func TestRecordAboveBlockSizeIsNotWritten(t *testing.T) {
	t.Parallel()
	for length, want := range map[int]bool{128 << 10: true, 128<<10 + 1: false} {
		content := bytes.Repeat(append(bytes.Repeat([]byte{'x'}, length-1), 'y'), 3)
		var w frame.Writer
		packed, ok := w.Append(nil, content, 0, length)
		if ok != want || ok && !bytes.Equal(decode(t, packed), content) {
			t.Errorf("records of %d bytes: Append returned %t, or the decoded bytes differ", length, ok)
		}
	}
}

func TestStoredContentDecodesEqual(t *testing.T) {
	t.Parallel()
	for _, size := range []int{0, 1, 128 << 10, 128<<10 + 1, 1 << 20} {
		content := bytes.Repeat([]byte{7}, size)
		if got := decode(t, frame.Store(nil, content)); !bytes.Equal(got, content) {
			t.Errorf("decoded %d bytes, want the %d bytes of the content", len(got), size)
		}
	}
}

func BenchmarkWriter(b *testing.B) {
	random := rand.New(rand.NewPCG(1, 2))
	var ascending, amounts, keys []byte
	for i := range 100_000 {
		ascending = binary.LittleEndian.AppendUint64(ascending, uint64(1_000_000_000+i+i/100))
		amounts = binary.LittleEndian.AppendUint64(amounts, random.Uint64N(200_000))
		keys = fmt.Appendf(append(keys, 9, 0, 0, 0), "C%08d", random.IntN(1e8))
	}
	for name, test := range map[string]struct {
		content []byte
		length  int
	}{"ascending": {ascending, 8}, "amounts": {amounts, 8}, "keys": {keys, 13}} {
		b.Run(name, func(b *testing.B) {
			var w frame.Writer
			var packed []byte
			b.SetBytes(int64(len(test.content)))
			for b.Loop() {
				packed, _ = w.Append(packed[:0], test.content, 0, test.length)
			}
			b.ReportMetric(float64(len(packed))/100_000, "B/record")
		})
	}
}
