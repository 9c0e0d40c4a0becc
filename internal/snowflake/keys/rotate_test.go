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

// The first rotation fills the empty secret; each later one takes the other
// slot and leaves the former empty.
func TestRotationUsesOtherSlotAndEmptiesOldOne(t *testing.T) {
	t.Parallel()
	b := newFixture(t)
	before, err := b.rotator().Status(t.Context())
	if err != nil || before != (keys.Status{User: b.user}) {
		t.Fatalf("before: %+v, %v", before, err)
	}
	former := ""
	for i, slot := range []int{1, 2, 1} {
		status := b.rotate(t)
		if status.Slot != slot || status.Fingerprint == former || status.Fingerprint != status.Slots[slot-1] {
			t.Errorf("rotation %d: %+v, want another key in slot %d", i+1, status, slot)
		}
		b.checkSingleKey(t, fmt.Sprintf("after rotation %d", i+1))
		former = status.Fingerprint
	}
}

// A rotation that is interrupted at any step leaves a pair that logs in, and the
// next one ends it.
func TestInterruptedRotationKeepsWorkingKey(t *testing.T) {
	t.Parallel()
	for _, after := range []bool{false, true} {
		t.Run(fmt.Sprintf("after the step %t", after), func(t *testing.T) {
			t.Parallel()
			b := newFixture(t)
			b.rotate(t)
			interruptEach(t, after, func() fixture { return b }, true)
		})
		t.Run(fmt.Sprintf("the first one, after the step %t", after), func(t *testing.T) {
			t.Parallel()
			interruptEach(t, after, func() fixture { return newFixture(t) }, false)
		})
	}
}

// interruptEach interrupts a rotation at each of its steps in turn.
func interruptEach(t *testing.T, after bool, on func() fixture, holds bool) {
	t.Helper()
	const fewest = 8 // the steps of a rotation, without the last for an empty secret: else the loop proves little
	for at := int64(1); ; at++ {
		b, by := on(), &interruption{at: at, after: after}
		former := b.status(t)
		_, err := b.interrupted(by).Rotate(t.Context())
		if !by.reached() {
			if err != nil || at < fewest {
				t.Errorf("it ended before step %d: %v", at, err)
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
		b.checkSingleKey(t, when+", and ended")
		if put := left.Slot != 0 && left.Fingerprint != former.Fingerprint; put && left.Unfinished && ended.Fingerprint != left.Fingerprint {
			t.Errorf("%s: the next one began another rotation", when)
		}
	}
}

// A pair that doesn't log in isn't put in force.
func TestKeyThatCannotLogInStaysPending(t *testing.T) {
	t.Parallel()
	b := newFixture(t)
	former := b.rotate(t)
	rotator := b.rotator()
	rotator.LogIn = func(context.Context, snowflake.KeyPair) error { return errInterrupted }
	if _, err := rotator.Rotate(t.Context()); !errors.Is(err, errInterrupted) {
		t.Errorf("got %v", err)
	}
	now, err := rotator.Status(t.Context())
	if err != nil || now.Fingerprint != former.Fingerprint || now.Slot != former.Slot || !now.Unfinished {
		t.Errorf("it left %+v, %v; before: %+v", now, err, former)
	}
}

// A context that ends is such an interruption.
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
	b.checkSingleKey(t, "cancelled, and ended")
}

// Rotations at once agree on one pair.
func TestConcurrentRotationsAgreeOnOneKey(t *testing.T) {
	t.Parallel()
	b := newFixture(t)
	for round := range 5 {
		var all sync.WaitGroup
		for range 3 {
			all.Go(func() {
				if _, err := b.rotator().Rotate(t.Context()); err != nil {
					t.Errorf("round %d: %v", round, err)
				}
			})
		}
		all.Wait()
		b.checkSingleKey(t, fmt.Sprintf("after round %d", round))
	}
}

// A rotation that looked long ago doesn't take the slot that another one gave
// the key in force.
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

// hookedClient does something before the first version is put.
type hookedClient struct {
	interruptedClient

	do func()
}

func (c hookedClient) PutSecretValue(ctx context.Context, input *secretsmanager.PutSecretValueInput, options ...func(*secretsmanager.Options)) (*secretsmanager.PutSecretValueOutput, error) {
	c.do()
	return c.interruptedClient.PutSecretValue(ctx, input, options...)
}

// The first version of a secret is the current one at once, in AWS; the
// laptop's Secrets Manager doesn't do that.
func TestRotationOfSecretWithAWSFirstVersion(t *testing.T) {
	t.Parallel()
	for at := int64(1); at <= 4; at++ { // up to the proof of the pair
		b := newFixture(t)
		for _, by := range []*interruption{{at: at}, {}} {
			rotator := b.interrupted(by)
			rotator.Secret.Client = firstIsCurrent{interruptedClient{b.client, by}}
			if _, err := rotator.Rotate(t.Context()); by.at == 0 && err != nil {
				t.Errorf("interrupted at step %d, and ended: %v", at, err)
			}
		}
		b.checkSingleKey(t, fmt.Sprintf("interrupted at step %d, and ended", at))
	}
}

type firstIsCurrent struct{ interruptedClient }

func (c firstIsCurrent) PutSecretValue(ctx context.Context, input *secretsmanager.PutSecretValueInput, options ...func(*secretsmanager.Options)) (*secretsmanager.PutSecretValueOutput, error) {
	held, err := c.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: input.SecretId})
	if fault.IsAWS(err, "ResourceNotFoundException") || err == nil && aws.ToString(held.SecretString) == "" { // the stand-in's empty secret
		changed := *input
		changed.VersionStages = append([]string{"AWSCURRENT"}, input.VersionStages...)
		input = &changed
	}
	return c.interruptedClient.PutSecretValue(ctx, input, options...)
}

