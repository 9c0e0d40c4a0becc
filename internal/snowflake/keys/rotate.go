package keys

import (
	"context"
	"errors"
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
	// User is the load function's user in Snowflake.
	User string
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
	at, err := r.readState(ctx)
	return Status{
		User: r.User, Slot: at.used, Fingerprint: at.now.pair.Fingerprint(), Created: at.now.pair.Created,
		Slots: at.slots, Unfinished: at.next.id != "",
	}, err
}

// Rotate puts a new pair in place of the one in force, or finishes a rotation
// that did. When it returns without an error, the user has one key, and the
// secret holds it. At any time before, the pair in the secret logs in, unless
// it didn't at the start.
func (r *Rotator) Rotate(ctx context.Context) (Status, error) {
	at, err := r.begin(ctx)
	if err != nil {
		return Status{}, err
	}
	if at.next.id != at.now.id || at.used == 0 {
		if err := r.replace(ctx, at.now, at.next); err != nil {
			return Status{}, err
		}
	}
	if err := r.retire(ctx); err != nil {
		return Status{}, err
	}
	if err := r.verify(ctx, at.next); err != nil {
		return Status{}, err
	}
	return r.Status(ctx)
}

// rotationState is where a rotation stands.
type rotationState struct {
	// now is in force, next pending.
	now, next version
	slots     Slots
	// used is the slot of the pair in force; 0 if none has it.
	used int
}

func (r *Rotator) readState(ctx context.Context) (rotationState, error) {
	var at rotationState
	var err error
	if at.next, err = r.Secret.labelled(ctx, pending); err != nil {
		return at, err
	}
	if at.now, err = r.Secret.labelled(ctx, current); err != nil {
		return at, err
	}
	if at.slots, err = r.Users.Fingerprints(ctx, r.User); err != nil {
		return at, err
	}
	at.used = at.slots.of(at.now.pair.Fingerprint())
	return at, nil
}

// canGoOn reports whether the pending pair can be put in force, or is.
func (at rotationState) canGoOn() bool {
	return at.next.id != "" && at.next.err == nil && (at.next.pair.Slot != at.used || at.next.id == at.now.id)
}

// freeSlot is the slot that isn't in use, and an empty one if there is a
// choice.
func (at rotationState) freeSlot() int {
	if at.used == 1 || at.used == 0 && at.slots[0] != "" && at.slots[1] == "" {
		return 2
	}
	return 1
}

// begin returns with a pending pair: one that an interrupted rotation left, or
// a new one. While one is pending, no other rotation begins, so the slots are
// looked at again once it is: another one may have ended just before.
func (r *Rotator) begin(ctx context.Context) (rotationState, error) {
	const looks = 5 // what stands in the way is cleared, a pair is made, another rotation was faster and has ended
	for range looks {
		at, err := r.readState(ctx)
		if err != nil || at.canGoOn() {
			return at, err
		}
		if at.next.id != "" { // unreadable, or for the slot that is in use by now
			if err := r.Secret.move(ctx, pending, at.next.id, ""); err != nil {
				return at, err
			}
		}
		pair, err := snowflake.NewKeyPair(r.User, at.freeSlot(), r.Now())
		if err != nil {
			return at, err
		}
		if err := r.Secret.propose(ctx, pair); err != nil {
			return at, err
		}
	}
	return rotationState{}, r.overtaken()
}

// replace puts the pending pair's public key into its slot, proves that it
// logs in, puts it in force, and proves it as it is stored.
func (r *Rotator) replace(ctx context.Context, now, next version) error {
	if err := r.Users.SetKey(ctx, r.User, next.pair.Slot, next.pair.PublicKey()); err != nil {
		return err
	}
	if err := r.LogIn(ctx, next.pair); err != nil {
		return err
	}
	if now.id != next.id {
		if err := r.makeCurrent(ctx, now, next); err != nil {
			return err
		}
	}
	stored, err := r.Secret.Read(ctx)
	if err != nil {
		return err
	}
	return r.LogIn(ctx, stored)
}

// makeCurrent makes a version the current one, unless another rotation made
// this or a later one.
func (r *Rotator) makeCurrent(ctx context.Context, now, next version) error {
	moveErr := r.Secret.move(ctx, current, now.id, next.id)
	if moveErr == nil {
		return nil
	}
	if stored, err := r.Secret.labelled(ctx, current); err != nil || stored.id == now.id {
		return moveErr
	}
	return nil
}

// retire empties the slot that the pair in force isn't in. What is in force is
// looked at right before, so that no key is taken away that another rotation
// put there.
func (r *Rotator) retire(ctx context.Context) error {
	at, err := r.readState(ctx)
	if err != nil {
		return err
	}
	if at.used == 0 {
		return r.overtaken()
	}
	if other := 3 - at.used; at.slots[other-1] != "" {
		return r.Users.EmptySlot(ctx, r.User, other)
	}
	return nil
}

// verify ends the rotation. It looks once more whether the pair in force has
// its slot: if two rotations run, and one ends while a third begins, the other
// can empty the third one's slot.
func (r *Rotator) verify(ctx context.Context, done version) error {
	at, err := r.readState(ctx)
	if err != nil {
		return err
	}
	if at.used == 0 {
		return r.overtaken()
	}
	if at.next.id != done.id { // another rotation ended this one, too
		return nil
	}
	if err := r.Secret.move(ctx, pending, done.id, ""); !isLabelMoved(err) {
		return err
	}
	return nil
}

func (r *Rotator) overtaken() error {
	f := fault.Dependency("rotate the key pair", fault.SnowflakeRefused,
		errors.New("no slot has the secret's key: another rotation or a person changed the user meanwhile"))
	f.Subject = r.User
	f.Hint = "Run `firn keys rotate` again, once and alone."
	return f
}
