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

// loaded returns an object that the journal has as loaded.
func (b *fixture) loaded(t *testing.T, name string) object.Object {
	t.Helper()
	o := b.received(t, name, orders)
	if err := b.stages.Loaded(t.Context(), o.ID(), journal.Load{LoadID: "l1", Rows: 3}); err != nil {
		t.Fatal(err)
	}
	return o
}

// reloadAll runs a reload and returns what it told, by key.
func (b *fixture) reloadAll(t *testing.T, r operator.Reload) map[string]operator.Reloaded {
	t.Helper()
	told := make(map[string]operator.Reloaded)
	if err := b.Reload(t.Context(), r, func(one operator.Reloaded) { told[one.Object.Key] = one }); err != nil {
		t.Fatal(err)
	}
	return told
}

// takeTransformWork takes the work from the transform queue.
func (b *fixture) takeTransformWork(t *testing.T) []work.Work {
	t.Helper()
	var all []work.Work
	for _, body := range b.takeMessages(t.Context(), t, "transform") {
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
	b := newFixture(t)
	one, two := b.loaded(t, "shop/order/1.csv"), b.loaded(t, "shop/order/2.csv")
	fresh := b.received(t, "shop/order/3.csv", orders)
	both := operator.Reload{Objects: []string{one.URI(), string(two.ID()), fresh.URI()}}

	plan := both
	plan.OnlyPlan = true
	want := map[string]operator.Reloaded{
		one.Key:   {ID: one.ID(), Object: one, Generation: 1},
		two.Key:   {ID: two.ID(), Object: two, Generation: 1},
		fresh.Key: {ID: fresh.ID(), Object: fresh, Refused: "it is received, on its way for the first time"},
	}
	for _, reload := range []operator.Reload{plan, both} {
		if diff := cmp.Diff(want, b.reloadAll(t, reload)); diff != "" {
			t.Errorf("only plan %t: told (-want +got):\n%s", reload.OnlyPlan, diff)
		}
	}
	wantWork := []work.Work{
		{Stage: work.Transform, Dataset: orders, Object: one, Generation: 1},
		{Stage: work.Transform, Dataset: orders, Object: two, Generation: 1},
	}
	if diff := cmp.Diff(wantWork, b.takeTransformWork(t)); diff != "" {
		t.Errorf("sent (-want +got):\n%s", diff)
	}
	// Again, while it is on its way: the message may not have been sent.
	again := b.reloadAll(t, operator.Reload{Objects: []string{one.URI()}})
	if got := again[one.Key]; !got.UnderWay || got.Generation != 1 {
		t.Errorf("again: %+v", got)
	}
	if diff := cmp.Diff(wantWork[:1], b.takeTransformWork(t)); diff != "" {
		t.Errorf("sent again (-want +got):\n%s", diff)
	}
}

func TestReloadRefuses(t *testing.T) {
	t.Parallel()
	b := newFixture(t)
	o := b.loaded(t, "shop/order/1.csv")
	session := b.newTables(t)
	for _, test := range []struct {
		reload operator.Reload
		want   string
	}{
		{operator.Reload{}, "name a dataset or objects"},
		{operator.Reload{Dataset: "shop.ordr"}, `no contract for dataset "shop.ordr": name one of ` + all},
		{operator.Reload{Dataset: "shop.item", Objects: []string{o.URI()}}, o.URI() + ` is of dataset "shop.order", not shop.item`},
		{operator.Reload{Objects: []string{"s3://b/never"}}, "the journal knows no s3://b/never: was it put into the landing bucket " + b.Stack.LandingBucket + "?"},
		{
			operator.Reload{Dataset: orders, Objects: []string{strings.Repeat("0", 32)}, Ledger: session},
			"the journal knows no " + strings.Repeat("0", 32) + ": was it put into the landing bucket " + b.Stack.LandingBucket + "?, nor does the ledger of shop.order",
		},
		{operator.Reload{Dataset: "shop.item", Ledger: session}, ledger.ErrNoTable.Error()},
	} {
		err := b.Reload(t.Context(), test.reload, func(one operator.Reloaded) { t.Errorf("it told %+v", one) })
		if message(err) != test.want {
			t.Errorf("Reload %+v = %v, want %q", test.reload, err, test.want)
		}
	}
	b.Stack.Queues["transform"] += "-gone"
	err := b.Reload(t.Context(), operator.Reload{Objects: []string{o.URI()}}, func(one operator.Reloaded) { t.Errorf("it told %+v", one) })
	if err == nil || !strings.HasPrefix(err.Error(), "send to the transform queue: ") || !strings.Contains(err.Error(), "give the command again") {
		t.Errorf("without its queue: %v", err)
	}
}

// newTables makes the tables of shop.order in a database of their own.
func (b *fixture) newTables(t *testing.T) ledger.Reader {
	t.Helper()
	c := b.Contracts.ByDataset(orders)
	session := laptoptest.OpenSnowflake(t, fmt.Sprintf("FIRN_OPERATOR_%d", time.Now().UnixNano()))
	laptoptest.MakeTables(t, session, ddl.File(c))
	return ledger.Reader{Session: session}
}

// record writes a ledger row.
func record(t *testing.T, r ledger.Reader, c *contract.Contract, o object.Object, generation int, loadedAt string) {
	t.Helper()
	_, err := r.Session.Query(t.Context(), "record", "insert into "+ddl.LedgerName(c)+
		" (object, generation, load_id, bucket, key, version, rows_loaded, loaded_at) select ?, ?, 'l1', ?, ?, ?, 3, cast(? as timestamp_ltz)",
		string(o.ID()), generation, o.Bucket, o.Key, o.Version, loadedAt)
	if err != nil {
		t.Fatal(err)
	}
}

// TestReloadOfDatasetTakesEveryLedgerObject takes what its ledger has, page by page, and what the
// journal lost too.
func TestReloadOfDatasetTakesEveryLedgerObject(t *testing.T) {
	t.Parallel()
	b := newFixture(t)
	tables, c := b.newTables(t), b.Contracts.ByDataset(orders)
	days := map[string]string{}
	for i := range 5 {
		o := b.loaded(t, fmt.Sprintf("shop/order/%d.csv", i))
		days[o.Key] = fmt.Sprintf("2026-03-0%dT00:00:00Z", i+1)
		record(t, tables, c, o, 0, days[o.Key])
	}
	lost := object.Object{Bucket: b.Stack.LandingBucket, Key: "shop/order/lost.csv", Version: "v1"}
	record(t, tables, c, lost, 4, "2026-03-04T00:00:00Z")
	b.loaded(t, "shop/order/not in the ledger.csv")

	since := operator.Reload{Dataset: orders, Ledger: tables, PageSize: 2, Since: time.Date(2026, 3, 4, 0, 0, 0, 0, time.UTC)}
	planned := since
	planned.OnlyPlan = true
	want := map[string]int{"shop/order/3.csv": 1, "shop/order/4.csv": 1, "shop/order/lost.csv": 5}
	for _, reload := range []operator.Reload{planned, since} {
		got := make(map[string]int)
		for key, one := range b.reloadAll(t, reload) {
			got[key] = one.Generation
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("only plan %t: generations (-want +got):\n%s", reload.OnlyPlan, diff)
		}
	}
	sent := b.takeTransformWork(t)
	if len(sent) != 3 || sent[2].Generation != 5 || sent[2].Object != lost || sent[2].Dataset != orders {
		t.Errorf("sent %+v", sent)
	}
	rest := b.reloadAll(t, operator.Reload{Dataset: orders, Ledger: tables, PageSize: 2})
	if len(rest) != 6 || !rest["shop/order/lost.csv"].UnderWay || rest["shop/order/0.csv"].UnderWay {
		t.Errorf("the whole dataset: %+v", rest)
	}
}

// TestReloadRestoresLostJournalEntry is by id, since nobody else knows its dataset.
func TestReloadRestoresLostJournalEntry(t *testing.T) {
	t.Parallel()
	b := newFixture(t)
	tables, c := b.newTables(t), b.Contracts.ByDataset(orders)
	lost := object.Object{Bucket: b.Stack.LandingBucket, Key: "shop/order/lost.csv", Version: "v1"}
	record(t, tables, c, lost, 0, "2026-03-04T00:00:00Z")
	told := b.reloadAll(t, operator.Reload{Dataset: orders, Ledger: tables, Objects: []string{string(lost.ID())}})
	if got := told[lost.Key]; got.Generation != 1 || got.Refused != "" {
		t.Errorf("told %+v", told)
	}
	entry, err := b.Journal.Get(t.Context(), lost.ID())
	if err != nil || !entry.KeepsEarlierRows() || entry.RowsLoaded != 3 || entry.LoadID != "l1" {
		t.Errorf("entry %+v, %v", entry, err)
	}
}

// TestReloadOfFailedObjectClearsFault forgets the fault.
func TestReloadOfFailedObjectClearsFault(t *testing.T) {
	t.Parallel()
	b := newFixture(t)
	o := b.failed(t, "shop/order/a.csv", orders, work.Load, fault.CopyRefused)
	if got := b.reloadAll(t, operator.Reload{Objects: []string{o.URI()}})[o.Key]; got.Generation != 1 {
		t.Errorf("told %+v", got)
	}
	if sent := b.takeTransformWork(t); len(sent) != 1 || sent[0].Generation != 1 {
		t.Errorf("sent %+v", sent)
	}
}
