//go:build standin

package operator_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/firn-data/firn/internal/contract"
	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/journal"
	"github.com/firn-data/firn/internal/laptop/laptoptest"
	"github.com/firn-data/firn/internal/object"
	"github.com/firn-data/firn/internal/operator"
	"github.com/firn-data/firn/internal/snowflake/ddl"
	"github.com/firn-data/firn/internal/snowflake/ledger"
	"github.com/firn-data/firn/internal/work"
)

const orders = "shop.order"

// loaded returns an object with a loaded entry in the journal.
func (f *fixture) loaded(t *testing.T, name string) object.Object {
	t.Helper()
	o := f.received(t, name, orders)
	if err := f.stages.Loaded(t.Context(), o.ID(), journal.Load{LoadID: "l1", Rows: 3}); err != nil {
		t.Fatal(err)
	}
	return o
}

// reloadAll runs a reload and returns the reported objects by key.
func (f *fixture) reloadAll(t *testing.T, r operator.Reload) map[string]operator.Reloaded {
	t.Helper()
	reported := make(map[string]operator.Reloaded)
	if err := f.Reload(t.Context(), r, func(one operator.Reloaded) { reported[one.Object.Key] = one }); err != nil {
		t.Fatal(err)
	}
	return reported
}

// takeTransformWork receives and decodes all messages of the transform queue.
func (f *fixture) takeTransformWork(t *testing.T) []work.Work {
	t.Helper()
	var all []work.Work
	for _, body := range f.takeMessages(t.Context(), t, "transform") {
		w, err := work.Decode(body, work.Transform)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, w)
	}
	slices.SortFunc(all, func(a, b work.Work) int { return strings.Compare(a.Object.Key, b.Object.Key) })
	return all
}

func TestReloadOfNamedObjectsSendsWork(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	one, two := f.loaded(t, "shop/order/1.csv"), f.loaded(t, "shop/order/2.csv")
	fresh := f.received(t, "shop/order/3.csv", orders)
	both := operator.Reload{Objects: []string{one.URI(), string(two.ID()), fresh.URI()}}

	plan := both
	plan.OnlyPlan = true
	want := map[string]operator.Reloaded{
		one.Key:   {ID: one.ID(), Object: one, Generation: 1},
		two.Key:   {ID: two.ID(), Object: two, Generation: 1},
		fresh.Key: {ID: fresh.ID(), Object: fresh, Refused: "the object is received, before the first load"},
	}
	for _, reload := range []operator.Reload{plan, both} {
		if diff := cmp.Diff(want, f.reloadAll(t, reload)); diff != "" {
			t.Errorf("only plan %t: reported (-want +got):\n%s", reload.OnlyPlan, diff)
		}
	}
	wantWork := []work.Work{
		{Stage: work.Transform, Dataset: orders, Object: one, Generation: 1},
		{Stage: work.Transform, Dataset: orders, Object: two, Generation: 1},
	}
	if diff := cmp.Diff(wantWork, f.takeTransformWork(t)); diff != "" {
		t.Errorf("sent (-want +got):\n%s", diff)
	}
	again := f.reloadAll(t, operator.Reload{Objects: []string{one.URI()}})
	if got := again[one.Key]; !got.UnderWay || got.Generation != 1 {
		t.Errorf("again: %+v", got)
	}
	if sent := f.takeTransformWork(t); len(sent) > 0 {
		t.Errorf("sent again %+v", sent)
	}
}

