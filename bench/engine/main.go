// Command engine runs the Go engine's whole job on one file and prints the costs as
// JSON. GOMAXPROCS and GOMEMLIMIT are variables of Go. The AWS variables select the S3
// service.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"

	"github.com/firn-data/firn/bench/job"
)

func main() {
	var j job.Job
	flag.StringVar(&j.Contract, "contract", "bench/orders.odcs.yaml", "the file's contract")
	flag.StringVar(&j.Input, "input", "", "path or s3://bucket/key")
	flag.StringVar(&j.Output, "output", "", "folder or s3://bucket; local like the input, or S3 like the input")
	flag.IntVar(&j.Level, "zstd", 0, "zstd level of the Parquet files, 1 or 3; 0 is the engine's default")
	flag.Parse()
	if err := run(j); err != nil {
		fmt.Fprintln(os.Stderr, "engine:", err)
		os.Exit(1)
	}
}

func run(j job.Job) error {
	report, err := j.Run(context.Background())
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(report)
}
