//go:build standin

package journal_test

import (
	"context"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/google/go-cmp/cmp"

	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/journal"
	"github.com/firn-data/firn/internal/object"
	"github.com/firn-data/firn/internal/work"
)

// objectInState makes a new object, and moves the object to the state with the fewest
// methods.
func objectInState(t *testing.T, b *fixture, state journal.State) object.Object {
	t.Helper()
	ctx := t.Context()
	o := b.object(string(state)+".csv", "")
	must := func(err error) {
		if err != nil {
			t.Fatalf("reach %s: %v", state, err)
		}
	}
	if state == journal.Ignored {
		must(b.Ignore(ctx, o, "a folder"))
		return o
	}
	_, err := b.Receive(ctx, o, b.dataset)
	must(err)
	switch state {
	case journal.Transforming:
		_, _, err = b.start(ctx, o, "m1")
	case journal.Transformed:
		_, err = b.transformed(ctx, o, "first")
	case journal.Loaded:
		err = b.Loaded(ctx, o.ID(), journal.Load{LoadID: "l1", Rows: 9})
	case journal.Superseded:
		err = b.Superseded(ctx, o.ID(), "newer")
	case journal.Withdrawn:
		err = b.Withdrawn(ctx, o.ID(), journal.Withdrawal{By: "ann", Reason: "wrong file", LoadID: "l1"})
	case journal.Failed:
		_, err = b.fail(ctx, o, work.Transform, fault.BadHeader)
	case journal.Dismissed:
		_, _, err = b.Dismiss(ctx, o.ID(), journal.Dismissal{By: "ann", Reason: "not wanted"})
	case journal.Received, journal.Ignored: // the object is in the state already
	}
	must(err)
	return o
}

// methodAnswer is a method's report of success. Some methods have no such report.
type methodAnswer string

const (
	silent  methodAnswer = ""
	accepts methodAnswer = "accepted"
	refuses methodAnswer = "refused"
)

func answerOf(accepted bool) methodAnswer {
	if accepted {
		return accepts
	}
	return refuses
}

