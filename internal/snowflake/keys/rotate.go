package keys

import (
	"context"
	"errors"
	"time"

	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/snowflake"
)

// LoaderUser is the Snowflake user of the load function. The scripts in snowflake/
// create the user.
const LoaderUser = "FIRN_LOADER"

// Users reads and changes the keys of a Snowflake user.
type Users interface {
	// Fingerprints returns the fingerprints of the keys in the user's slots 1 and 2. An
	// empty text is an empty slot.
	Fingerprints(ctx context.Context, user string) (Slots, error)
	// SetKey puts a public key into a slot, which is 1 or 2.
	SetKey(ctx context.Context, user string, slot int, publicKey string) error
	// EmptySlot removes the key from a slot, which is 1 or 2.
	EmptySlot(ctx context.Context, user string, slot int) error
}

// Slots are the fingerprints in slots 1 and 2.
type Slots [2]string

// slotWith returns the slot with the fingerprint, 1 or 2; 0 if no slot has the fingerprint.
func (s Slots) slotWith(fingerprint string) int {
	for i, inSlot := range s {
		if inSlot != "" && inSlot == fingerprint {
			return i + 1
		}
	}
	return 0
}

// Rotator replaces the key pair of the load function's user. Each step can be repeated
// and reads its input from Snowflake or from the secret, never only from memory. So the
// next rotation finishes an interrupted rotation, and two concurrent rotations work on
// the same pair.
type Rotator struct {
	Secret Secret
	Users  Users
	// User is the load function's user in Snowflake.
	User string
	// LogIn tests a pair: LogIn opens a session with the pair and closes the session.
	LogIn func(context.Context, snowflake.KeyPair) error
	Now   func() time.Time
}

// Status is the state of the login.
type Status struct {
	User string `json:"user"`
	// Slot is the slot with the secret's key, 1 or 2; 0 if neither slot has the key.
	Slot int `json:"slot"`
	// Fingerprint is the fingerprint of the secret's key; empty if the secret has no
	// key pair.
	Fingerprint string `json:"fingerprint"`
	// Created is the creation time of the secret's key; the zero time if the secret has
	// no key pair.
	Created time.Time `json:"created,omitzero"`
	// Slots are the fingerprints in the user's slots 1 and 2.
	Slots Slots `json:"slots"`
	// Unfinished reports whether a rotation is running or was interrupted.
	Unfinished bool `json:"unfinished"`
}

// Status reads the state of the login.
func (r *Rotator) Status(ctx context.Context) (Status, error) {
	state, err := r.readState(ctx)
	return Status{
		User: r.User, Slot: state.usedSlot, Fingerprint: state.current.pair.Fingerprint(), Created: state.current.pair.Created,
		Slots: state.slots, Unfinished: state.pending.id != "",
	}, err
}

// Rotate replaces the current pair by a new pair, or finishes an interrupted rotation.
// After a return without an error, the user has one key, and the secret has the same
// key. If the secret's pair logs in before the rotation, the secret's pair logs in at
// any time during the rotation.
func (r *Rotator) Rotate(ctx context.Context) (Status, error) {
	state, err := r.begin(ctx)
	if err != nil {
		return Status{}, err
	}
	if state.pending.id != state.current.id || state.usedSlot == 0 {
		if err := r.replace(ctx, state.current, state.pending); err != nil {
			return Status{}, err
		}
	}
	if err := r.emptyOtherSlot(ctx); err != nil {
		return Status{}, err
	}
	if err := r.verify(ctx, state.pending); err != nil {
		return Status{}, err
	}
	return r.Status(ctx)
}

// rotationState is the state of a rotation.
type rotationState struct {
	// current is the current version, and pending the pending version.
	current, pending version
	slots            Slots
	// usedSlot is the slot of the current pair; 0 if neither slot has the key.
	usedSlot int
}

func (r *Rotator) readState(ctx context.Context) (rotationState, error) {
	var state rotationState
	var err error
	if state.pending, err = r.Secret.versionWithLabel(ctx, pendingLabel); err != nil {
		return state, err
	}
	if state.current, err = r.Secret.versionWithLabel(ctx, currentLabel); err != nil {
		return state, err
	}
	if state.slots, err = r.Users.Fingerprints(ctx, r.User); err != nil {
		return state, err
	}
	state.usedSlot = state.slots.slotWith(state.current.pair.Fingerprint())
	return state, nil
}

