//go:build standin

package audit_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/google/go-cmp/cmp"

	"github.com/firn-data/firn/internal/journal"
	"github.com/firn-data/firn/internal/object"
	"github.com/firn-data/firn/internal/operator/audit"
	"github.com/firn-data/firn/internal/snowflake/ddl"
)

// expectedDifference is one that is expected. The texts may hold what isn't known before:
// {id} is the object's, {version} its version.
type expectedDifference struct {
	kind       audit.Kind
	object     object.Object
	one, other string
	command    string
}

func (d expectedDifference) of(w *fixture) audit.Difference {
	fill := strings.NewReplacer("{id}", string(d.object.ID()), "{version}", d.object.Version, "{newer}", string(w.newer.ID()),
		"{source}", w.contract.Source, "{since}", w.now.UTC().Format("2006-01-02 15:04:05 UTC"), "{bucket}", w.CuratedBucket, "{receipt}", w.receiptKey(d.object))
	found := audit.Difference{Dataset: w.dataset, Kind: d.kind, One: fill.Replace(d.one), Other: fill.Replace(d.other), Command: fill.Replace(d.command)}
	if d.object != (object.Object{}) {
		found.Object, found.ID = d.object.URI(), d.object.ID()
	}
	return found
}

// damagedStates are worlds in which one thing doesn't add up: each must give its own
// difference, and no other.
var damagedStates = []struct {
	name  string
	plant func(t *testing.T, w *fixture) []expectedDifference
}{
	{"no table", func(t *testing.T, w *fixture) []expectedDifference {
		_, err := w.session.Query(t.Context(), "drop", "drop table "+ddl.RejectsName(w.contract))
		failOnError(t, err)
		return []expectedDifference{{kind: audit.NoTable, one: "contract: 1.0.0", other: "Snowflake: no table", command: "firn migrate"}}
	}},
	{"no lock row", func(t *testing.T, w *fixture) []expectedDifference {
		w.sql(t, "delete from raw.shop_order_loads where object = '~lock'")
		return []expectedDifference{{kind: audit.LockRow, one: "ledger: 0 lock rows", other: "there should be: 1", command: `firn query 'select * from raw.{source}_order_loads where object in ('\''~lock'\'')'`}}
	}},
	{"an object twice", func(t *testing.T, w *fixture) []expectedDifference {
		w.record(t, w.plain, 0, 2, 1)
		return []expectedDifference{{audit.ObjectTwice, w.plain, "ledger: it is there twice", "there should be: 1", `firn query 'select * from raw.{source}_order_loads where object in ('\''{id}'\'')'`}}
	}},
	{"a key twice", func(t *testing.T, w *fixture) []expectedDifference {
		other := w.fail(t, w.received(t, w.deletedVersion(strings.TrimPrefix(w.plain.Key, w.contract.KeyPrefix))))
		w.reload(t, other)
		w.fail(t, other)
		w.record(t, other, 0, 0, 0)
		first, second := w.plain, other
		if found := w.kinds(t); len(found) > 0 && found[0].ID == w.plain.ID() { // Snowflake gives rows in no order
			first, second = other, w.plain
		}
		return []expectedDifference{{
			audit.KeyTwice, second, "ledger: this version and " + string(first.ID()), "there should be: 1",
			fmt.Sprintf(`firn query 'select * from raw.{source}_order_loads where object in ('\''%s'\'', '\''%s'\'')'`, first.ID(), second.ID()),
		}}
	}},
	{"rows read", func(t *testing.T, w *fixture) []expectedDifference {
		w.update(t, "rows_read = 4")
		return []expectedDifference{{audit.RowsRead, w.plain, "ledger: read: 4 rows", "ledger: 2 written and 1 rejected", "firn reload --object {id}"}}
	}},
	{"rows written", func(t *testing.T, w *fixture) []expectedDifference {
		w.update(t, "rows_read = 4, rows_written = 3")
		return []expectedDifference{{audit.RowsLoaded, w.plain, "ledger: written: 3 rows", "ledger: loaded: 2 rows", "firn reload --object {id}"}}
	}},
	{"rows of nobody", func(t *testing.T, w *fixture) []expectedDifference {
		w.sql(t, "insert into raw.shop_order (id, _firn_object, _firn_record) select 9, ?, 1", string(w.failed.ID()))
		return []expectedDifference{{audit.Orphans, w.failed, "table: 1 row", "ledger: nothing", `firn query 'delete from raw.{source}_order where _firn_object = '\''{id}'\'''`}}
	}},
	{"rejects of nobody", func(t *testing.T, w *fixture) []expectedDifference {
		w.sql(t, "insert into raw.shop_order_rejects (rule, _firn_object, _firn_record) select 'r', ?, 1", string(w.failed.ID()))
		return []expectedDifference{{audit.RejectOrphans, w.failed, "rejects table: 1 row", "ledger: nothing", `firn query 'delete from raw.{source}_order_rejects where _firn_object = '\''{id}'\'''`}}
	}},
	{"a row is missing", func(t *testing.T, w *fixture) []expectedDifference {
		w.sql(t, "delete from raw.shop_order where _firn_object = ? and id = 1", string(w.plain.ID()))
		return []expectedDifference{{audit.TableRows, w.plain, "ledger: 2 rows", "table: 1 row", "firn reload --object {id}"}}
	}},
	{"a row too many", func(t *testing.T, w *fixture) []expectedDifference {
		w.sql(t, "insert into raw.shop_order (id, _firn_object, _firn_record) select 9, ?, 9", string(w.again.ID()))
		return []expectedDifference{{audit.TableRows, w.again, "ledger: 2 rows", "table: 3 rows", "firn reload --object {id}"}}
	}},
	{"all rows are missing", func(t *testing.T, w *fixture) []expectedDifference {
		w.sql(t, "delete from raw.shop_order where _firn_object = ?", string(w.plain.ID()))
		return []expectedDifference{{audit.TableRows, w.plain, "ledger: 2 rows", "table: 0 rows", "firn reload --object {id}"}}
	}},
	{"a reject is missing", func(t *testing.T, w *fixture) []expectedDifference {
		w.sql(t, "delete from raw.shop_order_rejects where _firn_object = ?", string(w.plain.ID()))
		return []expectedDifference{{audit.RejectRows, w.plain, "ledger: 1 row", "rejects table: 0 rows", "firn reload --object {id}"}}
	}},
	{"nobody announced it", func(t *testing.T, w *fixture) []expectedDifference {
		o := w.putOwn(t, "it's new.csv")
		since := w.modified(t, o).UTC().Format("2006-01-02 15:04:05 UTC")
		return []expectedDifference{{audit.Unannounced, o, "bucket: version {version} since " + since, "journal: nothing", "firn sweep"}}
	}},
	{"received for too long", func(t *testing.T, w *fixture) []expectedDifference {
		o := w.received(t, w.putOwn(t, "stuck.csv"))
		return []expectedDifference{{audit.Stuck, o, "journal: received since {since}", "at most: 1h0m0s", "firn sweep"}}
	}},
	{"transformed for too long", func(t *testing.T, w *fixture) []expectedDifference {
		o := w.putOwn(t, "stuck.csv")
		w.transformed(t, o)
		return []expectedDifference{{audit.Stuck, o, "journal: transformed since {since}", "at most: 1h0m0s", "firn sweep"}}
	}},
	{"paused for too long", func(t *testing.T, w *fixture) []expectedDifference {
		o := w.putOwn(t, "stuck.csv")
		w.transformed(t, o)
		w.sql(t, "update raw.shop_order_loads set paused = true where object = '~lock'")
		return []expectedDifference{{audit.Stuck, o, "journal: transformed since {since}", "at most: 1h0m0s", "firn resume {source}.order"}}
	}},
	{"the table is behind", func(t *testing.T, w *fixture) []expectedDifference {
		o := w.putOwn(t, "stuck.csv")
		w.transformed(t, o)
		w.contract.Version = "1.1.0"
		return []expectedDifference{{audit.Stuck, o, "journal: transformed since {since}", "at most: 1h0m0s", "firn migrate"}}
	}},
	{"the journal lost it", func(t *testing.T, w *fixture) []expectedDifference {
		_, err := w.dynamo.DeleteItem(t.Context(), &dynamodb.DeleteItemInput{
			TableName: aws.String(w.journal.Name), Key: map[string]types.AttributeValue{"pk": &types.AttributeValueMemberS{Value: string(w.plain.ID())}},
		})
		failOnError(t, err)
		since := w.modified(t, w.plain).UTC().Format("2006-01-02 15:04:05 UTC")
		return []expectedDifference{
			{audit.Unannounced, w.plain, "bucket: version {version} since " + since, "journal: nothing", "firn sweep"},
			{audit.JournalLost, w.plain, "ledger: load l1, generation 0, 2 rows", "journal: nothing", "firn reload --dataset {source}.order --object {id}"},
		}
	}},
	{"the journal lost what the bucket hasn't", func(t *testing.T, w *fixture) []expectedDifference {
		o := w.deletedVersion("old.csv")
		w.record(t, o, 3, 0, 0)
		return []expectedDifference{{audit.JournalLost, o, "ledger: load l1, generation 3, 0 rows", "journal: nothing", "firn reload --dataset {source}.order --object {id}"}}
	}},
	{"the ledger lost it", func(t *testing.T, w *fixture) []expectedDifference {
		w.removeFromLedger(t, w.plain)
		return []expectedDifference{{audit.NotInLedger, w.plain, "journal: load l1, generation 0, 2 rows", "ledger: nothing", "firn reload --object {id}"}}
	}},
	{"another load", func(t *testing.T, w *fixture) []expectedDifference {
		w.update(t, "load_id = 'l9'")
		return []expectedDifference{{audit.OtherLoad, w.plain, "journal: load l1, generation 0, 2 rows", "ledger: load l9, generation 0, 2 rows", "firn reload --object {id}"}}
	}},
	{"another generation", func(t *testing.T, w *fixture) []expectedDifference {
		w.update(t, "generation = 1")
		return []expectedDifference{{audit.OtherLoad, w.plain, "journal: load l1, generation 0, 2 rows", "ledger: load l1, generation 1, 2 rows", "firn reload --object {id}"}}
	}},
	{"other rows", func(t *testing.T, w *fixture) []expectedDifference {
		w.sql(t, "delete from raw.shop_order where _firn_object = ? and id = 1", string(w.plain.ID()))
		w.update(t, "rows_read = 2, rows_written = 1, rows_loaded = 1")
		return []expectedDifference{{audit.OtherLoad, w.plain, "journal: load l1, generation 0, 2 rows", "ledger: load l1, generation 0, 1 row", "firn reload --object {id}"}}
	}},
	{"the journal is behind", func(t *testing.T, w *fixture) []expectedDifference {
		o := w.received(t, w.deletedVersion(strings.TrimPrefix(w.newer.Key, w.contract.KeyPrefix)))
		failOnError(t, w.journal.Loaded(t.Context(), o.ID(), journal.Load{LoadID: "l0", Rows: 7}))
		return []expectedDifference{{audit.JournalBehind, o, "journal: load l0, generation 0, 7 rows", "ledger: version {newer}", "firn reload --object {id}"}}
	}},
	{"nobody took its place", func(t *testing.T, w *fixture) []expectedDifference {
		o := w.received(t, w.deletedVersion("alone.csv"))
		failOnError(t, w.journal.Superseded(t.Context(), o.ID(), "somebody"))
		return []expectedDifference{{audit.NoSuccessor, o, "journal: superseded by somebody", "ledger: nothing", "firn put --key {source}/order/alone.csv FILE"}}
	}},
	{"what took its place is gone", func(t *testing.T, w *fixture) []expectedDifference {
		w.removeFromLedger(t, w.newer)
		return []expectedDifference{
			{audit.NotInLedger, w.newer, "journal: load l1, generation 2, 2 rows", "ledger: nothing", "firn reload --object {id}"},
			{audit.NoSuccessor, w.older, "journal: superseded by {newer}", "ledger: nothing", "firn reload --object {newer}"},
		}
	}},
	{"superseded, and in the ledger", func(t *testing.T, w *fixture) []expectedDifference {
		failOnError(t, w.journal.Superseded(t.Context(), w.plain.ID(), "somebody"))
		return []expectedDifference{{audit.SupersededInLedger, w.plain, "journal: superseded by somebody", "ledger: load l1, generation 0, 2 rows", `firn put --key '{source}/order/it'\''s plain.csv' FILE`}}
	}},
	{"failed, and in the ledger", func(t *testing.T, w *fixture) []expectedDifference {
		w.record(t, w.failed, 0, 0, 0)
		return []expectedDifference{{audit.FailedInLedger, w.failed, "journal: failed, generation 0", "ledger: load l1, generation 0, 0 rows", "firn redrive {id}"}}
	}},
	{"its receipt is gone", func(t *testing.T, w *fixture) []expectedDifference {
		_, err := w.s3.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: aws.String(w.CuratedBucket), Key: aws.String(w.receiptKey(w.plain))})
		failOnError(t, err)
		return []expectedDifference{{audit.ReceiptGone, w.plain, "journal: s3://{bucket}/{receipt}", "bucket: nothing", "firn reload --object {id}"}}
	}},
}

