package samples_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/firn-data/firn/internal/demo"
)

// TestDemoIsDescribed reads datasets/demo.yaml. The plan fits the contracts, and the
// demo's files exist.
func TestDemoIsDescribed(t *testing.T) {
	t.Parallel()
	plan, err := demo.ReadPlan(datasets, read(t))
	if err != nil {
		t.Fatal(err)
	}
	files := []string{plan.Broken}
	for _, c := range read(t) {
		files = append(files, filepath.Join(c.Source, c.Entity, samples[c.Dataset()].file))
	}
	for _, file := range files {
		if info, err := os.Stat(filepath.Join(datasets, filepath.FromSlash(file))); err != nil || !info.Mode().IsRegular() {
			t.Errorf("%s: %v", file, err)
		}
	}
}
