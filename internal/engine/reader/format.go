package reader

import (
	"path"
	"slices"
	"strings"

	"github.com/firn-data/firn/internal/contract"
	"github.com/firn-data/firn/internal/fault"
)

// Compression is the compression of an object's bytes.
type Compression string

// The compressions. Each value is the last part of an object key.
const (
	Plain Compression = ""
	Gzip  Compression = ".gz"
	Zstd  Compression = ".zst"
)

var keyEndings = map[contract.Format][]string{
	contract.CSV:    {".csv", ".tsv", ".txt"},
	contract.NDJSON: {".ndjson", ".jsonl"},
}

// CompressionOf returns the compression of an object from its key. The content is never
// used for a guess. A key with the wrong ending for the contract's format is refused.
func CompressionOf(key string, format contract.Format) (Compression, error) {
	name := strings.ToLower(path.Base(key))
	compression := Plain
	for _, c := range []Compression{Gzip, Zstd} {
		if rest, found := strings.CutSuffix(name, string(c)); found {
			name, compression = rest, c
		}
	}
	if slices.Contains(keyEndings[format], path.Ext(name)) {
		return compression, nil
	}
	return "", fault.Permanentf("choose reader", fault.UnsupportedFormat,
		"the key ends in %q; its contract says %s, so it must end in %s, with or without .gz or .zst",
		path.Ext(key), format, strings.Join(keyEndings[format], ", "))
}
