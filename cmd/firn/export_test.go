package main

import (
	"io"

	"github.com/firn-data/firn/internal/demo"
)

// RunStep runs a step of a command and shows the step on out.
func RunStep(out io.Writer, name string, do func() error) error {
	return (&steps{out: out}).run(name, do)
}

// PrintDemo prints the result of a demo without steps. Root is the folder of the
// repository.
func PrintDemo(out io.Writer, result demo.Result, root string) error {
	return printDemo(out, result, nil, root)
}
