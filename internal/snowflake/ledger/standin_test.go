//go:build standin

package ledger_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/firn-data/firn/internal/contract"
	"github.com/firn-data/firn/internal/laptop/laptoptest"
	"github.com/firn-data/firn/internal/object"
	"github.com/firn-data/firn/internal/snowflake"
	"github.com/firn-data/firn/internal/snowflake/ddl"
	"github.com/firn-data/firn/internal/snowflake/ledger"
)

func TestMain(m *testing.M) { os.Exit(laptoptest.Main(m, "snowflake")) }

var orders = &contract.Contract{
	Source: "shop", Entity: "order", Version: "1.2.0", Columns: []contract.Column{{Name: "id", Type: contract.Integer}},
}

// newTables makes the tables in a new database and returns the database's name.
func newTables(t *testing.T) (*snowflake.Session, string) {
	t.Helper()
	database := fmt.Sprintf("FIRN_LEDGER_%d", time.Now().UnixNano())
	session := laptoptest.OpenSnowflake(t, database)
	laptoptest.MakeTables(t, session, ddl.File(orders))
	return session, database
}

func run(ctx context.Context, session *snowflake.Session, statement string, args ...any) error {
	_, err := session.Exec(ctx, "run statement", statement, args...)
	return err
}

// record writes the ledger row of an object. The number of the object's rows equals the
// generation.
func record(ctx context.Context, session *snowflake.Session, id string, generation int, at time.Time) error {
	return run(ctx, session, "insert into raw.shop_order_loads (object, generation, load_id, bucket, key, version, etag, sequencer, size,"+
		" rows_read, rows_written, rows_rejected, rows_loaded, copy_query_id, loaded_at)"+
		" select ?, ?, 'l', 'b', ?, 'v', 'e', '7', 5, ?, ?, 1, ?, 'q', cast(? as timestamp_ltz)",
		id, generation, "k"+id, generation+1, generation, generation, at.Format(time.RFC3339Nano))
}

func rowOf(id string, generation int, at time.Time) ledger.Row {
	return ledger.Row{
		ID: object.ID(id), Object: object.Object{Bucket: "b", Key: "k" + id, Version: "v", ETag: "e", Sequencer: "7", Size: 5},
		Generation: generation, LoadID: "l", QueryID: "q",
		RowsRead: int64(generation) + 1, RowsWritten: int64(generation), RowsRejected: 1, RowsLoaded: int64(generation), LoadedAt: at,
	}
}

func TestPageAndFind(t *testing.T) {
	t.Parallel()
	session, _ := newTables(t)
	reader := ledger.Reader{Session: session}
	begin := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	var all []ledger.Row
	for i, id := range []string{"a", "b", "c", "d"} {
		at := begin.AddDate(0, 0, i)
		if err := record(t.Context(), session, id, i, at); err != nil {
			t.Fatal(err)
		}
		all = append(all, rowOf(id, i, at))
	}
	all[0].RowsRejected, all[2].RowsRejected = 0, 0
	if err := run(t.Context(), session, "update raw.shop_order_loads set rows_rejected = 0 where object in ('a', 'c')"); err != nil {
		t.Fatal(err)
	}
	none, third := ledger.Selection{}, ledger.Selection{Since: begin.AddDate(0, 0, 2)}
	rejects, thirdRejects := ledger.Selection{OnlyRejects: true}, ledger.Selection{Since: third.Since, OnlyRejects: true}
	for _, test := range []struct {
		after     object.ID
		selection ledger.Selection
		limit     int
		want      []ledger.Row
	}{
		{"", none, 10, all},
		{"", none, 3, all[:3]},
		{"c", none, 3, all[3:]},
		{"d", none, 3, []ledger.Row{}},
		{"", third, 10, all[2:]},
		{"c", third, 10, all[3:]},
		{"", rejects, 10, []ledger.Row{all[1], all[3]}},
		{"b", rejects, 10, all[3:]},
		{"", thirdRejects, 10, all[3:]},
	} {
		got, err := reader.Page(t.Context(), orders, test.after, test.selection, test.limit)
		if diff := cmp.Diff(test.want, got); err != nil || diff != "" {
			t.Errorf("Page after %q, %+v, limit %d: %v (-want +got):\n%s", test.after, test.selection, test.limit, err, diff)
		}
	}
	if got, found, err := reader.Find(t.Context(), orders, "c"); err != nil || !found || got != all[2] {
		t.Errorf("Find c: %+v, %t, %v", got, found, err)
	}
	if got, found, err := reader.Find(t.Context(), orders, "x"); err != nil || found {
		t.Errorf("Find x: %+v, %t, %v", got, found, err)
	}
}

