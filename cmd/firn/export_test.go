package main

import (
	"context"
	"io"
	"maps"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/firn-data/firn/internal/demo"
	"github.com/firn-data/firn/internal/operator"
)

// RootCommand returns the whole command tree.
func RootCommand() *cobra.Command { return rootCommand() }

// Accesses returns the access of each command by its path.
func Accesses() map[string]string {
	all := make(map[string]string)
	for path, a := range maps.All(accesses) {
		all[path] = string(a)
	}
	return all
}

// DescribeAWS describes the target of a command outside the laptop's cloud.
func DescribeAWS(stack operator.Stack, endpoint string) string {
	return describeTarget(nil, stack, endpoint)
}

// RunStep runs a step of a command and shows the step on out.
func RunStep(out io.Writer, name string, do func() error) error {
	return (&steps{out: out}).run(name, do)
}

// PrintDemo prints the result of a demo without steps. Root is the folder of the
// repository.
func PrintDemo(out io.Writer, result demo.Result, root string) error {
	return printDemo(out, result, nil, root)
}

// ExitCodeAfter returns the exit code of a command whose context ended with SIGINT.
func ExitCodeAfter(err error) int {
	ctx, cancel := context.WithCancelCause(context.Background())
	cancel(interruption{syscall.SIGINT})
	return exitCode(withInterruption(ctx, err))
}

// Watch repeats a status until the end of the context.
func Watch(ctx context.Context, out io.Writer, interval time.Duration, headed bool, show func(context.Context, io.Writer) error) error {
	return watch(ctx, out, interval, headed, show)
}
