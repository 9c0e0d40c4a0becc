// Command ingest is the Lambda function that fetches records from HTTP APIs.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/aws/aws-lambda-go/lambda"

	"github.com/firn-data/firn/internal/app/ingest"
)

func main() {
	handler, err := ingest.New(context.Background(), os.LookupEnv, os.Stderr)
	if err != nil {
		fmt.Fprintf(os.Stderr, "ingest can't start:\n%v\n", err)
		os.Exit(1)
	}
	lambda.Start(handler)
}
