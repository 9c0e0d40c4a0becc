package main_test

import (
	"os"
	"path/filepath"
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
