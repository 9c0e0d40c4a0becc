package contract

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
)

// Problem is an error in a contract. Read and ReadAll return all problems, joined in
// one error; errors.As finds the first Problem.
type Problem struct {
	// File is the contract's path.
	File string
	// Line counts from 1; 0 for a problem without a line, such as a missing file.
	Line int
	// Path is the path to the value: "schema[0].properties[3].logicalType". Empty for
	// the document itself.
	Path string
	// Message names the error and the correct form.
	Message string
}

// Error returns "file:line: path: message" without the unknown parts.
func (p *Problem) Error() string {
	text := p.File
	if p.Line > 0 {
		text += fmt.Sprintf(":%d", p.Line)
	}
	if p.Path != "" {
		text += ": " + p.Path
	}
	return text + ": " + p.Message
}

// problems are the problems of one or more contracts.
type problems []*Problem

// err returns all problems as one error, sorted by file, line and path. Nil for no
// problem.
func (ps problems) err() error {
	sorted := slices.SortedStableFunc(slices.Values(ps), func(a, b *Problem) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Path, b.Path))
	})
	joined := make([]error, len(sorted))
	for i, p := range sorted {
		joined[i] = p
	}
	return errors.Join(joined...)
}
