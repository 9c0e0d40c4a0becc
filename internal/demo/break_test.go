package demo_test

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/firn-data/firn/internal/demo"
	"github.com/firn-data/firn/internal/engine/reader"
	"github.com/firn-data/firn/internal/fault"
)

const (
	datasets = "../../datasets"
	planes   = datasets + "/nycflights/plane/planes.csv"
)

// TestBrokenFileIsRefused reads the broken file as the transform does: good
// records first, then a fault that refuses the object as a whole.
func TestBrokenFileIsRefused(t *testing.T) {
	t.Parallel()
	path, err := demo.BreakFile(planes)
	if err != nil {
		t.Fatal(err)
	}
	defer os.Remove(path)
	for name, file := range map[string]string{"as it is": planes, "broken": path} {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		records, err := count(content)
		switch f := fault.As(err); {
		case file == planes && (err != nil || records != 3322):
			t.Errorf("%s: %d records, %v", name, records, err)
		case file == path && (err == nil || f.Code != fault.BadQuoting || f.Disposition != fault.Permanent):
			t.Errorf("%s: %d records, %v; want bad_quoting", name, records, err)
		case file == path && (records < 1600 || records > 1700):
			t.Errorf("%s: it breaks after %d records, want it in the middle", name, records)
		}
	}
}

func count(content []byte) (records int, err error) {
	csv := reader.NewCSV(bytes.NewReader(content), ',')
	if _, err := csv.Header(); err != nil {
		return 0, err
	}
	for {
		if _, err := csv.Next(); err == io.EOF {
			return records, nil
		} else if err != nil {
			return records, err
		}
		records++
	}
}

func TestBreakFileOfNothing(t *testing.T) {
	t.Parallel()
	if _, err := demo.BreakFile(filepath.Join(t.TempDir(), "missing.csv")); err == nil {
		t.Error("a file that is missing was broken")
	}
}

func TestSampleFilesAreShipped(t *testing.T) {
	t.Parallel()
	for _, file := range demo.SampleFiles {
		if _, err := os.Stat(filepath.Join(datasets, filepath.FromSlash(file))); err != nil {
			t.Error(err)
		}
	}
}
