//go:build standin

package keys_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/firn-data/firn/internal/awsconfig"
	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/laptop/laptoptest"
	"github.com/firn-data/firn/internal/snowflake"
	"github.com/firn-data/firn/internal/snowflake/keys"
)

func TestMain(m *testing.M) { os.Exit(laptoptest.Main(m, "aws", "snowflake")) }

var fixtureCount atomic.Int64

// fixture is a user in the stand-in of Snowflake, with an empty secret.
type fixture struct {
	client *secretsmanager.Client
	arn    string
	user   string
	// session is the operator's session.
	session keys.Session
}

func newFixture(t *testing.T) fixture {
	t.Helper()
	cfg, err := awsconfig.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	b := fixture{
		client: secretsmanager.NewFromConfig(cfg), user: fmt.Sprintf("LOADER_%d", fixtureCount.Add(1)),
		session: &serialSession{session: laptoptest.OpenSnowflake(t, "")},
	}
	_, err = b.client.CreateSecret(t.Context(), &secretsmanager.CreateSecretInput{Name: aws.String(b.user)})
	if err != nil && !fault.IsAWS(err, "ResourceExistsException") { // a retry of the client after a lost answer
		t.Fatal(err)
	}
	described, err := b.client.DescribeSecret(t.Context(), &secretsmanager.DescribeSecretInput{SecretId: aws.String(b.user)})
	if err != nil {
		t.Fatal(err)
	}
	b.arn = aws.ToString(described.ARN)
	if _, err := b.session.Query(t.Context(), "set up test", "create user "+b.user+" type = service"); err != nil {
		t.Fatal(err)
	}
	return b
}

// serialSession runs one statement at a time: a snowflake.Session isn't safe for
// concurrent use.
type serialSession struct {
	mutex   sync.Mutex
	session *snowflake.Session
}

func (a *serialSession) Query(ctx context.Context, op, statement string, args ...any) (snowflake.Result, error) {
	a.mutex.Lock()
	defer a.mutex.Unlock()
	return a.session.Query(ctx, op, statement, args...)
}

// rotator returns a rotator without interruption.
func (b fixture) rotator() *keys.Rotator { return b.interrupted(&interruption{}) }

// interrupted returns a rotator with the interruption.
func (b fixture) interrupted(by *interruption) *keys.Rotator {
	return &keys.Rotator{
		Secret: keys.Secret{Client: interruptedClient{b.client, by}, ARN: b.arn},
		Users:  interruptedUsers{keys.Statements{Session: b.session}, by},
		User:   b.user,
		LogIn: func(ctx context.Context, pair snowflake.KeyPair) error {
			return by.step(func() error { return logIn(ctx, pair) })
		},
		Now: func() time.Time { return time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC) },
	}
}

func (b fixture) rotate(t *testing.T) keys.Status {
	t.Helper()
	status, err := b.rotator().Rotate(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return status
}

func (b fixture) status(t *testing.T) keys.Status {
	t.Helper()
	status, err := b.rotator().Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return status
}

func logIn(ctx context.Context, pair snowflake.KeyPair) error {
	config, err := laptoptest.SnowflakeConfig()
	if err != nil {
		return err
	}
	config.User, config.PrivateKey = pair.User, pair.PrivateKey
	session, err := snowflake.Open(ctx, config)
	if err != nil {
		return err
	}
	return session.Close()
}

// checkLogin fails the test unless the secret's pair logs in.
func (b fixture) checkLogin(t *testing.T, when string) {
	t.Helper()
	pair, err := keys.Secret{Client: b.client, ARN: b.arn}.Read(t.Context())
	if err == nil {
		err = logIn(t.Context(), pair)
	}
	if err != nil {
		t.Errorf("%s: the secret's pair doesn't log in: %v", when, err)
	}
}

// checkSingleKey fails the test unless the user has the secret's key and no other key.
func (b fixture) checkSingleKey(t *testing.T, when string) {
	t.Helper()
	b.checkLogin(t, when)
	status := b.status(t)
	filled := 0
	for _, inSlot := range status.Slots {
		if inSlot != "" {
			filled++
		}
	}
	if filled != 1 || status.Slot == 0 || status.Unfinished {
		t.Errorf("%s: got %+v, want the secret's key alone", when, status)
	}
}

// interruption ends a rotation at step number "at", counted from 1: before the step, or
// with after, once the step is made and its answer lost. 0 interrupts nothing. Only
// changes and logins are steps, because an interruption before a read equals an
// interruption after the previous step.
type interruption struct {
	at    int64
	after bool
	count atomic.Int64
}

var errInterrupted = errors.New("interrupted")

func (i *interruption) step(do func() error) error {
	n := i.count.Add(1)
	if i.at > 0 && (n > i.at || n == i.at && !i.after) {
		return errInterrupted
	}
	if err := do(); err != nil {
		return err
	}
	if n == i.at {
		return errInterrupted
	}
	return nil
}

// reached reports whether the rotation came to the step.
func (i *interruption) reached() bool { return i.count.Load() >= i.at }

type interruptedClient struct {
	*secretsmanager.Client

	by *interruption
}

func (c interruptedClient) PutSecretValue(ctx context.Context, input *secretsmanager.PutSecretValueInput, options ...func(*secretsmanager.Options)) (*secretsmanager.PutSecretValueOutput, error) {
	return runStep(c.by, func() (*secretsmanager.PutSecretValueOutput, error) {
		return c.Client.PutSecretValue(ctx, input, options...)
	})
}

func (c interruptedClient) UpdateSecretVersionStage(ctx context.Context, input *secretsmanager.UpdateSecretVersionStageInput, options ...func(*secretsmanager.Options)) (*secretsmanager.UpdateSecretVersionStageOutput, error) {
	return runStep(c.by, func() (*secretsmanager.UpdateSecretVersionStageOutput, error) {
		return c.Client.UpdateSecretVersionStage(ctx, input, options...)
	})
}

type interruptedUsers struct {
	keys.Users

	by *interruption
}

func (u interruptedUsers) SetKey(ctx context.Context, user string, slot int, publicKey string) error {
	return u.by.step(func() error { return u.Users.SetKey(ctx, user, slot, publicKey) })
}

func (u interruptedUsers) EmptySlot(ctx context.Context, user string, slot int) error {
	return u.by.step(func() error { return u.Users.EmptySlot(ctx, user, slot) })
}

func runStep[T any](by *interruption, do func() (T, error)) (answer T, err error) {
	stepErr := by.step(func() error {
		answer, err = do()
		return err
	})
	return answer, stepErr
}
