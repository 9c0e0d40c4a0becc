// Command generate writes the benchmark's file of orders and a summary of the file. If
// the summary exists already, the command does nothing.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/firn-data/firn/bench/orders"
)

func main() {
	rows := flag.Int64("rows", 1_000_000, "number of records")
	seed := flag.Uint64("seed", 1, "seed of the random records")
	directory := flag.String("directory", "build/bench", "folder of the file")
	flag.Parse()
	path, err := generate(*directory, *rows, *seed)
	if err != nil {
		fmt.Fprintln(os.Stderr, "generate:", err)
		os.Exit(1)
	}
	fmt.Println(path)
}

// sampleRecords is the number of records whose hash is in the file's name. The hash
// changes with the generator.
const sampleRecords = 1000

// name returns the file's name. The name has the arguments and a hash of the first
// records.
func name(rows int64, seed uint64) (string, error) {
	summary, err := orders.Write(io.Discard, min(rows, sampleRecords), seed)
	if err != nil {
		return "", err
	}
	hash := strings.TrimPrefix(summary.Hash, "sha256:")
	return fmt.Sprintf("orders-%d-%d-%.8s.csv", rows, seed, hash), nil
}

// generate returns the path of the file. The path of the summary is path + ".json".
func generate(directory string, rows int64, seed uint64) (string, error) {
	file, err := name(rows, seed)
	if err != nil {
		return "", err
	}
	path := filepath.Join(directory, file)
	if _, err := os.Stat(path + ".json"); err == nil {
		return path, nil
	}
	if err := os.MkdirAll(directory, 0o755); err != nil {
		return "", err
	}
	summary, err := write(path, rows, seed)
	if err != nil {
		return "", err
	}
	body, err := json.MarshalIndent(summary, "", "  ")
	if err != nil {
		return "", err
	}
	return path, os.WriteFile(path+".json", append(body, '\n'), 0o644)
}

func write(path string, rows int64, seed uint64) (summary orders.Summary, err error) {
	file, err := os.Create(path)
	if err != nil {
		return orders.Summary{}, err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	return orders.Write(file, rows, seed)
}