// TestEveryMethodInEveryState runs each method on an object in each state. In a state
// without an expected state, the method changes nothing.
func TestEveryMethodInEveryState(t *testing.T) {
	t.Parallel()
	to := func(target journal.State, origins ...journal.State) map[journal.State]journal.State {
		table := make(map[journal.State]journal.State)
		for _, origin := range origins {
			table[origin] = target
		}
		return table
	}
	methods := []struct {
		name string
		call func(ctx context.Context, b *fixture, o object.Object) (methodAnswer, error)
		want map[journal.State]journal.State
	}{
		{"Receive", func(ctx context.Context, b *fixture, o object.Object) (methodAnswer, error) {
			_, err := b.Receive(ctx, o, b.dataset)
			return silent, err
		}, nil},
		{"Ignore", func(ctx context.Context, b *fixture, o object.Object) (methodAnswer, error) {
			return silent, b.Ignore(ctx, o, "another reason")
		}, nil},
		{"Start by the owner", func(ctx context.Context, b *fixture, o object.Object) (methodAnswer, error) {
			_, ok, err := b.start(ctx, o, "m1")
			return answerOf(ok), err
		}, to(journal.Transforming, journal.Received, journal.Transforming)},
		{"Start by another", func(ctx context.Context, b *fixture, o object.Object) (methodAnswer, error) {
			_, ok, err := b.start(ctx, o, "m2")
			return answerOf(ok), err
		}, to(journal.Transforming, journal.Received)},
		{"Release by the owner", func(ctx context.Context, b *fixture, o object.Object) (methodAnswer, error) {
			return silent, b.Release(ctx, o.ID(), "m1")
		}, to(journal.Received, journal.Transforming)},
		{"Release by another", func(ctx context.Context, b *fixture, o object.Object) (methodAnswer, error) {
			return silent, b.Release(ctx, o.ID(), "m2")
		}, nil},
		{"Transformed", func(ctx context.Context, b *fixture, o object.Object) (methodAnswer, error) {
			_, err := b.transformed(ctx, o, "second")
			return silent, err
		}, to(journal.Transformed, journal.Received, journal.Transforming, journal.Failed)},
		{"Loaded", func(ctx context.Context, b *fixture, o object.Object) (methodAnswer, error) {
			return silent, b.Loaded(ctx, o.ID(), journal.Load{LoadID: "l2", QueryID: "q2", Rows: 9})
		}, to(journal.Loaded, journal.Received, journal.Transforming, journal.Transformed, journal.Failed, journal.Dismissed)},
		{"Superseded", func(ctx context.Context, b *fixture, o object.Object) (methodAnswer, error) {
			return silent, b.Superseded(ctx, o.ID(), "another")
		}, to(journal.Superseded, journal.Received, journal.Transforming, journal.Transformed, journal.Failed, journal.Dismissed, journal.Loaded)},
		{"Withdrawn", func(ctx context.Context, b *fixture, o object.Object) (methodAnswer, error) {
			return silent, b.Withdrawn(ctx, o.ID(), journal.Withdrawal{By: "bob", Reason: "another reason", LoadID: "l2"})
		}, to(journal.Withdrawn, journal.Received, journal.Transforming, journal.Transformed, journal.Failed, journal.Dismissed, journal.Loaded, journal.Superseded)},
		{"Fail", func(ctx context.Context, b *fixture, o object.Object) (methodAnswer, error) {
			recorded, err := b.fail(ctx, o, work.Load, fault.CopyRefused)
			return answerOf(recorded), err
		}, to(journal.Failed, journal.Received, journal.Transforming, journal.Transformed, journal.Failed)},
		{"Reload", func(ctx context.Context, b *fixture, o object.Object) (methodAnswer, error) {
			reload, err := b.Reload(ctx, o.ID())
			return answerOf(reload.Refused == ""), err
		}, to(journal.Received, journal.Loaded, journal.Failed, journal.Dismissed)},
		{"Dismiss", func(ctx context.Context, b *fixture, o object.Object) (methodAnswer, error) {
			_, dismissed, err := b.Dismiss(ctx, o.ID(), journal.Dismissal{By: "bob", Reason: "another reason"})
			return answerOf(dismissed), err
		}, to(journal.Dismissed, journal.Received, journal.Transforming, journal.Transformed, journal.Failed)},
		{"Redrive", func(ctx context.Context, b *fixture, o object.Object) (methodAnswer, error) {
			redrive, err := b.Redrive(ctx, o.ID())
			return answerOf(redrive.Body != ""), err
		}, to(journal.Received, journal.Failed, journal.Dismissed)},
	}
	for _, method := range methods {
		for _, state := range states {
			t.Run(method.name+"/"+string(state), func(t *testing.T) {
				t.Parallel()
				b := newFixture(t)
				o := objectInState(t, b, state)
				before := b.get(t, o)
				b.advance(1e9)
				answer, err := method.call(t.Context(), b, o)
				if err != nil {
					t.Fatalf("%s: %v", method.name, err)
				}
				after := b.get(t, o)
				want, moves := method.want[state]
				if answer != silent && answer != answerOf(moves) {
					t.Errorf("%s: %s, want %s", method.name, answer, answerOf(moves))
				}
				if !moves {
					if diff := cmp.Diff(before, after); diff != "" {
						t.Errorf("the entry changed (-before +after):\n%s", diff)
					}
					return
				}
				if after.State != want || !after.Times[want].Equal(b.clock()) {
					t.Errorf("state %s since %s, want %s since now", after.State, after.Times[after.State], want)
				}
				checkIndexes(t, b, after)
			})
		}
	}
}

