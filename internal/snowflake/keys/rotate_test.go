//go:build standin

package keys_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/snowflake"
	"github.com/firn-data/firn/internal/snowflake/keys"
)

// The first rotation fills the empty secret. Each later rotation uses the other slot
// and empties the previous slot.
func TestRotationUsesOtherSlotAndEmptiesOldOne(t *testing.T) {
	t.Parallel()
	b := newFixture(t)
	before, err := b.rotator().Status(t.Context())
	if err != nil || before != (keys.Status{User: b.user}) {
		t.Fatalf("status before: %+v, %v", before, err)
	}
	previous := ""
	for i, slot := range []int{1, 2, 1} {
		status := b.rotate(t)
		if status.Slot != slot || status.Fingerprint == previous || status.Fingerprint != status.Slots[slot-1] {
			t.Errorf("rotation %d: %+v, want another key in slot %d", i+1, status, slot)
		}
		b.checkSingleKey(t, fmt.Sprintf("after rotation %d", i+1))
		previous = status.Fingerprint
	}
}

// After an interruption at any step, the secret's pair logs in, and the next rotation
// finishes.
func TestInterruptedRotationKeepsWorkingKey(t *testing.T) {
	t.Parallel()
	for _, after := range []bool{false, true} {
		t.Run(fmt.Sprintf("interrupted, step made: %t", after), func(t *testing.T) {
			t.Parallel()
			b := newFixture(t)
			b.rotate(t)
			interruptEach(t, after, func() fixture { return b }, true)
		})
		t.Run(fmt.Sprintf("first rotation interrupted, step made: %t", after), func(t *testing.T) {
			t.Parallel()
			interruptEach(t, after, func() fixture { return newFixture(t) }, false)
		})
	}
}

// interruptEach interrupts rotations: the first at step 1, the second at step 2, and so
// on.
func interruptEach(t *testing.T, after bool, on func() fixture, holds bool) {
	t.Helper()
	const minSteps = 8 // the steps of a rotation, without the last step for an empty secret; with fewer steps, the loop would test too little
	for at := int64(1); ; at++ {
		b, by := on(), &interruption{at: at, after: after}
		previous := b.status(t)
		_, err := b.interrupted(by).Rotate(t.Context())
		if !by.reached() {
			if err != nil || at < minSteps {
				t.Errorf("the rotation ended before step %d: %v", at, err)
			}
			return
		}
		when := fmt.Sprintf("interrupted at step %d", at)
		if !errors.Is(err, errInterrupted) && err != nil {
			t.Errorf("%s: %v", when, err)
		}
		if holds {
			b.checkLogin(t, when)
		}
		left := b.status(t)
		ended := b.rotate(t)
		b.checkSingleKey(t, when+", then finished")
		if put := left.Slot != 0 && left.Fingerprint != previous.Fingerprint; put && left.Unfinished && ended.Fingerprint != left.Fingerprint {
			t.Errorf("%s: the next rotation made a new pair", when)
		}
	}
}

// A pair that can't log in doesn't become current.
func TestKeyThatCannotLogInStaysPending(t *testing.T) {
	t.Parallel()
	b := newFixture(t)
	previous := b.rotate(t)
	rotator := b.rotator()
	rotator.LogIn = func(context.Context, snowflake.KeyPair) error { return errInterrupted }
	if _, err := rotator.Rotate(t.Context()); !errors.Is(err, errInterrupted) {
		t.Errorf("got %v", err)
	}
	now, err := rotator.Status(t.Context())
	if err != nil || now.Fingerprint != previous.Fingerprint || now.Slot != previous.Slot || !now.Unfinished {
		t.Errorf("status %+v, %v; before: %+v", now, err, previous)
	}
}

// The end of the context interrupts a rotation.
func TestCancelledRotationKeepsWorkingKey(t *testing.T) {
	t.Parallel()
	b := newFixture(t)
	b.rotate(t)
	ctx, cancel := context.WithCancel(t.Context())
	rotator := b.rotator()
	logIn := rotator.LogIn
	rotator.LogIn = func(ctx context.Context, pair snowflake.KeyPair) error {
		cancel()
		return logIn(ctx, pair)
	}
	if _, err := rotator.Rotate(ctx); err == nil {
		t.Error("no error")
	}
	b.checkLogin(t, "cancelled")
	b.rotate(t)
	b.checkSingleKey(t, "cancelled, then finished")
}

// Concurrent rotations agree on one pair.
func TestConcurrentRotationsAgreeOnOneKey(t *testing.T) {
	t.Parallel()
	b := newFixture(t)
	for round := range 5 {
		var group sync.WaitGroup
		for range 3 {
			group.Go(func() {
				if _, err := b.rotator().Rotate(t.Context()); err != nil {
					t.Errorf("round %d: %v", round, err)
				}
			})
		}
		group.Wait()
		b.checkSingleKey(t, fmt.Sprintf("after round %d", round))
	}
}

// After another rotation, a rotation with an old state keeps the current key's slot.
func TestOvertakenRotationKeepsNewerKey(t *testing.T) {
	t.Parallel()
	b := newFixture(t)
	b.rotate(t)
	late, begun := b.rotator(), false
	late.Secret.Client = hookedClient{interruptedClient{b.client, &interruption{}}, func() {
		if !begun {
			begun = true
			b.rotate(t)
		}
	}}
	if _, err := late.Rotate(t.Context()); err != nil {
		t.Error(err)
	}
	b.checkSingleKey(t, "overtaken")
}

