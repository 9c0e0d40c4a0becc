//go:build standin

package journal_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/journal"
	"github.com/firn-data/firn/internal/object"
	"github.com/firn-data/firn/internal/work"
)

// version returns a received version of one key.
func (b *fixture) version(t *testing.T, sequencer string) object.Object {
	t.Helper()
	o := b.object("twice.csv", sequencer)
	if _, err := b.Receive(t.Context(), o, b.dataset); err != nil {
		t.Fatal(err)
	}
	return o
}

func (b *fixture) load(t *testing.T, o object.Object) {
	t.Helper()
	if err := b.Loaded(t.Context(), o.ID(), journal.Load{LoadID: "l1"}); err != nil {
		t.Fatal(err)
	}
}

// TestFailureOfOlderVersionIsSuperseded: a newer version is in the table, so nothing is
// missing. A version without an order of its own still fails.
func TestFailureOfOlderVersionIsSuperseded(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, older, newer string
		loaded             bool
		want               journal.State
	}{
		{"newer version loaded", "1", "2", true, journal.Superseded},
		{"newer version not loaded", "1", "2", false, journal.Failed},
		{"older version loaded", "2", "1", true, journal.Failed},
		{"no sequencer", "", "2", true, journal.Failed},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			b := newFixture(t)
			newer := b.version(t, test.newer)
			if test.loaded {
				b.load(t, newer)
			}
			o := b.version(t, test.older)
			recorded, err := b.fail(t.Context(), o, work.Transform, fault.BadHeader)
			if err != nil || recorded != (test.want == journal.Failed) {
				t.Errorf("Fail = %t, %v", recorded, err)
			}
			if got := b.get(t, o); got.State != test.want || test.want == journal.Superseded && got.SupersededBy != newer.ID() {
				t.Errorf("the older version is %s by %s, want %s", got.State, got.SupersededBy, test.want)
			}
		})
	}
}

// TestNewestOfLostEntry: the journal lost the item of the key, and then a version failed.
func TestNewestOfLostEntry(t *testing.T) {
	t.Parallel()
	b, ctx := newFixture(t), t.Context()
	o := b.version(t, "1")
	_, err := b.client.DeleteItem(ctx, &dynamodb.DeleteItemInput{
		TableName: aws.String(tableName), Key: map[string]types.AttributeValue{"pk": &types.AttributeValueMemberS{Value: "key#" + object.KeyID(o.Bucket, o.Key)}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if recorded, err := b.fail(ctx, o, work.Transform, fault.BadHeader); err != nil || !recorded {
		t.Errorf("Fail = %t, %v", recorded, err)
	}
	if _, err := b.Newest(ctx, o.Bucket, o.Key); !errors.Is(err, journal.ErrNotFound) {
		t.Errorf("Newest: %v", err)
	}
	if failed, err := b.FailedVersions(ctx, o.Bucket, o.Key); err != nil || len(failed) != 1 {
		t.Errorf("%d failed versions, %v", len(failed), err)
	}
}

// TestFailedVersionsOfKey: the item of a key has the failed versions until another state
// ends the failure.
func TestFailedVersionsOfKey(t *testing.T) {
	t.Parallel()
	b, ctx := newFixture(t), t.Context()
	failed := func() []object.ID {
		entries, err := b.FailedVersions(ctx, bucket, b.dataset+"/twice.csv")
		if err != nil {
			t.Fatal(err)
		}
		ids := idsOf(entries)
		slices.Sort(ids)
		return ids
	}
	if got := failed(); len(got) > 0 {
		t.Errorf("an unknown key has the failed versions %v", got)
	}
	one, two, three := b.version(t, "1"), b.version(t, "2"), b.version(t, "3")
	if got := failed(); len(got) > 0 {
		t.Errorf("without a failure: %v", got)
	}
	for _, o := range []object.Object{one, two, three, three} {
		if _, err := b.fail(ctx, o, work.Transform, fault.BadHeader); err != nil {
			t.Fatal(err)
		}
	}
	want := []object.ID{one.ID(), two.ID(), three.ID()}
	slices.Sort(want)
	if got := failed(); !slices.Equal(got, want) {
		t.Errorf("failed versions %v, want %v", got, want)
	}
	if err := b.Superseded(ctx, one.ID(), three.ID()); err != nil {
		t.Fatal(err)
	}
	b.redrive(t, two)
	for range 2 { // the first call forgets the superseded version
		if got := failed(); !slices.Equal(got, []object.ID{three.ID()}) {
			t.Errorf("failed versions %v, want only %s", got, three.ID())
		}
	}
	if _, err := b.fail(ctx, two, work.Transform, fault.BadHeader); err != nil {
		t.Fatal(err)
	}
	if got := failed(); len(got) != 2 {
		t.Errorf("after a second failure: %v", got)
	}
}
