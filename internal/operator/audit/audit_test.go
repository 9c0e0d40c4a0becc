//go:build standin

package audit_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
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

// expectedDifference is an expected difference. Its texts may have placeholders: {id}
// is the object's id and {version} its version. Function of fills in all placeholders.
type expectedDifference struct {
	kind       audit.Kind
	object     object.Object
	one, other string
	command    string
}

func (d expectedDifference) of(f *fixture) audit.Difference {
	fill := strings.NewReplacer("{id}", string(d.object.ID()), "{version}", d.object.Version, "{newer}", string(f.newer.ID()),
		"{source}", f.contract.Source, "{since}", f.now.UTC().Format("2006-01-02 15:04:05 UTC"), "{bucket}", f.CuratedBucket, "{receipt}", f.receiptKey(d.object))
	found := audit.Difference{Dataset: f.dataset, Kind: d.kind, One: fill.Replace(d.one), Other: fill.Replace(d.other), Command: fill.Replace(d.command)}
	if d.object != (object.Object{}) {
		found.Object, found.ID = d.object.URI(), d.object.ID()
	}
	return found
}

// The commands of a damaged ledger. The tests add the end of a command.
const (
	deleteLock   = `firn query 'delete from raw.{source}_order_loads where object = '\''~lock'\''`
	deleteLedger = `firn query 'delete from raw.{source}_order_loads where object = '\''{id}'\''`
)