func TestCountTablesCountsTablesAndLedger(t *testing.T) {
	t.Parallel()
	session, _ := newTables(t)
	at := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	check := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	check(record(t.Context(), session, "full", 2, at))
	check(record(t.Context(), session, "empty", 3, at))
	check(run(t.Context(), session, "insert into raw.shop_order (id, _firn_object, _firn_record)"+
		" select 1, 'full', 1 union all select 2, 'full', 2 union all select 3, 'orphan', 1"))
	check(run(t.Context(), session, "insert into raw.shop_order_rejects (rule, _firn_object, _firn_record) select 'r', 'full', 3 union all select 'r', 'rejected', 1"))
	check(run(t.Context(), session, "update raw.shop_order_loads set paused = true where object = ?", ddl.LockRow))
	account, err := ledger.Reader{Session: session}.CountTables(t.Context(), orders)
	check(err)
	full, empty := rowOf("full", 2, at), rowOf("empty", 3, at)
	want := map[object.ID]ledger.Count{
		"full": {ID: "full", Row: &full, Rows: 2, Rejects: 1}, "empty": {ID: "empty", Row: &empty},
		"orphan": {ID: "orphan", Rows: 1}, "rejected": {ID: "rejected", Rejects: 1},
	}
	got := make(map[object.ID]ledger.Count)
	for _, count := range account.Counts {
		got[count.ID] = count
	}
	if diff := cmp.Diff(want, got); diff != "" || len(account.Counts) != len(want) {
		t.Errorf("%d counts (-want +got):\n%s", len(account.Counts), diff)
	}
	if diff := cmp.Diff([]ledger.Lock{{Paused: true, Contract: "1.2.0"}}, account.Locks); diff != "" {
		t.Errorf("lock rows (-want +got):\n%s", diff)
	}
}

func TestReadWithoutTableFails(t *testing.T) {
	t.Parallel()
	session, _ := newTables(t)
	reader := ledger.Reader{Session: session}
	absent := &contract.Contract{Source: "shop", Entity: "nothing", Version: "1.0.0"}
	if _, err := reader.CountTables(t.Context(), absent); !errors.Is(err, ledger.ErrNoTable) {
		t.Errorf("CountTables: %v", err)
	}
	if _, err := reader.Page(t.Context(), absent, "", ledger.Selection{}, 1); !errors.Is(err, ledger.ErrNoTable) {
		t.Errorf("Page: %v", err)
	}
	if _, _, err := reader.Find(t.Context(), absent, "x"); !errors.Is(err, ledger.ErrNoTable) {
		t.Errorf("Find: %v", err)
	}
}

// TestCountTablesSeesWholeTransactions counts rows during the transactions of another
// session. Each transaction replaces an object's rows, ledger row and rejects.
func TestCountTablesSeesWholeTransactions(t *testing.T) {
	t.Parallel()
	session, database := newTables(t)
	loader := laptoptest.OpenSnowflake(t, database)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	var loads int
	go func() {
		for loads = 1; ctx.Err() == nil; loads++ {
			if err := replace(context.WithoutCancel(ctx), loader, loads%7+1); err != nil {
				ended <- err
				return
			}
		}
		ended <- nil
	}()
	reader := ledger.Reader{Session: session}
	seen := make(map[int64]bool)
	for range 25 {
		account, err := reader.CountTables(t.Context(), orders)
		if err != nil {
			t.Fatal(err)
		}
		for _, count := range account.Counts {
			if count.Row == nil || count.Rows != count.Row.RowsLoaded || count.Rejects != count.Row.RowsRejected {
				t.Errorf("part of a transaction: %+v", count)
				continue
			}
			seen[count.Rows] = true
		}
	}
	stop()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	if len(seen) < 2 {
		t.Errorf("saw %d states during %d loads, want at least 2", len(seen), loads)
	}
}

// replace reloads an object. The number of rows equals the generation.
func replace(ctx context.Context, session *snowflake.Session, generation int) error {
	steps := []func() error{
		func() error { return session.Begin(ctx) },
		func() error {
			return run(ctx, session, "update raw.shop_order_loads set seq = seq + 1 where object = ?", ddl.LockRow)
		},
		func() error { return run(ctx, session, "delete from raw.shop_order_loads where object = 'x'") },
		func() error { return run(ctx, session, "delete from raw.shop_order where _firn_object = 'x'") },
		func() error { return run(ctx, session, "delete from raw.shop_order_rejects where _firn_object = 'x'") },
		func() error { return record(ctx, session, "x", generation, time.Now()) },
		func() error {
			return run(ctx, session, "insert into raw.shop_order_rejects (rule, _firn_object, _firn_record) select 'r', 'x', 9")
		},
	}
	for i := range generation {
		steps = append(steps, func() error {
			return run(ctx, session, "insert into raw.shop_order (id, _firn_object, _firn_record) select ?, 'x', ?", i, i)
		})
	}
	for _, step := range append(steps, func() error { return session.Commit(ctx) }) {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}
