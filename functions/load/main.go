// Command load is the Lambda function that loads transformed objects into Snowflake.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/aws/aws-lambda-go/lambda"

	"github.com/firn-data/firn/internal/app/load"
)

func main() {
	handler, err := load.New(context.Background(), os.LookupEnv, os.Stderr)
	if err != nil {
		fmt.Fprintf(os.Stderr, "load can't start:\n%v\n", err)
		os.Exit(1)
	}
	lambda.Start(handler)
}