// damagedStates damage a consistent state. Each damage must give its own differences,
// and no others.
var damagedStates = []struct {
	name   string
	damage func(t *testing.T, f *fixture) []expectedDifference
}{
	{"no table", func(t *testing.T, f *fixture) []expectedDifference {
		_, err := f.session.Query(t.Context(), "drop", "drop table "+ddl.RejectsName(f.contract))
		failOnError(t, err)
		return []expectedDifference{{kind: audit.NoTable, one: "contract: 1.0.0", other: "Snowflake: no table", command: "firn migrate"}}
	}},
	{"no lock row", func(t *testing.T, f *fixture) []expectedDifference {
		f.sql(t, "delete from raw.shop_order_loads where object = '~lock'")
		return []expectedDifference{{kind: audit.LockRow, one: "ledger: 0 lock rows", other: "expected: 1", command: "firn migrate"}}
	}},
	{"two equal lock rows", func(t *testing.T, f *fixture) []expectedDifference {
		f.sql(t, "insert into raw.shop_order_loads select * from raw.shop_order_loads where object = '~lock'")
		return []expectedDifference{{kind: audit.LockRow, one: "ledger: 2 lock rows", other: "expected: 1", command: deleteLock + "'"}}
	}},
	{"two lock rows with other numbers", func(t *testing.T, f *fixture) []expectedDifference {
		f.sql(t, "insert into raw.shop_order_loads (object, seq, paused) select '~lock', 7, false")
		return []expectedDifference{{kind: audit.LockRow, one: "ledger: 2 lock rows", other: "expected: 1", command: deleteLock + " and seq < 7'"}}
	}},
	{"two equal ledger rows of an object", func(t *testing.T, f *fixture) []expectedDifference {
		f.record(t, f.plain, 0, 2, 1)
		return []expectedDifference{{audit.ObjectTwice, f.plain, "ledger: more than 1 row", "expected: 1", deleteLedger + "'"}}
	}},
	{"two loads of an object in the ledger", func(t *testing.T, f *fixture) []expectedDifference {
		f.update(t, "load_id = 'l9'")
		f.record(t, f.plain, 0, 2, 1)
		return []expectedDifference{{audit.ObjectTwice, f.plain, "ledger: more than 1 row", "expected: 1", deleteLedger + ` and load_id = '\''l9'\'''`}}
	}},
	{"two generations of an object in the ledger", func(t *testing.T, f *fixture) []expectedDifference {
		f.record(t, f.newer, 1, 2, 1)
		return []expectedDifference{{audit.ObjectTwice, f.newer, "ledger: more than 1 row", "expected: 1", deleteLedger + ` and generation = 1'`}}
	}},
	{"two ledger rows of a key", func(t *testing.T, f *fixture) []expectedDifference {
		other := f.fail(t, f.received(t, f.deletedVersion(strings.TrimPrefix(f.plain.Key, f.contract.KeyPrefix))))
		f.reload(t, other)
		f.fail(t, other)
		f.record(t, other, 0, 0, 0)
		f.sql(t, "update raw.shop_order_loads set loaded_at = dateadd('hour', -1, loaded_at) where object = ?", string(other.ID()))
		return []expectedDifference{{audit.KeyTwice, other, "ledger: this version and " + string(f.plain.ID()), "expected: 1", deleteLedger + "'"}}
	}},
	{"two ordered ledger rows of a key", func(t *testing.T, f *fixture) []expectedDifference {
		other := f.fail(t, f.received(t, f.deletedVersion(strings.TrimPrefix(f.plain.Key, f.contract.KeyPrefix))))
		f.reload(t, other)
		f.fail(t, other)
		f.record(t, other, 0, 0, 0)
		f.sql(t, "update raw.shop_order_loads set sequencer = case when object = ? then '02' else '01' end where key = ?", string(other.ID()), other.Key)
		return []expectedDifference{{audit.KeyTwice, f.plain, "ledger: this version and " + string(other.ID()), "expected: 1", deleteLedger + "'"}}
	}},
	{"rows read", func(t *testing.T, f *fixture) []expectedDifference {
		f.update(t, "rows_read = 4")
		return []expectedDifference{{audit.RowsRead, f.plain, "ledger: read: 4 rows", "ledger: 2 written and 1 rejected", "firn reload --object {id}"}}
	}},
	{"rows written", func(t *testing.T, f *fixture) []expectedDifference {
		f.update(t, "rows_read = 4, rows_written = 3")
		return []expectedDifference{{audit.RowsLoaded, f.plain, "ledger: written: 3 rows", "ledger: loaded: 2 rows", "firn reload --object {id}"}}
	}},
	{"orphan rows", func(t *testing.T, f *fixture) []expectedDifference {
		f.sql(t, "insert into raw.shop_order (id, _firn_object, _firn_record) select 9, ?, 1", string(f.failed.ID()))
		return []expectedDifference{{audit.Orphans, f.failed, "table: 1 row", "ledger: nothing", `firn query 'delete from raw.{source}_order where _firn_object = '\''{id}'\'''`}}
	}},
	{"orphan rejects", func(t *testing.T, f *fixture) []expectedDifference {
		f.sql(t, "insert into raw.shop_order_rejects (rule, _firn_object, _firn_record) select 'r', ?, 1", string(f.failed.ID()))
		return []expectedDifference{{audit.RejectOrphans, f.failed, "rejects table: 1 row", "ledger: nothing", `firn query 'delete from raw.{source}_order_rejects where _firn_object = '\''{id}'\'''`}}
	}},
	{"a row is missing", func(t *testing.T, f *fixture) []expectedDifference {
		f.sql(t, "delete from raw.shop_order where _firn_object = ? and id = 1", string(f.plain.ID()))
		return []expectedDifference{{audit.TableRows, f.plain, "ledger: 2 rows", "table: 1 row", "firn reload --object {id}"}}
	}},
	{"an extra row", func(t *testing.T, f *fixture) []expectedDifference {
		f.sql(t, "insert into raw.shop_order (id, _firn_object, _firn_record) select 9, ?, 9", string(f.failedReload.ID()))
		return []expectedDifference{{audit.TableRows, f.failedReload, "ledger: 2 rows", "table: 3 rows", "firn reload --object {id}"}}
	}},
	{"all rows are missing", func(t *testing.T, f *fixture) []expectedDifference {
		f.sql(t, "delete from raw.shop_order where _firn_object = ?", string(f.plain.ID()))
		return []expectedDifference{{audit.TableRows, f.plain, "ledger: 2 rows", "table: 0 rows", "firn reload --object {id}"}}
	}},
	{"a reject is missing", func(t *testing.T, f *fixture) []expectedDifference {
		f.sql(t, "delete from raw.shop_order_rejects where _firn_object = ?", string(f.plain.ID()))
		return []expectedDifference{{audit.RejectRows, f.plain, "ledger: 1 row", "rejects table: 0 rows", "firn reload --object {id}"}}
	}},
	{"version without an event", func(t *testing.T, f *fixture) []expectedDifference {
		o := f.putInDataset(t, "it's new.csv")
		since := f.modified(t, o).UTC().Format("2006-01-02 15:04:05 UTC")
		return []expectedDifference{{audit.Unannounced, o, "bucket: version {version} since " + since, "journal: nothing", "firn sweep"}}
	}},
	{"received for too long", func(t *testing.T, f *fixture) []expectedDifference {
		o := f.received(t, f.putInDataset(t, "stuck.csv"))
		return []expectedDifference{{audit.Stuck, o, "journal: received since {since}", "at most: 1h0m0s", "firn sweep"}}
	}},
	{"transformed for too long", func(t *testing.T, f *fixture) []expectedDifference {
		o := f.putInDataset(t, "stuck.csv")
		f.transformed(t, o)
		return []expectedDifference{{audit.Stuck, o, "journal: transformed since {since}", "at most: 1h0m0s", "firn sweep"}}
	}},
	{"paused for too long", func(t *testing.T, f *fixture) []expectedDifference {
		o := f.putInDataset(t, "stuck.csv")
		f.transformed(t, o)
		f.sql(t, "update raw.shop_order_loads set paused = true where object = '~lock'")
		return []expectedDifference{{audit.Stuck, o, "journal: transformed since {since}", "at most: 1h0m0s", "firn resume {source}.order"}}
	}},
	{"table of an older contract", func(t *testing.T, f *fixture) []expectedDifference {
		o := f.putInDataset(t, "stuck.csv")
		f.transformed(t, o)
		f.contract.Version = "1.1.0"
		return []expectedDifference{{audit.Stuck, o, "journal: transformed since {since}", "at most: 1h0m0s", "firn migrate"}}
	}},
	{"journal lost an entry", func(t *testing.T, f *fixture) []expectedDifference {
		_, err := f.dynamo.DeleteItem(t.Context(), &dynamodb.DeleteItemInput{
			TableName: aws.String(f.journal.Name), Key: map[string]types.AttributeValue{"pk": &types.AttributeValueMemberS{Value: string(f.plain.ID())}},
		})
		failOnError(t, err)
		return []expectedDifference{{audit.JournalLost, f.plain, "ledger: load l1, generation 0, 2 rows", "journal: nothing", "firn reload --dataset {source}.order --object {id}"}}
	}},
	{"journal lost an entry of a deleted version", func(t *testing.T, f *fixture) []expectedDifference {
		o := f.deletedVersion("old.csv")
		f.record(t, o, 3, 0, 0)
		return []expectedDifference{{audit.JournalLost, o, "ledger: load l1, generation 3, 0 rows", "journal: nothing", "firn reload --dataset {source}.order --object {id}"}}
	}},
	{"ledger lost a row", func(t *testing.T, f *fixture) []expectedDifference {
		f.removeFromLedger(t, f.plain)
		return []expectedDifference{{audit.NotInLedger, f.plain, "journal: load l1, generation 0, 2 rows", "ledger: nothing", "firn reload --object {id}"}}
	}},
	{"another load", func(t *testing.T, f *fixture) []expectedDifference {
		f.update(t, "load_id = 'l9'")
		return []expectedDifference{{audit.OtherLoad, f.plain, "journal: load l1, generation 0, 2 rows", "ledger: load l9, generation 0, 2 rows", "firn reload --object {id}"}}
	}},
	{"another generation", func(t *testing.T, f *fixture) []expectedDifference {
		f.update(t, "generation = 1")
		return []expectedDifference{{audit.OtherLoad, f.plain, "journal: load l1, generation 0, 2 rows", "ledger: load l1, generation 1, 2 rows", "firn reload --object {id}"}}
	}},
	{"another number of rows", func(t *testing.T, f *fixture) []expectedDifference {
		f.sql(t, "delete from raw.shop_order where _firn_object = ? and id = 1", string(f.plain.ID()))
		f.update(t, "rows_read = 2, rows_written = 1, rows_loaded = 1")
		return []expectedDifference{{audit.OtherLoad, f.plain, "journal: load l1, generation 0, 2 rows", "ledger: load l1, generation 0, 1 row", "firn reload --object {id}"}}
	}},
	{"ledger has another version", func(t *testing.T, f *fixture) []expectedDifference {
		o := f.received(t, f.deletedVersion(strings.TrimPrefix(f.newer.Key, f.contract.KeyPrefix)))
		failOnError(t, f.journal.Loaded(t.Context(), o.ID(), journal.Load{LoadID: "l0", Rows: 7}))
		return []expectedDifference{{audit.JournalBehind, o, "journal: load l0, generation 0, 7 rows", "ledger: version {newer}", "firn reload --object {id}"}}
	}},
	{"no newer version", func(t *testing.T, f *fixture) []expectedDifference {
		o := f.received(t, f.deletedVersion("alone.csv"))
		failOnError(t, f.journal.Superseded(t.Context(), o.ID(), "another"))
		return []expectedDifference{{audit.NoSuccessor, o, "journal: superseded by another", "ledger: nothing", "firn put --key {source}/order/alone.csv FILE"}}
	}},
	{"newer version not in the ledger", func(t *testing.T, f *fixture) []expectedDifference {
		f.removeFromLedger(t, f.newer)
		return []expectedDifference{
			{audit.NotInLedger, f.newer, "journal: load l1, generation 2, 2 rows", "ledger: nothing", "firn reload --object {id}"},
			{audit.NoSuccessor, f.older, "journal: superseded by {newer}", "ledger: nothing", "firn reload --object {newer}"},
		}
	}},
	{"superseded but in the ledger", func(t *testing.T, f *fixture) []expectedDifference {
		failOnError(t, f.journal.Superseded(t.Context(), f.plain.ID(), "another"))
		return []expectedDifference{{audit.SupersededInLedger, f.plain, "journal: superseded by another", "ledger: load l1, generation 0, 2 rows", `firn put --key '{source}/order/it'\''s plain.csv' FILE`}}
	}},
	{"failed but in the ledger", func(t *testing.T, f *fixture) []expectedDifference {
		f.record(t, f.failed, 0, 0, 0)
		return []expectedDifference{{audit.FailedInLedger, f.failed, "journal: failed, generation 0", "ledger: load l1, generation 0, 0 rows", "firn redrive {id}"}}
	}},
	{"dismissed but in the ledger", func(t *testing.T, f *fixture) []expectedDifference {
		_, _, err := f.journal.Dismiss(t.Context(), f.failed.ID(), journal.Dismissal{By: "ann", Reason: "not wanted"})
		failOnError(t, err)
		f.record(t, f.failed, 0, 0, 0)
		return []expectedDifference{{audit.FailedInLedger, f.failed, "journal: dismissed, generation 0", "ledger: load l1, generation 0, 0 rows", "firn redrive {id}"}}
	}},
	{"dismissed", func(t *testing.T, f *fixture) []expectedDifference {
		for _, o := range []object.Object{f.failed, f.received(t, f.putInDataset(t, "stuck.csv"))} {
			_, _, err := f.journal.Dismiss(t.Context(), o.ID(), journal.Dismissal{By: "ann", Reason: "not wanted"})
			failOnError(t, err)
		}
		return nil
	}},
	{"deleted in S3", func(t *testing.T, f *fixture) []expectedDifference {
		f.deleteKey(t, f.plain)
		return []expectedDifference{{audit.FileDeleted, f.plain, "bucket: deleted at " + f.deletedAt(t, f.plain), "ledger: load l1, generation 0, 2 rows", "firn withdraw {id} --reason 'deleted in S3'"}}
	}},
	{"all versions deleted in S3", func(t *testing.T, f *fixture) []expectedDifference {
		_, err := f.s3.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: aws.String(f.LandingBucket), Key: aws.String(f.plain.Key), VersionId: aws.String(f.plain.Version)})
		failOnError(t, err)
		return []expectedDifference{{audit.FileDeleted, f.plain, "bucket: no version of the key", "ledger: load l1, generation 0, 2 rows", "firn withdraw {id} --reason 'deleted in S3'"}}
	}},
	{"an old version deleted in S3", func(t *testing.T, f *fixture) []expectedDifference {
		_, err := f.s3.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: aws.String(f.LandingBucket), Key: aws.String(f.older.Key), VersionId: aws.String(f.older.Version)})
		failOnError(t, err)
		return nil
	}},
	{"withdrawn in the journal only", func(t *testing.T, f *fixture) []expectedDifference {
		failOnError(t, f.journal.Withdrawn(t.Context(), f.plain.ID(), journal.Withdrawal{By: "ann", Reason: "wrong file"}))
		return []expectedDifference{{audit.NotWithdrawn, f.plain, "journal: withdrawn by ann", "ledger: load l1, generation 0, 2 rows", "firn withdraw {id} --reason 'wrong file'"}}
	}},
	{"withdrawn in the ledger only", func(t *testing.T, f *fixture) []expectedDifference {
		o := f.received(t, f.putInDataset(t, "half.csv"))
		failOnError(t, f.journal.Loaded(t.Context(), o.ID(), journal.Load{LoadID: "l1", Rows: 2}))
		f.record(t, o, 0, 0, 0)
		f.sql(t, "update raw.shop_order_loads set withdrawn_at = loaded_at, withdrawn_by = 'ann' where object = ?", string(o.ID()))
		return []expectedDifference{{audit.NotWithdrawn, o, "journal: loaded", "ledger: withdrawn by ann", "firn withdraw {id} --reason 'deleted in S3'"}}
	}},
	{"rows of a withdrawn object", func(t *testing.T, f *fixture) []expectedDifference {
		f.sql(t, "insert into raw.shop_order (id, _firn_object, _firn_record) select 9, ?, 1", string(f.withdrawn.ID()))
		return []expectedDifference{{audit.Orphans, f.withdrawn, "table: 1 row", "ledger: withdrawn by ann", `firn query 'delete from raw.{source}_order where _firn_object = '\''{id}'\'''`}}
	}},
	{"missing receipt", func(t *testing.T, f *fixture) []expectedDifference {
		_, err := f.s3.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: aws.String(f.CuratedBucket), Key: aws.String(f.receiptKey(f.plain))})
		failOnError(t, err)
		return []expectedDifference{{audit.ReceiptGone, f.plain, "journal: s3://{bucket}/{receipt}", "bucket: nothing", "firn reload --object {id}"}}
	}},
}