// checkIndexes compares an entry's index attributes with the entry's state. With a
// wrong attribute, a query misses the object, or returns the object after its end.
func checkIndexes(t *testing.T, b *fixture, e journal.Entry) {
	t.Helper()
	output, err := b.client.GetItem(t.Context(), &dynamodb.GetItemInput{
		TableName: aws.String(tableName), ConsistentRead: aws.Bool(true),
		Key: map[string]types.AttributeValue{"pk": &types.AttributeValueMemberS{Value: string(e.ID)}},
	})
	if err != nil {
		t.Fatal(err)
	}
	shard := string(e.State) + "#" + string(e.ID)[:1]
	want := map[journal.State][2]string{
		journal.Received:     {shard, ""},
		journal.Transforming: {shard, ""},
		journal.Transformed:  {shard, "waiting#" + e.Dataset},
		journal.Failed:       {"", "failed#" + e.Dataset},
	}[e.State]
	if e.Unsent && e.Dataset == "" {
		want[1] = "unsent#-"
	} else if e.Unsent {
		want[1] = "unsent#" + e.Dataset
	}
	for i, index := range []string{"stuck", "work"} {
		partition, _ := output.Item[index+"_pk"].(*types.AttributeValueMemberS)
		switch {
		case partition == nil && want[i] == "":
		case partition == nil || partition.Value != want[i]:
			t.Errorf("index %s: %+v, want %q", index, partition, want[i])
		}
		if _, sorted := output.Item[index+"_sk"]; sorted != (want[i] != "") {
			t.Errorf("index %s: has a sort key: %t", index, sorted)
		}
	}
}

func TestEntryRecordsEveryStep(t *testing.T) {
	t.Parallel()
	b, ctx := newFixture(t), t.Context()
	o := b.receivedObject(t)
	receivedAt := b.clock()
	b.advance(1e9)
	if _, _, err := b.start(ctx, o, "m1"); err != nil {
		t.Fatal(err)
	}
	startedAt := b.clock()
	b.advance(1e9)
	if _, err := b.transformed(ctx, o, "first"); err != nil {
		t.Fatal(err)
	}
	transformedAt := b.clock()
	b.advance(1e9)
	if err := b.Loaded(ctx, o.ID(), journal.Load{LoadID: "l1", QueryID: "q1", Rows: 9, DuplicateOf: "another object"}); err != nil {
		t.Fatal(err)
	}
	_, at := b.receipt(o, "first")
	want := journal.Entry{
		ID: o.ID(), Object: o, Dataset: b.dataset, State: journal.Loaded, Attempts: 1, Receipt: &at, Engine: "lambda",
		RowsRead: 10, RowsWritten: 9, RowsRejected: 1, RowsLoaded: 9, LoadID: "l1", QueryID: "q1",
		DuplicateOf: "another object", Progressed: b.clock(),
	}
	got := b.get(t, o)
	for state, when := range map[journal.State]any{
		journal.Received: receivedAt, journal.Transforming: startedAt, journal.Transformed: transformedAt, journal.Loaded: b.clock(),
	} {
		if got.Times[state] != when {
			t.Errorf("%s at %s, want %s", state, got.Times[state], when)
		}
	}
	got.Times = nil
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("entry (-want +got):\n%s", diff)
	}
}

func TestFailRecordsFault(t *testing.T) {
	t.Parallel()
	b, ctx := newFixture(t), t.Context()
	o := b.receivedObject(t)
	f := fault.Permanentf("copy", fault.CopyRefused, "no column a")
	f.ObjectID, f.Dataset, f.QueryID = string(o.ID()), b.dataset, "q1"
	if recorded, err := b.Fail(ctx, f, "load", "arn:load", "body"); err != nil || !recorded {
		t.Fatalf("Fail = %t, %v", recorded, err)
	}
	got := b.get(t, o)
	got.Times = nil
	want := journal.Entry{
		ID: o.ID(), Object: o, Dataset: b.dataset, State: journal.Failed, Stage: "load", Code: "copy_refused",
		Cause: "no column a", Hint: fault.CopyRefused.Hint(), QueryID: "q1", Message: "body", Queue: "arn:load",
		Progressed: b.clock(),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("entry (-want +got):\n%s", diff)
	}
	// A second failure replaces the first completely. An old query id would lead people
	// to the wrong statement.
	f.QueryID = ""
	if _, err := b.Fail(ctx, f, "load", "arn:load", "body"); err != nil {
		t.Fatal(err)
	}
	if got := b.get(t, o); got.QueryID != "" {
		t.Errorf("after the second failure the entry has the first query id %q", got.QueryID)
	}
}