func TestReloadRefuses(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	o := f.loaded(t, "shop/order/1.csv")
	session := f.newTables(t)
	for _, test := range []struct {
		reload operator.Reload
		want   string
	}{
		{operator.Reload{}, "name a dataset or objects"},
		{operator.Reload{Dataset: "shop.ordr"}, `no contract for dataset "shop.ordr": name one of ` + all},
		{operator.Reload{Dataset: "shop.item", Objects: []string{o.URI()}}, o.URI() + ` belongs to dataset "shop.order", not shop.item`},
		{operator.Reload{Objects: []string{"s3://b/never"}}, "the journal has no entry of s3://b/never: was the object put into the landing bucket " + f.Stack.LandingBucket + "?"},
		{
			operator.Reload{Dataset: orders, Objects: []string{strings.Repeat("0", 32)}, Ledger: session},
			"the ledger of shop.order has no row of " + strings.Repeat("0", 32) + ", and the journal has no entry of " + strings.Repeat("0", 32) + ": was the object put into the landing bucket " + f.Stack.LandingBucket + "?",
		},
		{operator.Reload{Dataset: "shop.item", Ledger: session}, ledger.ErrNoTable.Error()},
	} {
		err := f.Reload(t.Context(), test.reload, func(one operator.Reloaded) { t.Errorf("reported %+v", one) })
		if message(err) != test.want {
			t.Errorf("Reload %+v = %v, want %q", test.reload, err, test.want)
		}
	}
}

// TestReloadContinuesAfterFailedSend: the same command sends the message, but adds no
// generation.
func TestReloadContinuesAfterFailedSend(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	o := f.loaded(t, "shop/order/1.csv")
	queues := f.Queues
	f.Queues = &brokenQueues{Queues: queues}
	var reported []operator.Reloaded
	err := f.Reload(t.Context(), operator.Reload{Objects: []string{o.URI()}}, func(one operator.Reloaded) { reported = append(reported, one) })
	if message(err) != "send to the transform queue: no answer" {
		t.Errorf("error %v", err)
	}
	if diff := cmp.Diff([]operator.Reloaded{{ID: o.ID(), Object: o, Generation: 1, NotSent: true}}, reported); diff != "" {
		t.Errorf("reported (-want +got):\n%s", diff)
	}
	f.Queues = queues
	for range 2 {
		if got := f.reloadAll(t, operator.Reload{Objects: []string{o.URI()}})[o.Key]; got != (operator.Reloaded{ID: o.ID(), Object: o, Generation: 1, UnderWay: true}) {
			t.Errorf("the same command: %+v", got)
		}
	}
	if sent := f.takeTransformWork(t); len(sent) != 1 || sent[0].Generation != 1 {
		t.Errorf("sent %+v, want one message", sent)
	}
}

// TestReloadOfRejectsTakesObjectsWithRejects reads the rejects from the ledger.
func TestReloadOfRejectsTakesObjectsWithRejects(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	tables, c := f.newTables(t), f.Contracts.ByDataset(orders)
	for _, name := range []string{"none", "few"} {
		record(t, tables, c, f.loaded(t, "shop/order/"+name+".csv"), 0, "2026-03-04T00:00:00Z")
	}
	few := "update " + ddl.LedgerName(c) + " set rows_rejected = 7 where key = 'shop/order/few.csv'"
	if _, err := tables.Session.Query(t.Context(), "add rejects", few); err != nil {
		t.Fatal(err)
	}
	asked := operator.Reload{Dataset: orders, Ledger: tables, Selection: ledger.Selection{OnlyRejects: true}, OnlyPlan: true}
	for _, onlyPlan := range []bool{true, false} {
		asked.OnlyPlan = onlyPlan
		got := f.reloadAll(t, asked)
		if len(got) != 1 || got["shop/order/few.csv"].Rejects != 7 || got["shop/order/few.csv"].Generation != 1 {
			t.Errorf("only plan %t: reported %+v", onlyPlan, got)
		}
	}
	if sent := f.takeTransformWork(t); len(sent) != 1 || sent[0].Generation != 1 {
		t.Errorf("sent %+v", sent)
	}
}

// newTables makes the tables of shop.order in a new database.
func (f *fixture) newTables(t *testing.T) ledger.Reader {
	t.Helper()
	c := f.Contracts.ByDataset(orders)
	session := laptoptest.OpenSnowflake(t, fmt.Sprintf("FIRN_OPERATOR_%d", time.Now().UnixNano()))
	laptoptest.MakeTables(t, session, ddl.File(c))
	return ledger.Reader{Session: session}
}