// onlyInJournal has the states with a difference of an object that only the journal has.
// The audit of one dataset doesn't read the whole journal, and can't find the object.
var onlyInJournal = map[string]bool{"ledger has another version": true, "no newer version": true}

// wholeAudit returns the differences of the fixture's dataset in an audit of all datasets.
func (f *fixture) wholeAudit(t *testing.T) []audit.Difference {
	t.Helper()
	return slices.DeleteFunc(f.run(t, "").Differences, func(d audit.Difference) bool { return d.Dataset != f.dataset })
}

func (f *fixture) run(t *testing.T, dataset string) audit.Result {
	t.Helper()
	result, err := f.Run(t.Context(), dataset)
	failOnError(t, err)
	return result
}

func (f *fixture) kinds(t *testing.T) []audit.Difference {
	t.Helper()
	return f.run(t, f.dataset).Differences
}

// modified returns the time of S3 for a version.
func (f *fixture) modified(t *testing.T, o object.Object) time.Time {
	t.Helper()
	head, err := f.s3.HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: aws.String(o.Bucket), Key: aws.String(o.Key), VersionId: aws.String(o.Version)})
	failOnError(t, err)
	return aws.ToTime(head.LastModified)
}

// deletedAt returns the time of the delete marker of an object's key.
func (f *fixture) deletedAt(t *testing.T, o object.Object) string {
	t.Helper()
	listed, err := f.s3.ListObjectVersions(t.Context(), &s3.ListObjectVersionsInput{Bucket: aws.String(o.Bucket), Prefix: aws.String(o.Key)})
	failOnError(t, err)
	return aws.ToTime(listed.DeleteMarkers[0].LastModified).UTC().Format("2006-01-02 15:04:05 UTC")
}

