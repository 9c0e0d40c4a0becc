// Command path measures the whole path in a laptop's cloud, which the command starts.
// The output is the section "The whole path" of bench/README.md.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/firn-data/firn/bench/journey"
	"github.com/firn-data/firn/internal/laptop"
)

// limit is the longest duration of a measurement.
const limit = 15 * time.Minute

func main() {
	var plan journey.Plan
	flag.IntVar(&plan.Rounds, "rounds", 5, "number of rounds")
	flag.IntVar(&plan.Single, "single", 20, "files of a round that are uploaded one by one")
	flag.IntVar(&plan.Burst, "burst", 200, "files of a round that are uploaded at once")
	flag.IntVar(&plan.Writers, "writers", 16, "clients that upload the burst")
	flag.Parse()
	if err := run(plan); err != nil {
		fmt.Fprintln(os.Stderr, "path:", err)
		os.Exit(1)
	}
}

func run(plan journey.Plan) (err error) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	root, err := filepath.Abs(".")
	if err != nil {
		return err
	}
	directory := filepath.Join(root, "build", "bench-path")
	cloud, err := laptop.Open(root, directory, filepath.Join(root, "build", "bin", "firn"))
	if err != nil {
		return err
	}
	cloud.Project = filepath.Join(root, "testdata", "project")
	if err := cloud.Up(ctx, printSteps(os.Stderr)); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, cloud.Down(), os.RemoveAll(directory)) }()
	runner, err := journey.New(ctx, cloud)
	if err != nil {
		return err
	}
	results, err := runner.Run(ctx, plan, os.Stderr)
	if err != nil {
		return err
	}
	return results.Write(os.Stdout)
}

// printSteps returns a laptop.Step that prints each step with its duration in seconds.
func printSteps(out io.Writer) laptop.Step {
	return func(name string, run func() error) error {
		started := time.Now()
		err := run()
		fmt.Fprintf(out, "%-36s %6.1f s\n", name, time.Since(started).Seconds())
		return err
	}
}
