package main

import (
	"context"
	"fmt"
)

// actor names the operator in the records of a command: the ARN of the AWS identity of
// the environment. AWS proves the identity, so no flag and no variable replaces it. The
// last part of an assumed role's ARN is the name of the session.
func actor(ctx context.Context) (string, error) {
	arn, err := callerIdentity(ctx)
	if err != nil {
		return "", fmt.Errorf("%w: the record needs your AWS identity", err)
	}
	return arn, nil
}