// TestAuditFindsEachDifference damages a consistent state in one way at a time.
func TestAuditFindsEachDifference(t *testing.T) {
	t.Parallel()
	var seen sync.Map
	var ran atomic.Int64
	t.Run("damaged", func(t *testing.T) {
		for _, test := range damagedStates {
			t.Run(test.name, func(t *testing.T) {
				t.Parallel()
				ran.Add(1)
				f := newFixture(t)
				want := []audit.Difference{}
				for _, d := range test.damage(t, f) {
					seen.Store(d.kind, true)
					want = append(want, d.of(f))
				}
				if diff := cmp.Diff(want, f.wholeAudit(t)); diff != "" {
					t.Errorf("differences of the whole audit (-want +got):\n%s", diff)
				}
				if onlyInJournal[test.name] {
					want = []audit.Difference{}
				}
				if diff := cmp.Diff(want, f.kinds(t)); diff != "" {
					t.Errorf("differences of the dataset's audit (-want +got):\n%s", diff)
				}
			})
		}
	})
	if int(ran.Load()) < len(damagedStates) {
		return // -run selected some of the states
	}
	for _, kind := range audit.Kinds() {
		if _, has := seen.Load(kind); !has {
			t.Errorf("no damaged state has a difference %s", kind)
		}
	}
}

