package main

import (
	"context"
	"errors"
	"os"

	app "github.com/firn-data/firn/internal/app/operator"
	"github.com/firn-data/firn/internal/contract"
	"github.com/firn-data/firn/internal/load"
	"github.com/firn-data/firn/internal/operator"
	"github.com/firn-data/firn/internal/snowflake"
	"github.com/firn-data/firn/internal/snowflake/keys"
)

// This file makes every client of AWS and Snowflake. Before the first client, the target
// of the command is chosen, and a writing command shows its target.

// openOperator returns an operator of the command's target.
func openOperator(ctx context.Context) (*operator.Operator, error) {
	t, err := chosenTarget(ctx)
	if err != nil {
		return nil, err
	}
	if t.cloud != nil {
		t.show(operator.Stack{})
	}
	o, err := app.New(ctx, os.LookupEnv)
	if err != nil {
		return nil, err
	}
	t.show(o.Stack)
	return o, nil
}

// checkShown returns an error if a writing command hasn't shown its target.
func checkShown(ctx context.Context) error {
	t, err := chosenTarget(ctx)
	if err == nil && t.access == writes && !t.shown {
		err = errors.New("a command that writes must open the operator first, which shows the target")
	}
	return err
}

// openSnowflake opens a session in the database of the command's target.
func openSnowflake(ctx context.Context) (*snowflake.Session, error) {
	if err := checkShown(ctx); err != nil {
		return nil, err
	}
	return app.OpenSnowflake(ctx, os.LookupEnv)
}

// openSnowflakeAccount opens a session without a database.
func openSnowflakeAccount(ctx context.Context) (*snowflake.Session, error) {
	if err := checkShown(ctx); err != nil {
		return nil, err
	}
	return app.OpenSnowflakeAccount(ctx, os.LookupEnv)
}

// newRotator returns a rotator for the key pair of the stack's load function.
func newRotator(ctx context.Context, stack operator.Stack, session keys.Session) (*keys.Rotator, error) {
	if err := checkShown(ctx); err != nil {
		return nil, err
	}
	return app.NewRotator(ctx, os.LookupEnv, stack, session)
}

// newWithdrawer returns a loader for withdrawals, and the curated bucket.
func newWithdrawer(ctx context.Context, stack operator.Stack, contracts contract.Set) (*load.Loader, load.Bucket, error) {
	if err := checkShown(ctx); err != nil {
		return nil, load.Bucket{}, err
	}
	return app.NewWithdrawer(ctx, os.LookupEnv, stack, contracts)
}

// callerIdentity returns the ARN of the AWS identity of the environment.
func callerIdentity(ctx context.Context) (string, error) {
	if err := checkShown(ctx); err != nil {
		return "", err
	}
	return app.CallerIdentity(ctx)
}