// hookedClient calls a function before each PutSecretValue.
type hookedClient struct {
	interruptedClient

	do func()
}

func (c hookedClient) PutSecretValue(ctx context.Context, input *secretsmanager.PutSecretValueInput, options ...func(*secretsmanager.Options)) (*secretsmanager.PutSecretValueOutput, error) {
	c.do()
	return c.interruptedClient.PutSecretValue(ctx, input, options...)
}

// In AWS, the first version of a secret becomes current at once. The stand-in's Secrets
// Manager doesn't behave like this.
func TestRotationOfSecretWithAWSFirstVersion(t *testing.T) {
	t.Parallel()
	for at := int64(1); at <= 4; at++ { // up to the login with the pair
		b := newFixture(t)
		for _, by := range []*interruption{{at: at}, {}} {
			rotator := b.interrupted(by)
			rotator.Secret.Client = firstVersionCurrentClient{interruptedClient{b.client, by}}
			if _, err := rotator.Rotate(t.Context()); by.at == 0 && err != nil {
				t.Errorf("interrupted at step %d, then finished: %v", at, err)
			}
		}
		b.checkSingleKey(t, fmt.Sprintf("interrupted at step %d, then finished", at))
	}
}

type firstVersionCurrentClient struct{ interruptedClient }

func (c firstVersionCurrentClient) PutSecretValue(ctx context.Context, input *secretsmanager.PutSecretValueInput, options ...func(*secretsmanager.Options)) (*secretsmanager.PutSecretValueOutput, error) {
	existing, err := c.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: input.SecretId})
	if fault.IsAWS(err, "ResourceNotFoundException") || err == nil && aws.ToString(existing.SecretString) == "" { // the stand-in's empty secret
		changed := *input
		changed.VersionStages = append([]string{"AWSCURRENT"}, input.VersionStages...)
		input = &changed
	}
	return c.interruptedClient.PutSecretValue(ctx, input, options...)
}

// A rotation repairs a secret with wrong content and a user without keys.
func TestRotationRepairsBrokenSecretAndSlots(t *testing.T) {
	t.Parallel()
	b := newFixture(t)
	write := func(text, label string) {
		t.Helper()
		_, err := b.client.PutSecretValue(t.Context(), &secretsmanager.PutSecretValueInput{
			SecretId: aws.String(b.arn), SecretString: aws.String(text), VersionStages: []string{label},
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for name, damage := range map[string]func(){
		"current version without a key pair": func() { write("{}", "AWSCURRENT") },
		"pending version without a key pair": func() { write("{}", "AWSPENDING") },
		"no key in Snowflake": func() {
			if _, err := b.session.Query(t.Context(), "damage", "alter user "+b.user+" unset rsa_public_key, rsa_public_key_2"); err != nil {
				t.Fatal(err)
			}
		},
	} {
		b.rotate(t)
		damage()
		previous := b.status(t)
		if status := b.rotate(t); status.Fingerprint == previous.Fingerprint {
			t.Errorf("%s: the fingerprint is still %s", name, status.Fingerprint)
		}
		b.checkSingleKey(t, name)
	}
}

// The fault for an unusable secret has a hint and no part of the secret's text.
func TestReadOfUnusableSecretHidesItsText(t *testing.T) {
	t.Parallel()
	b := newFixture(t)
	stored := keys.Secret{Client: b.client, ARN: b.arn}
	check := func(code fault.Code, advice string) {
		t.Helper()
		_, err := stored.Read(t.Context())
		f := fault.As(err)
		if f == nil || f.Code != code || f.Disposition != fault.RetryAfter || !strings.Contains(f.Advice(), advice) {
			t.Errorf("got %v. %s\nwant %s. %s", err, f.Advice(), code, advice)
		}
		if strings.Contains(fmt.Sprint(err), "s3cret") {
			t.Errorf("the error contains the secret: %v", err)
		}
	}
	check(fault.SnowflakeRefused, "`firn keys rotate`")
	if _, err := b.client.PutSecretValue(t.Context(), &secretsmanager.PutSecretValueInput{SecretId: aws.String(b.arn), SecretString: aws.String("s3cret")}); err != nil {
		t.Fatal(err)
	}
	check(fault.SnowflakeRefused, "`firn keys rotate`")
	stored.ARN = strings.Replace(b.arn, "LOADER", "NOBODY", 1)
	check(fault.SecretAway, "deploy the stack again")
}

// The fault for a missing user, or a user of another owner, differs from the faults of
// a load.
func TestRotationOfMissingUserFails(t *testing.T) {
	t.Parallel()
	b := newFixture(t)
	rotator := b.rotator()
	rotator.User = "NOBODY"
	_, err := rotator.Rotate(t.Context())
	if f := fault.As(err); f == nil || f.Code != fault.AccessDenied || f.Subject != "NOBODY" || !strings.Contains(f.Advice(), "owns the user NOBODY") {
		t.Errorf("got %v", err)
	}
}
