package keys

import (
	"context"
	"fmt"
	"time"

	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/snowflake"
)

// LoaderUser is the Snowflake user of the load function, as snowflake/'s
// scripts make it.
const LoaderUser = "FIRN_LOADER"

// Users is what a rotation does to Snowflake's user.
type Users interface {
	// Fingerprints returns those of the keys in the user's slots 1 and 2; an
	// empty text is an empty slot.
	Fingerprints(ctx context.Context, user string) (Slots, error)
	// SetKey puts a public key into a slot.
	SetKey(ctx context.Context, user string, slot int, publicKey string) error
	// EmptySlot takes the key out of a slot.
	EmptySlot(ctx context.Context, user string, slot int) error
}

// Slots are the fingerprints in slots 1 and 2.
type Slots [2]string

// of returns the slot that has a fingerprint; 0 if none has.
func (s Slots) of(fingerprint string) int {
	for i, held := range s {
		if held != "" && held == fingerprint {
			return i + 1
		}
	}
	return 0
}

// Rotator replaces the key pair of the load function's user. Each step can be
// repeated, and what the next one needs is in Snowflake or in the secret, never
// only in memory. So a rotation that was interrupted is finished by the next,
// and two at once work on the same pair.
type Rotator struct {
	Secret Secret
	Users  Users
	// LogIn proves a pair: it opens a session by it and closes it.
	LogIn func(context.Context, snowflake.KeyPair) error
	Now   func() time.Time
}

// Status is how the login stands.
type Status struct {
	User string `json:"user"`
	// Slot has the key that the secret holds; 0 if neither has.
	Slot int `json:"slot"`
	// Fingerprint is that key's; empty if the secret holds none.
	Fingerprint string `json:"fingerprint"`
	// Created is when it was made; the zero time if the secret holds none.
	Created time.Time `json:"created,omitzero"`
	// Slots are the fingerprints in the user's slots 1 and 2.
	Slots Slots `json:"slots"`
	// Unfinished says that a rotation was interrupted, or is running.
	Unfinished bool `json:"unfinished"`
}

// Status reads how the login stands.
func (r *Rotator) Status(ctx context.Context) (Status, error) {
	now, next, err := r.versions(ctx)
	if err != nil {
		return Status{}, err
	}
	user := userOf(now, next)
	slots, err := r.Users.Fingerprints(ctx, user)
	return Status{
		User: user, Slot: slots.of(now.pair.Fingerprint()), Fingerprint: now.pair.Fingerprint(), Created: now.pair.Created,
		Slots: slots, Unfinished: next.id != "",
	}, err
}

// Rotate puts a new pair in place of the one in force, or finishes a rotation
// that did. When it returns without an error, the user has one key, and the
// secret holds it. At any time before, the pair in the secret logs in, unless
// it didn't at the start.
func (r *Rotator) Rotate(ctx context.Context) (Status, error) {
	now, next, err := r.versions(ctx)
	if err != nil {
		return Status{}, err
	}
	slots, err := r.Users.Fingerprints(ctx, userOf(now, next))
	if err != nil {
		return Status{}, err
	}
	if used := slots.of(now.pair.Fingerprint()); next.id == "" || next.id != now.id || used == 0 {
		if next, err = r.pending(ctx, now, next, slots); err != nil {
			return Status{}, err
		}
		if err := r.replace(ctx, now, next); err != nil {
			return Status{}, err
		}
	}
	if err := r.retire(ctx); err != nil {
		return Status{}, err
	}
	if err := r.settle(ctx, next); err != nil {
		return Status{}, err
	}
	return r.Status(ctx)
}

// versions reads the pairs that are in force and pending.
func (r *Rotator) versions(ctx context.Context) (now, next version, err error) {
	if now, err = r.Secret.labelled(ctx, current); err != nil {
		return now, next, err
	}
	next, err = r.Secret.labelled(ctx, pending)
	return now, next, err
}

