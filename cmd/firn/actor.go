package main

import (
	"context"
	"fmt"

	app "github.com/firn-data/firn/internal/app/operator"
)

// actor names the operator in the records of a command: the ARN of the AWS identity of
// the environment. AWS proves the identity, so no flag and no variable replaces it. The
// last part of an assumed role's ARN is the name of the session.
func actor(ctx context.Context) (string, error) {
	arn, err := app.CallerIdentity(ctx)
	if err != nil {
		return "", fmt.Errorf("%w: the record needs your AWS identity", err)
	}
	return arn, nil
}
