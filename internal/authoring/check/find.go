package check

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/firn-data/firn/internal/contract"
)

// Read reads one contract from any folder. A draft need not be in the folder of its
// dataset.
func Read(path string) (*contract.Contract, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read contract: %w", err)
	}
	c, err := contract.Read(filepath.Base(path), data)
	if err != nil {
		nameFile(err, path)
		return nil, err
	}
	c.File = path
	return c, nil
}

// nameFile sets the path of the contract in every Problem of the error.
func nameFile(err error, path string) {
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return
	}
	for _, each := range joined.Unwrap() {
		var p *contract.Problem
		if errors.As(each, &p) {
			p.File = path
		}
	}
}

// Find returns the contract for a file. The contract in the nearest folder above the
// file comes first. Next is the contract below the folder datasets whose firn.keyPrefix
// is in the file's path. No match and several matches are errors.
func Find(file, datasets string) (*contract.Contract, error) {
	path, err := filepath.Abs(file)
	if err != nil {
		return nil, fmt.Errorf("find the contract: %w", err)
	}
	for at := filepath.Dir(path); ; at = filepath.Dir(at) {
		candidate := filepath.Join(at, contract.FileName)
		if _, err := os.Stat(candidate); err == nil {
			return Read(shortestPath(candidate))
		} else if !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("find the contract: %w", err)
		}
		if at == filepath.Dir(at) {
			break
		}
	}
	return findByPrefix(file, path, datasets)
}

// shortestPath returns the path relative to the working directory for a path below that
// directory. Any other path stays the same.
func shortestPath(path string) string {
	folder, err := os.Getwd()
	if err != nil {
		return path
	}
	if relative, err := filepath.Rel(folder, path); err == nil && filepath.IsLocal(relative) {
		return relative
	}
	return path
}

func findByPrefix(file, path, datasets string) (*contract.Contract, error) {
	paths, err := filepath.Glob(filepath.Join(datasets, "*", "*", contract.FileName))
	if err != nil {
		return nil, fmt.Errorf("find the contract: %w", err)
	}
	var found []*contract.Contract
	var names []string
	for _, candidate := range paths {
		c, err := Read(shortestPath(candidate))
		if err != nil {
			return nil, err
		}
		if strings.Contains(filepath.ToSlash(path), "/"+c.KeyPrefix) {
			found, names = append(found, c), append(names, c.File)
		}
	}
	switch len(found) {
	case 0:
		return nil, fmt.Errorf("no contract for %s: no folder above the file has a %s, and the path has no firn.keyPrefix of %s; name a contract with --contract",
			file, contract.FileName, datasets)
	case 1:
		return found[0], nil
	default:
		return nil, fmt.Errorf("%d contracts fit the path of %s: name one of %s with --contract", len(found), file, strings.Join(names, ", "))
	}
}
