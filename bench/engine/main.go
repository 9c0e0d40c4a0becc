// Command engine runs the Go engine's whole job on one file and prints what it
// cost as JSON. GOMAXPROCS and GOMEMLIMIT are Go's own variables; S3 is the one
// that the AWS variables name.
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
	flag.StringVar(&j.Output, "output", "", "folder or s3://bucket; as input, local or S3")
	flag.IntVar(&j.Level, "zstd", 0, "zstd level of the Parquet files, 1 or 3; 0 is the engine's own")
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