// TestFailOfUnknownObjectIsReported: without an entry the dead letter is the only
// report.
func TestFailOfUnknownObjectIsReported(t *testing.T) {
	t.Parallel()
	b := newFixture(t)
	for _, dataset := range []string{"", b.dataset} {
		f := fault.Permanentf("test", fault.Crashed, "killed")
		f.ObjectID, f.Dataset = string(b.object("unknown.csv", "").ID()), dataset
		if recorded, err := b.Fail(t.Context(), f, "transform", "arn", "body"); err != nil || !recorded {
			t.Errorf("dataset %q: Fail = %t, %v; want true", dataset, recorded, err)
		}
		if _, err := b.Get(t.Context(), object.ID(f.ObjectID)); err == nil {
			t.Error("Fail made an entry for an unknown object")
		}
	}
}

// TestWithdrawnObjectIsDoneInEveryGeneration: an object may be withdrawn during a reload.
// No message of the reload may bring back the rows.
func TestWithdrawnObjectIsDoneInEveryGeneration(t *testing.T) {
	t.Parallel()
	b, ctx := newFixture(t), t.Context()
	o := objectInState(t, b, journal.Loaded)
	b.reload(t, o)
	if err := b.Withdrawn(ctx, o.ID(), journal.Withdrawal{By: "ann", Reason: "wrong file", LoadID: "w1"}); err != nil {
		t.Fatal(err)
	}
	if err := b.Loaded(ctx, o.ID(), journal.Load{LoadID: "l2", Generation: 2, Rows: 9}); err != nil {
		t.Fatal(err)
	}
	got := b.get(t, o)
	if got.State != journal.Withdrawn || got.WithdrawnBy != "ann" || got.Reason != "wrong file" || got.LoadID != "w1" || got.RowsLoaded != 0 {
		t.Errorf("entry %+v", got)
	}
	for generation := range 3 {
		if !got.Done(generation) {
			t.Errorf("generation %d isn't done", generation)
		}
	}
	if got.KeepsEarlierRows() {
		t.Error("the entry of a withdrawn object keeps earlier rows")
	}
}

// TestLoadedOfEarlierGenerationIsIgnored: a load of generation 0 doesn't change an
// entry of generation 1.
func TestLoadedOfEarlierGenerationIsIgnored(t *testing.T) {
	t.Parallel()
	b := newFixture(t)
	o := b.receivedObject(t)
	if _, err := b.transformed(t.Context(), o, "again"); err != nil {
		t.Fatal(err)
	}
	_, err := b.client.Client.UpdateItem(t.Context(), &dynamodb.UpdateItemInput{
		TableName: aws.String(tableName), Key: map[string]types.AttributeValue{"pk": &types.AttributeValueMemberS{Value: string(o.ID())}},
		UpdateExpression:          aws.String("SET generation = :one"),
		ExpressionAttributeValues: map[string]types.AttributeValue{":one": &types.AttributeValueMemberN{Value: "1"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	for generation, want := range []journal.State{journal.Transformed, journal.Loaded} {
		if err := b.Loaded(t.Context(), o.ID(), journal.Load{LoadID: "l", Generation: generation}); err != nil {
			t.Fatal(err)
		}
		if got := b.get(t, o); got.State != want || got.Generation != 1 {
			t.Errorf("after generation %d: %s of generation %d, want %s of 1", generation, got.State, got.Generation, want)
		}
	}
}
