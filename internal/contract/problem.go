package contract

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
)

// Problem is one fault in a contract. Read and ReadAll return every Problem
// they find at once, joined; errors.As reaches the first.
type Problem struct {
	// File is the contract's path.
	File string
	// Line counts from 1; 0 if the fault is in no line, as of a missing file.
	Line int
	// Path leads to the value: "schema[0].properties[3].logicalType". Empty for
	// the document itself.
	Path string
	// Message says what is wrong and what would be right.
	Message string
}

// Error returns "file:line: path: message", leaving out what is unknown.
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

// problems collects the faults of one or more contracts.
type problems []*Problem

// err returns all faults by file, line and path as one error, or nil.
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
