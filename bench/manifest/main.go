// Command manifest prepares one local file for the Glue engine. The command creates
// folders for the buckets, writes a manifest and prints the manifest's address.
//
// Usage: manifest CONTRACT FILE FOLDER
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/firn-data/firn/bench/job"
	"github.com/firn-data/firn/internal/object"
	"github.com/firn-data/firn/internal/work"
)

const (
	landing = "landing"
	curated = "curated"
	id      = "bench"
)

func main() {
	if len(os.Args) != 4 {
		fmt.Fprintln(os.Stderr, "usage: manifest CONTRACT FILE FOLDER")
		os.Exit(2)
	}
	address, err := write(os.Args[1], os.Args[2], os.Args[3])
	if err != nil {
		fmt.Fprintln(os.Stderr, "manifest:", err)
		os.Exit(1)
	}
	fmt.Println(address)
}

func write(contractPath, file, folder string) (string, error) {
	c, err := job.ReadContract(contractPath)
	if err != nil {
		return "", err
	}
	portable, err := c.Portable()
	if err != nil {
		return "", err
	}
	size, err := link(file, filepath.Join(folder, landing, filepath.Base(file)))
	if err != nil {
		return "", err
	}
	o := object.Object{Bucket: landing, Key: filepath.Base(file), Version: "1", Size: size}
	body, err := json.Marshal(work.Manifest{
		ID: id, Dataset: c.Dataset(), CuratedBucket: curated, Contract: portable, CreatedAt: time.Now().UTC(),
		Objects: []work.Assignment{{
			Object: o, ObjectID: o.ID(), Attempt: "00-01-bench", Source: work.Location{Bucket: o.Bucket, Key: o.Key},
		}},
	})
	if err != nil {
		return "", err
	}
	path, err := filepath.Abs(filepath.Join(folder, curated, filepath.FromSlash(work.ManifestKey(id))))
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return "", err
	}
	return "file://" + path, os.WriteFile(path, body, 0o644)
}

// link links the file into the folder of its bucket and returns the file's size in
// bytes.
func link(file, path string) (int64, error) {
	absolute, err := filepath.Abs(file)
	if err != nil {
		return 0, err
	}
	information, err := os.Stat(absolute)
	if err != nil {
		return 0, err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return 0, err
	}
	return information.Size(), os.Symlink(absolute, path)
}