// TestAuditRemovesItsFiles: only the user may read the temporary files, and no file stays
// after an audit or the end of the context.
func TestAuditRemovesItsFiles(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.TempFolder = t.TempDir()
	open, seen := f.Open, 0
	f.Open = func(ctx context.Context) (audit.Ledger, error) {
		failOnError(t, filepath.WalkDir(f.TempFolder, func(path string, e fs.DirEntry, err error) error {
			if err != nil || e.IsDir() {
				return err
			}
			seen++
			info, err := e.Info()
			if err == nil && info.Mode().Perm() != 0o600 {
				t.Errorf("%s has the mode %s", path, info.Mode())
			}
			return err
		}))
		return open(ctx)
	}
	check := func(when string) {
		t.Helper()
		if left, err := os.ReadDir(f.TempFolder); err != nil || len(left) > 0 || seen == 0 {
			t.Errorf("%s: %d files of %d are left, %v", when, len(left), seen, err)
		}
	}
	f.run(t, "")
	check("after an audit")
	ctx, stop := context.WithCancel(t.Context())
	f.Open = func(ctx context.Context) (audit.Ledger, error) {
		stop()
		return nil, context.Cause(ctx)
	}
	if _, err := f.Run(ctx, ""); !errors.Is(err, context.Canceled) {
		t.Errorf("the audit ended with %v", err)
	}
	check("after Ctrl-C")
}