// hasUsablePending reports whether the pending pair can become current or is current.
func (state rotationState) hasUsablePending() bool {
	return state.pending.id != "" && state.pending.err == nil && (state.pending.pair.Slot != state.usedSlot || state.pending.id == state.current.id)
}

// freeSlot returns the slot without the current pair. If both slots qualify, freeSlot
// returns an empty slot.
func (state rotationState) freeSlot() int {
	if state.usedSlot == 1 || state.usedSlot == 0 && state.slots[0] != "" && state.slots[1] == "" {
		return 2
	}
	return 1
}

// begin returns a state with a pending pair: the pair of an interrupted rotation, or a
// new pair. During a pending pair, no other rotation begins. So begin reads the slots
// again after the proposal: another rotation may have ended just before.
func (r *Rotator) begin(ctx context.Context) (rotationState, error) {
	const maxReads = 5 // enough to remove an unusable pair, make a pair, and find another rotation that began and ended meanwhile
	for range maxReads {
		state, err := r.readState(ctx)
		if err != nil || state.hasUsablePending() {
			return state, err
		}
		if state.pending.id != "" { // unreadable, or for the slot of the current pair
			if err := r.Secret.move(ctx, pendingLabel, state.pending.id, ""); err != nil {
				return state, err
			}
		}
		pair, err := snowflake.NewKeyPair(r.User, state.freeSlot(), r.Now())
		if err != nil {
			return state, err
		}
		if err := r.Secret.propose(ctx, pair); err != nil {
			return state, err
		}
	}
	return rotationState{}, r.overtakenFault()
}

// replace puts the pending pair's public key into the slot, tests the pair by a login,
// and makes the pair current. Then replace tests the stored pair by a login.
func (r *Rotator) replace(ctx context.Context, current, pending version) error {
	if err := r.Users.SetKey(ctx, r.User, pending.pair.Slot, pending.pair.PublicKey()); err != nil {
		return err
	}
	if err := r.LogIn(ctx, pending.pair); err != nil {
		return err
	}
	if current.id != pending.id {
		if err := r.makeCurrent(ctx, current, pending); err != nil {
			return err
		}
	}
	stored, err := r.Secret.Read(ctx)
	if err != nil {
		return err
	}
	return r.LogIn(ctx, stored)
}

// makeCurrent makes a version the current version. There is no error if another
// rotation made the same or a later version current.
func (r *Rotator) makeCurrent(ctx context.Context, current, pending version) error {
	moveErr := r.Secret.move(ctx, currentLabel, current.id, pending.id)
	if moveErr == nil {
		return nil
	}
	if stored, err := r.Secret.versionWithLabel(ctx, currentLabel); err != nil || stored.id == current.id {
		return moveErr
	}
	return nil
}

// emptyOtherSlot empties the slot without the current pair. emptyOtherSlot reads the
// state first, to keep another rotation's new key.
func (r *Rotator) emptyOtherSlot(ctx context.Context) error {
	state, err := r.readState(ctx)
	if err != nil {
		return err
	}
	if state.usedSlot == 0 {
		return r.overtakenFault()
	}
	if other := 3 - state.usedSlot; state.slots[other-1] != "" {
		return r.Users.EmptySlot(ctx, r.User, other)
	}
	return nil
}

// verify ends the rotation. First, verify checks again that a slot has the current
// pair. Of two concurrent rotations, one can end while a third rotation begins. The
// other can then empty the third rotation's slot.
func (r *Rotator) verify(ctx context.Context, done version) error {
	state, err := r.readState(ctx)
	if err != nil {
		return err
	}
	if state.usedSlot == 0 {
		return r.overtakenFault()
	}
	if state.pending.id != done.id { // another rotation already ended this rotation
		return nil
	}
	if err := r.Secret.move(ctx, pendingLabel, done.id, ""); !isLabelMoved(err) {
		return err
	}
	return nil
}

func (r *Rotator) overtakenFault() error {
	f := fault.Dependency("rotate the key pair", fault.SnowflakeRefused,
		errors.New("no slot has the secret's key: another rotation or a person changed the user during this rotation"))
	f.Subject = r.User
	f.Hint = "Run `firn keys rotate` again, without another rotation at the same time."
	return f
}
