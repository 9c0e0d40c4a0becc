package orders_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/firn-data/firn/bench/orders"
)

func TestSameSeedSameFile(t *testing.T) {
	t.Parallel()
	var first, again, other bytes.Buffer
	summary, err := orders.Write(&first, 2000, 7)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := orders.Write(&again, 2000, 7); err != nil {
		t.Fatal(err)
	}
	if _, err := orders.Write(&other, 2000, 8); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(first.Bytes(), again.Bytes()) {
		t.Error("the same seed gave two different files")
	}
	if bytes.Equal(first.Bytes(), other.Bytes()) {
		t.Error("two seeds gave the same file")
	}
	if summary.Bytes != int64(first.Len()) || summary.Rows != 2000 {
		t.Errorf("summary %+v of a file with %d bytes", summary, first.Len())
	}
}

func TestLongerFileContinuesShorter(t *testing.T) {
	t.Parallel()
	var short, long bytes.Buffer
	if _, err := orders.Write(&short, 100, 1); err != nil {
		t.Fatal(err)
	}
	if _, err := orders.Write(&long, 200, 1); err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(long.String(), short.String()) {
		t.Error("the longer file begins with other records")
	}
}

var errFull = errors.New("disk full")

type fullWriter struct{}

func (fullWriter) Write([]byte) (int, error) { return 0, errFull }

func TestWriteReturnsErrorOfOutput(t *testing.T) {
	t.Parallel()
	if _, err := orders.Write(fullWriter{}, 10, 1); !errors.Is(err, errFull) {
		t.Errorf("unexpected error %v", err)
	}
}
