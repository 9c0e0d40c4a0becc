package main_test

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func TestDown(t *testing.T) {
	t.Parallel()
	c := copyRepository(t)
	write(t, filepath.Join(c, "build/local.env"), "export AWS_ENDPOINT_URL=http://127.0.0.1:1\n")
	golden(t, "down.json", call{directory: c, arguments: []string{"down", "--json"}}.succeed(t))
	golden(t, "down", call{directory: c, arguments: []string{"down"}}.succeed(t))
	if _, err := os.Stat(filepath.Join(c, "build/local.env")); err == nil {
		t.Error("build/local.env exists after firn down")
	}
}

// TestDownAfterCrash stops the rest of a cloud after some or all stand-ins ended.
func TestDownAfterCrash(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name      string
		killed    []string
		arguments []string
		golden    string
	}{
		{"one stand-in ended", []string{"aws"}, []string{"down"}, "down-one-ended"},
		{"one stand-in ended, JSON", []string{"aws"}, []string{"down", "--json"}, "down-one-ended.json"},
		{"all stand-ins ended", standIns, []string{"down"}, "down-all-ended"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			folder := copyRepository(t)
			_, processes := startCloud(t, folder)
			for _, name := range test.killed {
				kill(t, processes[name])
			}
			golden(t, test.golden, call{directory: folder, arguments: test.arguments}.succeed(t))
			for name, process := range processes {
				if slices.Contains(test.killed, name) {
					continue
				}
				if err := process.Wait(); err == nil || err.Error() != "signal: terminated" {
					t.Errorf("%s ended with %v, want a stop by firn down", name, err)
				}
			}
			if got := (call{directory: folder, arguments: []string{"down"}}).succeed(t); got != "0 servers stopped\n" {
				t.Errorf("the second firn down prints %q", got)
			}
		})
	}
}