func TestAuditOfConsistentStateFindsNothing(t *testing.T) {
	t.Parallel()
	f := newFixtureInOwnStack(t)
	want := audit.Result{
		Differences: []audit.Difference{},
		Datasets: []audit.Summary{{
			Dataset: f.dataset, Versions: 8, Objects: 3, LedgerRows: 6, TableRows: 6, TableRejects: 3,
			Journal: map[journal.State]int{journal.Loaded: 2, journal.Superseded: 1, journal.Failed: 2, journal.Received: 1, journal.Withdrawn: 2},
		}},
	}
	for _, only := range []string{f.dataset, ""} {
		if diff := cmp.Diff(want, f.run(t, only)); diff != "" {
			t.Errorf("dataset %q (-want +got):\n%s", only, diff)
		}
	}
}

// TestAuditIgnoresMovingObjects changes objects shortly before the audit, and after its
// beginning. During a load, the ledger changes before the journal.
func TestAuditIgnoresMovingObjects(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for _, d := range []time.Duration{-time.Minute, time.Minute} {
		f.at(d, func() {
			f.record(t, f.deletedVersion(fmt.Sprintf("%s.csv", d)), 0, 0, 0)                 // the journal has no entry yet
			f.record(t, f.fail(t, f.received(t, f.deletedVersion("f"+d.String()))), 0, 0, 0) // redriven, and just loaded
			behind := f.received(t, f.deletedVersion("b"+d.String()))
			f.now = f.now.Add(-24 * time.Hour)
			failOnError(t, f.journal.Loaded(t.Context(), behind.ID(), journal.Load{LoadID: "l0"}))
			f.now = f.now.Add(24 * time.Hour)
			f.record(t, f.received(t, f.deletedVersion(strings.TrimPrefix(behind.Key, f.contract.KeyPrefix))), 0, 0, 0) // a newer version, just loaded
		})
	}
	f.at(time.Minute, func() { // after the read of the ledger
		o := f.received(t, f.deletedVersion("loaded.csv"))
		failOnError(t, f.journal.Loaded(t.Context(), o.ID(), journal.Load{LoadID: "l0"}))
		o = f.received(t, f.deletedVersion("superseded.csv"))
		failOnError(t, f.journal.Superseded(t.Context(), o.ID(), "newer"))
	})
	if found := f.kinds(t); len(found) > 0 {
		t.Errorf("differences %+v", found)
	}
	// An event of S3 takes seconds: a new version without an entry is no difference
	// yet.
	f.putInDataset(t, "just put.csv")
	began := time.Now().Add(time.Minute)
	f.Now = func() time.Time { return began }
	if slices.ContainsFunc(f.kinds(t), func(d audit.Difference) bool { return d.Kind == audit.Unannounced }) {
		t.Errorf("differences %+v", f.kinds(t))
	}
	f.Grace = 0
	if !slices.ContainsFunc(f.kinds(t), func(d audit.Difference) bool { return d.Kind == audit.Unannounced }) {
		t.Error("without grace: the new version is no difference")
	}
}

// TestAuditOfKeysWithoutContract: only the audit of all datasets includes keys without
// a contract.
func TestAuditOfKeysWithoutContract(t *testing.T) {
	t.Parallel()
	f := newFixtureInOwnStack(t)
	o := f.put(t, "unclaimed/x.csv")
	if found := f.run(t, f.dataset).Differences; len(found) > 0 {
		t.Errorf("in %s: %+v", f.dataset, found)
	}
	result := f.run(t, "")
	if len(result.Differences) != 1 || result.Differences[0].Kind != audit.Unannounced || result.Differences[0].ID != o.ID() || result.Differences[0].Dataset != "" {
		t.Errorf("differences %+v", result.Differences)
	}
	// Failures without a dataset in the journal are no differences, even if a contract
	// has the key by now.
	claimed := f.putInDataset(t, "claimed late.csv")
	for _, known := range []object.Object{o, claimed} {
		if _, err := f.journal.Receive(t.Context(), known, ""); err != nil {
			t.Fatal(err)
		}
		f.fail(t, known)
	}
	for _, only := range []string{f.dataset, ""} {
		if found := f.run(t, only).Differences; len(found) > 0 {
			t.Errorf("dataset %q: %+v", only, found)
		}
	}
}