func (w *fixture) run(t *testing.T, dataset string) audit.Result {
	t.Helper()
	result, err := w.Run(t.Context(), dataset)
	failOnError(t, err)
	return result
}

func (w *fixture) kinds(t *testing.T) []audit.Difference {
	t.Helper()
	return w.run(t, w.dataset).Differences
}

// modified is when S3 got the version.
func (w *fixture) modified(t *testing.T, o object.Object) time.Time {
	t.Helper()
	head, err := w.s3.HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: aws.String(o.Bucket), Key: aws.String(o.Key), VersionId: aws.String(o.Version)})
	failOnError(t, err)
	return aws.ToTime(head.LastModified)
}

// TestAuditFindsEachDifference plants each difference into a world that adds up.
func TestAuditFindsEachDifference(t *testing.T) {
	t.Parallel()
	var seen sync.Map
	var ran atomic.Int64
	t.Run("planted", func(t *testing.T) {
		for _, test := range damagedStates {
			t.Run(test.name, func(t *testing.T) {
				t.Parallel()
				ran.Add(1)
				w := newFixture(t)
				var want []audit.Difference
				for _, d := range test.plant(t, w) {
					seen.Store(d.kind, true)
					want = append(want, d.of(w))
				}
				if diff := cmp.Diff(want, w.kinds(t)); diff != "" {
					t.Errorf("differences (-want +got):\n%s", diff)
				}
			})
		}
	})
	if int(ran.Load()) < len(damagedStates) {
		return // -run chose some of the worlds
	}
	for _, kind := range audit.Kinds() {
		if _, has := seen.Load(kind); !has {
			t.Errorf("no world has a difference %s", kind)
		}
	}
}