// What somebody wrote into the secret by hand, or took from the user, is mended
// by a rotation.
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
	for what, damage := range map[string]func(){
		"no key pair":         func() { write("{}", "AWSCURRENT") },
		"a pending something": func() { write("{}", "AWSPENDING") },
		"no key in Snowflake": func() {
			if _, err := b.session.Query(t.Context(), "damage", "alter user "+b.user+" unset rsa_public_key, rsa_public_key_2"); err != nil {
				t.Fatal(err)
			}
		},
	} {
		b.rotate(t)
		damage()
		former := b.status(t)
		if status := b.rotate(t); status.Fingerprint == former.Fingerprint {
			t.Errorf("%s: the pair is still %s", what, status.Fingerprint)
		}
		b.checkSingleKey(t, what)
	}
}

// A function whose secret can't be used says what to do, and nothing of it.
func TestReadOfUnusableSecretHidesItsText(t *testing.T) {
	t.Parallel()
	b := newFixture(t)
	kept := keys.Secret{Client: b.client, ARN: b.arn}
	check := func(code fault.Code, advice string) {
		t.Helper()
		_, err := kept.Read(t.Context())
		f := fault.As(err)
		if f == nil || f.Code != code || f.Disposition != fault.RetryAfter || !strings.Contains(f.Advice(), advice) {
			t.Errorf("got %v. %s\nwant %s. %s", err, f.Advice(), code, advice)
		}
		if strings.Contains(fmt.Sprint(err), "s3cret") {
			t.Errorf("the error tells the secret: %v", err)
		}
	}
	check(fault.SnowflakeRefused, "`firn keys rotate`")
	if _, err := b.client.PutSecretValue(t.Context(), &secretsmanager.PutSecretValueInput{SecretId: aws.String(b.arn), SecretString: aws.String("s3cret")}); err != nil {
		t.Fatal(err)
	}
	check(fault.SnowflakeRefused, "`firn keys rotate`")
	kept.ARN = strings.Replace(b.arn, "LOADER", "NOBODY", 1)
	check(fault.SecretAway, "deploy the stack again")
}

// A user that isn't there, or isn't the operator's to change, is told apart from
// what a load can fail with.
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
