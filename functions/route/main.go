// Command route is the Lambda function that turns S3 events into work.
package main

import (
	"context"
	"os"

	"github.com/aws/aws-lambda-go/lambda"

	"github.com/firn-data/firn/internal/app/route"
	"github.com/firn-data/firn/internal/telemetry"
)

func main() {
	handler, err := route.New(context.Background(), os.LookupEnv, os.Stderr)
	if err != nil {
		telemetry.NewLogger(os.Stderr, "route").Error("function can't start", telemetry.KeyError, err.Error())
		os.Exit(1)
	}
	lambda.Start(handler)
}