func TestAuditOfConsistentStateFindsNothing(t *testing.T) {
	t.Parallel()
	w := newFixtureInOwnStack(t)
	want := audit.Result{
		Differences: []audit.Difference{},
		Datasets: []audit.Summary{{
			Dataset: w.dataset, Versions: 6, Objects: 3, LedgerRows: 6, TableRows: 6, TableRejects: 3,
			Journal: map[journal.State]int{journal.Loaded: 2, journal.Superseded: 1, journal.Failed: 2, journal.Received: 1},
		}},
	}
	for _, only := range []string{w.dataset, ""} {
		if diff := cmp.Diff(want, w.run(t, only)); diff != "" {
			t.Errorf("dataset %q (-want +got):\n%s", only, diff)
		}
	}
}

// TestAuditIgnoresMovingObjects: loads go on while the audit runs, and the journal and
// the ledger aren't written at once.
func TestAuditIgnoresMovingObjects(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	for _, d := range []time.Duration{-time.Minute, time.Minute} {
		w.at(d, func() {
			w.record(t, w.deletedVersion(fmt.Sprintf("%s.csv", d)), 0, 0, 0)                 // the journal's word follows
			w.record(t, w.fail(t, w.received(t, w.deletedVersion("f"+d.String()))), 0, 0, 0) // it was redriven
			behind := w.received(t, w.deletedVersion("b"+d.String()))
			w.now = w.now.Add(-24 * time.Hour)
			failOnError(t, w.journal.Loaded(t.Context(), behind.ID(), journal.Load{LoadID: "l0"}))
			w.now = w.now.Add(24 * time.Hour)
			w.record(t, w.received(t, w.deletedVersion(strings.TrimPrefix(behind.Key, w.contract.KeyPrefix))), 0, 0, 0) // a newer version was just loaded
		})
	}
	w.at(time.Minute, func() { // after the ledger was read
		o := w.received(t, w.deletedVersion("loaded.csv"))
		failOnError(t, w.journal.Loaded(t.Context(), o.ID(), journal.Load{LoadID: "l0"}))
		o = w.received(t, w.deletedVersion("superseded.csv"))
		failOnError(t, w.journal.Superseded(t.Context(), o.ID(), "newer"))
	})
	if found := w.kinds(t); len(found) > 0 {
		t.Errorf("differences %+v", found)
	}
	// A bucket's events take seconds: what was put just now is nobody's difference.
	w.putOwn(t, "just put.csv")
	began := time.Now().Add(time.Minute)
	w.Now = func() time.Time { return began }
	if slices.ContainsFunc(w.kinds(t), func(d audit.Difference) bool { return d.Kind == audit.Unannounced }) {
		t.Errorf("differences %+v", w.kinds(t))
	}
	w.Grace = 0
	if !slices.ContainsFunc(w.kinds(t), func(d audit.Difference) bool { return d.Kind == audit.Unannounced }) {
		t.Error("without grace it isn't told either")
	}
}

// TestAuditOfKeysWithoutContract are audited with all datasets, and with none alone.
func TestAuditOfKeysWithoutContract(t *testing.T) {
	t.Parallel()
	w := newFixtureInOwnStack(t)
	o := w.put(t, "nobody/x.csv")
	if found := w.run(t, w.dataset).Differences; len(found) > 0 {
		t.Errorf("in %s: %+v", w.dataset, found)
	}
	result := w.run(t, "")
	if len(result.Differences) != 1 || result.Differences[0].Kind != audit.Unannounced || result.Differences[0].ID != o.ID() || result.Differences[0].Dataset != "" {
		t.Errorf("differences %+v", result.Differences)
	}
	// It failed before its key was claimed: the journal knows it, without a dataset.
	claimed := w.putOwn(t, "claimed late.csv")
	for _, known := range []object.Object{o, claimed} {
		if _, err := w.journal.Receive(t.Context(), known, ""); err != nil {
			t.Fatal(err)
		}
		w.fail(t, known)
	}
	for _, only := range []string{w.dataset, ""} {
		if found := w.run(t, only).Differences; len(found) > 0 {
			t.Errorf("dataset %q: %+v", only, found)
		}
	}
}
