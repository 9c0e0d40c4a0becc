// Package keys stores and rotates the key pair for the load function's login to
// Snowflake. The key pair is in a secret of AWS Secrets Manager.
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

// Client is the part of the Secrets Manager client that Secret uses. A function that
// only reads needs only the permission for GetSecretValue.
type Client interface {
	GetSecretValue(context.Context, *secretsmanager.GetSecretValueInput, ...func(*secretsmanager.Options)) (*secretsmanager.GetSecretValueOutput, error)
	PutSecretValue(context.Context, *secretsmanager.PutSecretValueInput, ...func(*secretsmanager.Options)) (*secretsmanager.PutSecretValueOutput, error)
	UpdateSecretVersionStage(context.Context, *secretsmanager.UpdateSecretVersionStageInput, ...func(*secretsmanager.Options)) (*secretsmanager.UpdateSecretVersionStageOutput, error)
}

// Secret is one secret. Labels mark the secret's versions: AWSCURRENT the current pair,
// and AWSPENDING the next pair during a rotation (secretsmanager/latest/userguide,
// whats-in-a-secret).
type Secret struct {
	Client Client
	ARN    string
}

var _ snowflake.Secret = Secret{}

const (
	currentLabel = "AWSCURRENT"
	pendingLabel = "AWSPENDING"
	// candidateLabel is the label of a version before the version becomes pending.
	// Without any label, Secrets Manager can delete a version at any time.
	candidateLabel = "FIRNCANDIDATE"
)

// version is one version of the secret. The zero value is no version.
type version struct {
	id string
	// pair is the zero value if the version's text isn't a key pair.
	pair snowflake.KeyPair
	// err is the decoding error of the version's text, or nil.
	err error
}

// Read implements snowflake.Secret. For a secret without a key pair, the error is a
// fault of code snowflake_login_refused, because the login can't succeed.
func (s Secret) Read(ctx context.Context) (snowflake.KeyPair, error) {
	v, err := s.versionWithLabel(ctx, currentLabel)
	switch {
	case err != nil:
		return v.pair, err
	case v.id == "":
		return v.pair, s.unusableFault(errors.New("the secret is empty"))
	case v.err != nil:
		return v.pair, s.unusableFault(v.err)
	}
	return v.pair, nil
}

// versionWithLabel returns the version with the label; the zero value without such a
// version.
func (s Secret) versionWithLabel(ctx context.Context, label string) (version, error) {
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

// isUnlabelled reports whether a version with the label is missing. A missing secret
// has the same error code with another message (secretsmanager/latest/apireference,
// API_GetSecretValue).
func isUnlabelled(err error) bool {
	return fault.IsAWS(err, "ResourceNotFoundException") && strings.Contains(err.Error(), "staging label")
}

// propose stores the pair as a new version and makes the version pending, unless
// another version is pending. The first version of a secret also becomes current, with
// any label (secretsmanager/latest/apireference, API_PutSecretValue).
func (s Secret) propose(ctx context.Context, pair snowflake.KeyPair) error {
	content, err := pair.Encode()
	if err != nil {
		return err
	}
	answer, err := s.Client.PutSecretValue(ctx, &secretsmanager.PutSecretValueInput{
		SecretId: aws.String(s.ARN), SecretString: aws.String(content), VersionStages: []string{candidateLabel},
	})
	if err != nil {
		return fault.AWS("store the new key pair", fault.SecretAway, err)
	}
	err = s.move(ctx, pendingLabel, "", aws.ToString(answer.VersionId))
	if isLabelMoved(err) { // another rotation was faster
		return nil
	}
	return err
}

// move moves a label from one version to another. An empty id is no version. move fails
// if the from version doesn't have the label. So only one of two concurrent calls moves
// the label (secretsmanager/latest/apireference, API_UpdateSecretVersionStage).
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

// isLabelMoved reports whether a move failed because another version has the label. AWS
// doesn't document the error code of this case; these are the two possible codes.
func isLabelMoved(err error) bool {
	return fault.IsAWS(err, "InvalidParameterException", "InvalidRequestException")
}

// unusableFault returns the fault for a login that can't succeed before the next
// rotation.
func (s Secret) unusableFault(err error) *fault.Fault {
	f := fault.Dependency("read the secret of the login", fault.SnowflakeRefused, err)
	f.Subject = s.ARN
	f.Hint = "Run `firn keys rotate` to make a new key pair for the user and store the pair in the secret."
	return f
}
