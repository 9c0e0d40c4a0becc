//go:build standin

package journal_test

import (
	"strconv"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/google/go-cmp/cmp"

	"github.com/firn-data/firn/internal/fault"
)

// attributes returns an item's texts and numbers under the names in the table. The DAGs
// in airflow/dags read these names.
func (b *fixture) attributes(t testing.TB, pk string) map[string]string {
	t.Helper()
	output, err := b.client.GetItem(t.Context(), &dynamodb.GetItemInput{
		TableName: aws.String(tableName), ConsistentRead: aws.Bool(true),
		Key: map[string]types.AttributeValue{"pk": &types.AttributeValueMemberS{Value: pk}},
	})
	if err != nil {
		t.Fatal(err)
	}
	found := make(map[string]string)
	for name, value := range output.Item {
		switch v := value.(type) {
		case *types.AttributeValueMemberS:
			found[name] = v.Value
		case *types.AttributeValueMemberN:
			found[name] = v.Value
		}
	}
	return found
}

func TestFailRunKeepsCheckpoint(t *testing.T) {
	t.Parallel()
	b, ctx := newFixture(t), t.Context()
	run := b.dataset + "/r1"
	f := fault.Permanentf("ask source", fault.SourceRefused, "%s", strings.Repeat("no ", 4000))
	f.Dataset, f.RunID = b.dataset, "r1"
	fail := func() map[string]string {
		t.Helper()
		if recorded, err := b.Fail(t.Context(), f, "ingest", "arn", "body"); !recorded || err != nil {
			t.Fatalf("Fail = %t, %v", recorded, err)
		}
		return b.attributes(t, "run#"+run)
	}
	var saved struct{ N int }
	failed := fail()
	if len(failed["cause"]) != 4<<10 {
		t.Errorf("the cause has %d bytes, want 4096", len(failed["cause"]))
	}
	delete(failed, "cause")
	want := map[string]string{
		"pk": "run#" + run, "failed_at": "2026-03-01T12:00:00.123456Z", "stage": "ingest",
		"code": "source_refused", "hint": fault.SourceRefused.Hint(),
	}
	if diff := cmp.Diff(want, failed); diff != "" {
		t.Errorf("before the first page (-want +got):\n%s", diff)
	}
	if found, err := b.Checkpoint(ctx, run, &saved); found || err != nil {
		t.Errorf("checkpoint = %t, %v; want none", found, err)
	}
	if err := b.SaveCheckpoint(ctx, run, struct{ N int }{7}); err != nil {
		t.Fatal(err)
	}
	if at := b.attributes(t, "run#"+run)["failed_at"]; at != "" {
		t.Errorf("after a new checkpoint the run has failed_at %s", at)
	}
	if code := fail()["code"]; code != "source_refused" {
		t.Errorf("after a page the run has code %q", code)
	}
	if found, err := b.Checkpoint(ctx, run, &saved); !found || err != nil || saved.N != 7 {
		t.Errorf("checkpoint = %+v, %t, %v; want page 7", saved, found, err)
	}
}

// TestFailedRunKeepsConcurrentCheckpoint saves a page between the read of the
// checkpoint and the write of the fault. The page isn't lost.
func TestFailedRunKeepsConcurrentCheckpoint(t *testing.T) {
	t.Parallel()
	for _, first := range []int{0, 1} { // the number of pages before
		b, ctx := newFixture(t), t.Context()
		run := b.dataset + "/r1"
		save := func(page int) {
			if err := b.SaveCheckpoint(ctx, run, struct{ N int }{page}); err != nil {
				t.Error(err)
			}
		}
		if first > 0 {
			save(first)
		}
		b.client.before = func() { save(first + 1) }
		f := fault.Permanentf("ask source", fault.SourceRefused, "no")
		f.Dataset, f.RunID = b.dataset, "r1"
		if _, err := b.Fail(ctx, f, "ingest", "arn", "body"); err != nil {
			t.Fatal(err)
		}
		var saved struct{ N int }
		if found, err := b.Checkpoint(ctx, run, &saved); !found || err != nil || saved.N != first+1 {
			t.Errorf("checkpoint = %+v, %t, %v; want page %d", saved, found, err, first+1)
		}
		if code := b.attributes(t, "run#"+run)["code"]; code != "source_refused" {
			t.Errorf("the run has code %q", code)
		}
	}
}

// The journal doesn't record Glue runs.
func TestFailedGlueRunIsNotRecorded(t *testing.T) {
	t.Parallel()
	b := newFixture(t)
	f := fault.Permanentf("end run", fault.GlueFailed, "stopped")
	f.Dataset, f.RunID = b.dataset, "jr_1"
	if recorded, err := b.Fail(t.Context(), f, "transform", "arn", "body"); !recorded || err != nil {
		t.Errorf("Fail = %t, %v", recorded, err)
	}
	if item := b.attributes(t, "run#"+b.dataset+"/jr_1"); len(item) > 0 {
		t.Errorf("the Glue run is recorded: %v", item)
	}
}

func TestCountLoad(t *testing.T) { //nolint:paralleltest // one count for the whole table
	b := newFixture(t)
	count := func() int {
		n, _ := strconv.Atoi(b.attributes(t, "loads")["loads"]) // a missing count is 0
		return n
	}
	before := count()
	for range 2 {
		if err := b.CountLoad(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if after := count(); after < before+2 { // a request that the SDK repeats counts twice
		t.Errorf("two loads move the count from %d to %d", before, after)
	}
}
