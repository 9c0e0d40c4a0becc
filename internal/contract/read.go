package contract

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// FileName is the file name of every contract.
const FileName = "contract.odcs.yaml"

// ReadAll reads every <source>/<entity>/contract.odcs.yaml below the root and compares
// the contracts with each other. The error joins every Problem of every file. A root
// without a contract is an error, because every function needs a contract.
func ReadAll(fsys fs.FS) (Set, error) {
	files, found, err := contractFiles(fsys)
	if err != nil {
		return nil, err
	}
	var drafts []*draft
	for _, file := range files {
		data, err := fs.ReadFile(fsys, file)
		if err != nil {
			return nil, fmt.Errorf("read contract %s: %w", file, err)
		}
		d, faults := read(file, data)
		found = append(found, faults...)
		if d != nil {
			drafts = append(drafts, d)
		}
	}
	found = append(found, collisions(drafts)...)
	if err := found.err(); err != nil {
		return nil, err
	}
	set := make(Set, len(drafts))
	for i, d := range drafts {
		set[i] = d.contract
	}
	slices.SortFunc(set, func(a, b *Contract) int { return strings.Compare(a.Dataset(), b.Dataset()) })
	return set, nil
}

// Read reads a contract. The last two folders of the path, if any, must be the
// contract's source and entity. The error joins every Problem.
func Read(path string, data []byte) (*Contract, error) {
	d, found := read(path, data)
	if err := found.err(); err != nil {
		return nil, err
	}
	return d.contract, nil
}

// contractFiles returns the sorted paths of the contracts. It also returns a Problem
// for each contract in a wrong folder or with a wrong file name.
func contractFiles(fsys fs.FS) (files []string, misplaced problems, err error) {
	err = fs.WalkDir(fsys, ".", func(file string, entry fs.DirEntry, err error) error {
		if err != nil {
			return fmt.Errorf("list contracts: %w", err)
		}
		if entry.IsDir() || !contractFileName.MatchString(path.Base(file)) {
			return nil
		}
		if path.Base(file) == FileName && strings.Count(file, "/") == 2 {
			files = append(files, file)
			return nil
		}
		misplaced = append(misplaced, &Problem{File: file, Message: "the path of a contract must be <source>/<entity>/" + FileName})
		return nil
	})
	if err == nil && len(files)+len(misplaced) == 0 {
		misplaced = problems{{File: ".", Message: "no <source>/<entity>/" + FileName + " in this folder"}}
	}
	return files, misplaced, err
}

var contractFileName = regexp.MustCompile(`\.odcs\.ya?ml$|^contract\.ya?ml$`)

// draft is a contract that may still have problems. The values are the places at which
// problems are reported after the reading.
type draft struct {
	contract *Contract
	name     value
	prefix   value
	mode     value
	orderBy  []value
	// hasHoldBelow reports whether the contract has firn.holdBelow.
	hasHoldBelow bool
	// maxRejects is the value of firn.maxRejects; nil without the property.
	maxRejects *value
}

// read returns a draft and all problems. The draft is nil for data without a document.
func read(file string, data []byte) (*draft, problems) {
	root, fault := parse(file, data)
	if fault != nil {
		return nil, problems{fault}
	}
	r := &reader{checker: checker{file: file}}
	r.check(root, standard)
	d := r.read(root)
	if delivery := d.contract.Delivery; delivery != nil && len(r.found) == 0 {
		delivery.pattern = d.contract.compileDeliveryPattern()
	}
	return d, r.found
}

// parse returns the only document in data.
func parse(file string, data []byte) (value, *Problem) {
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	var document, second yaml.Node
	err := decoder.Decode(&document)
	if errors.Is(err, io.EOF) || err == nil && len(document.Content) != 1 {
		return value{}, &Problem{File: file, Message: "the file is empty"}
	}
	if err == nil {
		if err = decoder.Decode(&second); errors.Is(err, io.EOF) {
			return value{node: document.Content[0]}, nil
		}
		if err == nil {
			return value{}, &Problem{File: file, Line: second.Line, Message: "a file must hold a single contract, but this is a second document"}
		}
	}
	return value{}, syntaxProblem(file, err)
}

var yamlLine = regexp.MustCompile(`^yaml: (?:line (\d+): )?`)

// syntaxProblem moves the line number from the text of the YAML library to the Problem.
func syntaxProblem(file string, err error) *Problem {
	message := err.Error()
	p := &Problem{File: file, Message: "not YAML: " + yamlLine.ReplaceAllString(message, "")}
	if match := yamlLine.FindStringSubmatch(message); match != nil && match[1] != "" {
		p.Line, _ = strconv.Atoi(match[1]) // the pattern allows only digits
	}
	return p
}

// collisions reports contracts with the same table or with overlapping key prefixes.
func collisions(drafts []*draft) problems {
	var found problems
	for i, later := range drafts {
		for _, earlier := range drafts[:i] {
			a, b := earlier.contract, later.contract
			if a.Source != "" && a.Table() == b.Table() {
				found = append(found, collision(later.name, b.File, "the contract %s has the table RAW.%s too", a.File, b.Table()))
			}
			if prefixesOverlap(a.KeyPrefix, b.KeyPrefix) {
				found = append(found, collision(later.prefix, b.File,
					"the key prefix %q overlaps with %q of %s", b.KeyPrefix, a.KeyPrefix, a.File))
			}
		}
	}
	return found
}

func collision(at value, file, format string, arguments ...any) *Problem {
	return &Problem{File: file, Line: at.node.Line, Path: at.path, Message: fmt.Sprintf(format, arguments...)}
}

// prefixesOverlap reports whether a key can start with both prefixes.
func prefixesOverlap(a, b string) bool {
	return a != "" && b != "" && (strings.HasPrefix(a, b) || strings.HasPrefix(b, a))
}
