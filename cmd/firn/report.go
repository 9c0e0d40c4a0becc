package main

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
)

// report prints the lines of a result at once, or all results as JSON at the end.
type report[T any] struct {
	out    io.Writer
	asJSON bool
	// lines returns the lines of a result.
	lines func(T) []string
	all   []T
}

func newReport[T any](cmd *cobra.Command, asJSON bool, lines func(T) []string) *report[T] {
	return &report[T]{out: cmd.OutOrStdout(), asJSON: asJSON, lines: lines, all: []T{}}
}

func (r *report[T]) add(one T) {
	r.all = append(r.all, one)
	if r.asJSON {
		return
	}
	for _, line := range r.lines(one) {
		fmt.Fprintln(r.out, line)
	}
}

// end prints the last line, or all results as JSON, and returns err. After an error
// without a result, end prints nothing. An empty last line isn't printed.
func (r *report[T]) end(err error, last string) error {
	switch {
	case err != nil && len(r.all) == 0:
		return err
	case r.asJSON:
		return errors.Join(printJSON(r.out, r.all), err)
	case last != "":
		fmt.Fprintln(r.out, last)
	}
	return err
}

// count returns the number of results with an outcome.
func (r *report[T]) count(outcome func(T) string, want string) int {
	n := 0
	for _, one := range r.all {
		if outcome(one) == want {
			n++
		}
	}
	return n
}

// totals returns the number of results with each outcome: the first number, and all other
// numbers above 0.
func (r *report[T]) totals(outcome func(T) string, first string, others ...string) string {
	texts := []string{fmt.Sprintf("%d %s", r.count(outcome, first), first)}
	for _, other := range others {
		if n := r.count(outcome, other); n > 0 {
			texts = append(texts, fmt.Sprintf("%d %s", n, other))
		}
	}
	return strings.Join(texts, ", ")
}
