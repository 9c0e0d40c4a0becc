// Package keys keeps the key pair by which the load function logs in to
// Snowflake: in a secret of AWS Secrets Manager, and rotated.
package keys

import (
	"context"
	"errors"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/snowflake"
)

// Client is what the secret needs of Secrets Manager. A function that only
// reads needs the grant of GetSecretValue alone.
type Client interface {
	GetSecretValue(context.Context, *secretsmanager.GetSecretValueInput, ...func(*secretsmanager.Options)) (*secretsmanager.GetSecretValueOutput, error)
	PutSecretValue(context.Context, *secretsmanager.PutSecretValueInput, ...func(*secretsmanager.Options)) (*secretsmanager.PutSecretValueOutput, error)
	UpdateSecretVersionStage(context.Context, *secretsmanager.UpdateSecretVersionStageInput, ...func(*secretsmanager.Options)) (*secretsmanager.UpdateSecretVersionStageOutput, error)
}

// Secret is one secret. Its versions carry labels: the pair in force is
// current, the one that a rotation puts in its place pending
// (secretsmanager/latest/userguide, whats-in-a-secret).
type Secret struct {
	Client Client
	ARN    string
}

var _ snowflake.Secret = Secret{}

const (
	current = "AWSCURRENT"
	pending = "AWSPENDING"
	// candidate is the label of a version that may become the pending one:
	// one without any label can be deleted by Secrets Manager at any time.
	candidate = "FIRNCANDIDATE"
)

// version is one version of the secret. The zero value is none.
type version struct {
	id string
	// pair is no pair if the version holds something else.
	pair snowflake.KeyPair
	// err says why it can't be used; nil if it can.
	err error
}

// Read implements snowflake.Secret. A secret that holds no pair is a login that
// can't succeed: snowflake_login_refused.
func (s Secret) Read(ctx context.Context) (snowflake.KeyPair, error) {
	v, err := s.labelled(ctx, current)
	switch {
	case err != nil:
		return v.pair, err
	case v.id == "":
		return v.pair, s.unusable(errors.New("it is empty"))
	case v.err != nil:
		return v.pair, s.unusable(v.err)
	}
	return v.pair, nil
}

// labelled returns the version that has the label; none if there is none.
func (s Secret) labelled(ctx context.Context, label string) (version, error) {
	answer, err := s.Client.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: aws.String(s.ARN), VersionStage: aws.String(label)})
	if isUnlabelled(err) {
		return version{}, nil
	}
	if err != nil {
		return version{}, fault.AWS("read the secret of the login", fault.SecretAway, err)
	}
	pair, err := snowflake.DecodeKeyPair(aws.ToString(answer.SecretString))
	return version{id: aws.ToString(answer.VersionId), pair: pair, err: err}, nil
}

// isUnlabelled tells a secret without such a version from a missing secret: the
// two have one code (secretsmanager/latest/apireference, API_GetSecretValue).
func isUnlabelled(err error) bool {
	return fault.IsAWS(err, "ResourceNotFoundException") && strings.Contains(err.Error(), "staging label")
}

// propose makes the pair a version that is pending, unless another one is
// already. The first version of a secret is current, too, whatever it is
// labelled (secretsmanager/latest/apireference, API_PutSecretValue).
func (s Secret) propose(ctx context.Context, pair snowflake.KeyPair) error {
	content, err := pair.Encode()
	if err != nil {
		return err
	}
	answer, err := s.Client.PutSecretValue(ctx, &secretsmanager.PutSecretValueInput{
		SecretId: aws.String(s.ARN), SecretString: aws.String(content), VersionStages: []string{candidate},
	})
	if err != nil {
		return fault.AWS("store the new key pair", fault.SecretAway, err)
	}
	err = s.move(ctx, pending, "", aws.ToString(answer.VersionId))
	if isLabelMoved(err) { // another rotation was faster
		return nil
	}
	return err
}

// move takes a label from one version to another; an empty id is no version. It
// fails if the label isn't where it is to be taken from
// (secretsmanager/latest/apireference, API_UpdateSecretVersionStage): of two
// that move one label, one does.
func (s Secret) move(ctx context.Context, label, from, to string) error {
	input := &secretsmanager.UpdateSecretVersionStageInput{SecretId: aws.String(s.ARN), VersionStage: aws.String(label)}
	if from != "" {
		input.RemoveFromVersionId = aws.String(from)
	}
	if to != "" {
		input.MoveToVersionId = aws.String(to)
	}
	if _, err := s.Client.UpdateSecretVersionStage(ctx, input); err != nil {
		return fault.AWS("move the secret's label "+label, fault.SecretAway, err)
	}
	return nil
}

// isLabelMoved reports whether a label couldn't be moved since another version
// has it. Which code that has isn't documented; these are all that it can be.
func isLabelMoved(err error) bool {
	return fault.IsAWS(err, "InvalidParameterException", "InvalidRequestException")
}

// unusable is a login that can't succeed before somebody rotates the key.
func (s Secret) unusable(err error) *fault.Fault {
	f := fault.Dependency("read the secret of the login", fault.SnowflakeRefused, err)
	f.Subject = s.ARN
	f.Hint = "Run `firn keys rotate`: it makes a key pair for the user and puts it into the secret."
	return f
}
