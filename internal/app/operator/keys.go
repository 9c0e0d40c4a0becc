package operator

import (
	"context"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/firn-data/firn/internal/app/environment"
	"github.com/firn-data/firn/internal/operator"
	"github.com/firn-data/firn/internal/snowflake"
	"github.com/firn-data/firn/internal/snowflake/keys"
)

// NewRotator returns a rotator for the key pair of the load function. The session
// changes the function's Snowflake user. A stack without a login secret is an error.
func NewRotator(ctx context.Context, lookup environment.Lookup, stack operator.Stack, session keys.Session) (*keys.Rotator, error) {
	if stack.LoginSecret == "" {
		return nil, fmt.Errorf("the load function of stack %s logs in by its role, without a key: for a key, "+
			"deploy with -c firn:snowflakeLogin=keypair first", stack.Name)
	}
	l, err := readLogin(lookup)
	if err != nil {
		return nil, err
	}
	cfg, err := loadAWSConfig(ctx)
	if err != nil {
		return nil, err
	}
	return &keys.Rotator{
		Secret: keys.Secret{Client: secretsmanager.NewFromConfig(cfg), ARN: stack.LoginSecret},
		Users:  keys.Statements{Session: session},
		User:   keys.LoaderUser,
		LogIn:  func(ctx context.Context, pair snowflake.KeyPair) error { return checkLogin(ctx, l.config(), pair) },
		Now:    time.Now,
	}, nil
}

// checkLogin logs in with the key pair and closes the session.
func checkLogin(ctx context.Context, c snowflake.Config, pair snowflake.KeyPair) error {
	c.User, c.PrivateKey = pair.User, pair.PrivateKey
	session, err := snowflake.Open(ctx, c)
	if err != nil {
		return fmt.Errorf("the new key %s: %w", pair, err)
	}
	return session.Close()
}
