// Command generate makes the benchmark's file of orders and, beside it, an
// account of what is in it. It does nothing where both are there already.
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
	seed := flag.Uint64("seed", 1, "what the records are made of")
	directory := flag.String("directory", "build/bench", "where the file goes")
	flag.Parse()
	path, err := generate(*directory, *rows, *seed)
	if err != nil {
		fmt.Fprintln(os.Stderr, "generate:", err)
		os.Exit(1)
	}
	fmt.Println(path)
}

// sampleRecords is how many records tell one generator's file from another's.
const sampleRecords = 1000

// name begins alike for like arguments, and differs once the generator does.
func name(rows int64, seed uint64) (string, error) {
	account, err := orders.Write(io.Discard, min(rows, sampleRecords), seed)
	if err != nil {
		return "", err
	}
	hash := strings.TrimPrefix(account.Hash, "sha256:")
	return fmt.Sprintf("orders-%d-%d-%.8s.csv", rows, seed, hash), nil
}

// generate returns the path of the file; its account is path + ".json".
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
	account, err := write(path, rows, seed)
	if err != nil {
		return "", err
	}
	body, err := json.MarshalIndent(account, "", "  ")
	if err != nil {
		return "", err
	}
	return path, os.WriteFile(path+".json", append(body, '\n'), 0o644)
}

func write(path string, rows int64, seed uint64) (account orders.Summary, err error) {
	file, err := os.Create(path)
	if err != nil {
		return orders.Summary{}, err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	return orders.Write(file, rows, seed)
}
