// Command alert is the Lambda function that sends mails about failures, waits, outages and
// unusual data, and that resumes waiting ingestion runs.
package main

import (
	"context"
	"os"

	"github.com/aws/aws-lambda-go/lambda"

	"github.com/firn-data/firn/internal/app/alert"
	"github.com/firn-data/firn/internal/telemetry"
)

func main() {
	handler, err := alert.New(context.Background(), os.LookupEnv, os.Stderr)
	if err != nil {
		telemetry.NewLogger(os.Stderr, "alert").Error("function can't start", telemetry.KeyError, err.Error())
		os.Exit(1)
	}
	lambda.Start(handler)
}