// userOf is the user of the pairs that there are.
func userOf(versions ...version) string {
	for _, v := range versions {
		if v.pair.User != "" {
			return v.pair.User
		}
	}
	return LoaderUser
}

// pending returns the pair that is to be put in force: the one that an
// interrupted rotation left, or a new one for the slot that isn't in use.
func (r *Rotator) pending(ctx context.Context, now, next version, slots Slots) (version, error) {
	used := slots.of(now.pair.Fingerprint())
	if next.id != "" && next.err == nil && next.pair.Slot != used {
		return next, nil
	}
	if next.id != "" { // somebody wrote the secret by hand
		if err := r.Secret.move(ctx, pending, next.id, ""); err != nil {
			return version{}, err
		}
	}
	pair, err := snowflake.NewKeyPair(userOf(now, next), freeSlot(slots, used), r.Now())
	if err != nil {
		return version{}, err
	}
	return r.Secret.propose(ctx, pair)
}

// freeSlot is the slot that isn't in use, and an empty one if there is a
// choice.
func freeSlot(slots Slots, used int) int {
	if used == 1 || used == 0 && slots[0] != "" && slots[1] == "" {
		return 2
	}
	return 1
}

// replace puts the pending pair's public key into its slot, proves that it
// logs in, puts it in force, and proves it as it is stored.
func (r *Rotator) replace(ctx context.Context, now, next version) error {
	if err := r.Users.SetKey(ctx, next.pair.User, next.pair.Slot, next.pair.PublicKey()); err != nil {
		return err
	}
	if err := r.LogIn(ctx, next.pair); err != nil {
		return err
	}
	if now.id != next.id {
		if err := r.putInForce(ctx, now, next); err != nil {
			return err
		}
	}
	stored, err := r.Secret.Read(ctx)
	if err != nil {
		return err
	}
	return r.LogIn(ctx, stored)
}

// putInForce makes a version the current one, unless another rotation did.
func (r *Rotator) putInForce(ctx context.Context, now, next version) error {
	moveErr := r.Secret.move(ctx, current, now.id, next.id)
	if moveErr == nil {
		return nil
	}
	if stored, err := r.Secret.labelled(ctx, current); err != nil || stored.id != next.id {
		return moveErr
	}
	return nil
}

// retire empties the slot that the pair in force isn't in. What is in force is
// read right before, so that no key is taken away that another rotation put
// there.
func (r *Rotator) retire(ctx context.Context) error {
	stored, slots, err := r.inForce(ctx)
	if err != nil {
		return err
	}
	if other := 3 - slots.of(stored.Fingerprint()); slots[other-1] != "" {
		return r.Users.EmptySlot(ctx, stored.User, other)
	}
	return nil
}

// settle ends the rotation. It looks once more whether the pair in force has
// its slot: if two rotations run and one ends while a third begins, the other
// can empty the third one's slot.
func (r *Rotator) settle(ctx context.Context, done version) error {
	if _, _, err := r.inForce(ctx); err != nil {
		return err
	}
	moveErr := r.Secret.move(ctx, pending, done.id, "")
	if moveErr == nil {
		return nil
	}
	if left, err := r.Secret.labelled(ctx, pending); err != nil || left.id == done.id {
		return moveErr
	}
	return nil // another rotation ended this one, too
}

// inForce reads the pair in force and the slots, one of which must have it.
func (r *Rotator) inForce(ctx context.Context) (snowflake.KeyPair, Slots, error) {
	stored, err := r.Secret.Read(ctx)
	if err != nil {
		return stored, Slots{}, err
	}
	slots, err := r.Users.Fingerprints(ctx, stored.User)
	if err == nil && slots.of(stored.Fingerprint()) == 0 {
		err = overtaken(stored)
	}
	return stored, slots, err
}

func overtaken(stored snowflake.KeyPair) error {
	f := fault.Dependency("rotate the key pair", fault.SnowflakeRefused,
		fmt.Errorf("no slot of the user has the secret's key %s: another rotation or a person changed them", stored))
	f.Hint = "Run `firn keys rotate` again, once and alone."
	return f
}
