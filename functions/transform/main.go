// Command transform is the Lambda function that turns landing objects into Parquet, as
// their contracts demand.
package main

import (
	"context"
	"os"

	"github.com/aws/aws-lambda-go/lambda"

	"github.com/firn-data/firn/internal/app/transform"
	"github.com/firn-data/firn/internal/telemetry"
)

func main() {
	handler, err := transform.New(context.Background(), os.LookupEnv, os.Stderr)
	if err != nil {
		telemetry.NewLogger(os.Stderr, "transform").Error("function can't start", telemetry.KeyError, err.Error())
		os.Exit(1)
	}
	lambda.Start(handler)
}