// record inserts a ledger row.
func record(t *testing.T, r ledger.Reader, c *contract.Contract, o object.Object, generation int, loadedAt string) {
	t.Helper()
	_, err := r.Session.Query(t.Context(), "record", "insert into "+ddl.LedgerName(c)+
		" (object, generation, load_id, bucket, key, version, rows_loaded, loaded_at) select ?, ?, 'l1', ?, ?, ?, 3, cast(? as timestamp_ltz)",
		string(o.ID()), generation, o.Bucket, o.Key, o.Version, loadedAt)
	if err != nil {
		t.Fatal(err)
	}
}

// TestReloadOfDatasetTakesEveryLedgerObject reads the ledger in pages of two rows. One
// object of the ledger has no journal entry.
func TestReloadOfDatasetTakesEveryLedgerObject(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	tables, c := f.newTables(t), f.Contracts.ByDataset(orders)
	days := map[string]string{}
	for i := range 5 {
		o := f.loaded(t, fmt.Sprintf("shop/order/%d.csv", i))
		days[o.Key] = fmt.Sprintf("2026-03-0%dT00:00:00Z", i+1)
		record(t, tables, c, o, 0, days[o.Key])
	}
	lost := object.Object{Bucket: f.Stack.LandingBucket, Key: "shop/order/lost.csv", Version: "v1"}
	record(t, tables, c, lost, 4, "2026-03-04T00:00:00Z")
	f.loaded(t, "shop/order/not in the ledger.csv")

	since := operator.Reload{Dataset: orders, Ledger: tables, PageSize: 2, Selection: ledger.Selection{Since: time.Date(2026, 3, 4, 0, 0, 0, 0, time.UTC)}}
	planned := since
	planned.OnlyPlan = true
	want := map[string]int{"shop/order/3.csv": 1, "shop/order/4.csv": 1, "shop/order/lost.csv": 5}
	for _, reload := range []operator.Reload{planned, since} {
		got := make(map[string]int)
		for key, one := range f.reloadAll(t, reload) {
			got[key] = one.Generation
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("only plan %t: generations (-want +got):\n%s", reload.OnlyPlan, diff)
		}
	}
	sent := f.takeTransformWork(t)
	if len(sent) != 3 || sent[2].Generation != 5 || sent[2].Object != lost || sent[2].Dataset != orders {
		t.Errorf("sent %+v", sent)
	}
	rest := f.reloadAll(t, operator.Reload{Dataset: orders, Ledger: tables, PageSize: 2})
	if len(rest) != 6 || !rest["shop/order/lost.csv"].UnderWay || rest["shop/order/0.csv"].UnderWay {
		t.Errorf("the whole dataset: %+v", rest)
	}
}

// TestReloadRestoresLostJournalEntry names the object by id and dataset, because only
// the ledger has the object.
func TestReloadRestoresLostJournalEntry(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	tables, c := f.newTables(t), f.Contracts.ByDataset(orders)
	lost := object.Object{Bucket: f.Stack.LandingBucket, Key: "shop/order/lost.csv", Version: "v1"}
	record(t, tables, c, lost, 0, "2026-03-04T00:00:00Z")
	reported := f.reloadAll(t, operator.Reload{Dataset: orders, Ledger: tables, Objects: []string{string(lost.ID())}})
	if got := reported[lost.Key]; got.Generation != 1 || got.Refused != "" {
		t.Errorf("reported %+v", reported)
	}
	entry, err := f.Journal.Get(t.Context(), lost.ID())
	if err != nil || !entry.KeepsEarlierRows() || entry.RowsLoaded != 3 || entry.LoadID != "l1" {
		t.Errorf("entry %+v, %v", entry, err)
	}
}

// TestReloadOfFailedObjectClearsFault reloads an object after a failed load.
func TestReloadOfFailedObjectClearsFault(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	o := f.failed(t, "shop/order/a.csv", orders, work.Load, fault.CopyRefused)
	if got := f.reloadAll(t, operator.Reload{Objects: []string{o.URI()}})[o.Key]; got.Generation != 1 {
		t.Errorf("reported %+v", got)
	}
	if sent := f.takeTransformWork(t); len(sent) != 1 || sent[0].Generation != 1 {
		t.Errorf("sent %+v", sent)
	}
}
