package loadtest

import (
	"fmt"
	"testing"

	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/load"
	"github.com/firn-data/firn/internal/object"
)

// refusal is a sequence of statements of which the last must be refused.
type refusal struct {
	name string
	// code is what both say.
	code fault.Code
	// allowedByStandIn is what the laptop's Snowflake lets pass, and so may an account;
	// the fake doesn't.
	allowedByStandIn bool
	// run returns the last statement's error.
	run func(t testing.TB, w *Fixture, s load.Session) error
}

// refusals hold the fake against the laptop's Snowflake: what that one refuses,
// the fake refuses too, by the same code.
var refusals = []refusal{
	{name: "a statement after a failed one", code: fault.Unexpected, run: func(t testing.TB, w *Fixture, s load.Session) error {
		failStatement(t, w, s)
		_, err := s.Count(t.Context(), load.Rows, []object.ID{"x"})
		return err
	}},
	{name: "COMMIT after a failed statement", code: fault.Unexpected, run: func(t testing.TB, w *Fixture, s load.Session) error {
		failStatement(t, w, s)
		return s.Commit(t.Context())
	}},
	{name: "BEGIN inside a transaction", code: fault.Unexpected, allowedByStandIn: true, run: func(t testing.TB, _ *Fixture, s load.Session) error {
		begin(t, s)
		return s.Begin(t.Context())
	}},
	{name: "COMMIT without a transaction", code: fault.Unexpected, allowedByStandIn: true, run: func(t testing.TB, _ *Fixture, s load.Session) error {
		return s.Commit(t.Context())
	}},
	{name: "DELETE without a transaction", code: fault.Unexpected, allowedByStandIn: true, run: func(t testing.TB, _ *Fixture, s load.Session) error {
		_, err := s.Delete(t.Context(), load.Rows, []object.ID{"x"}, load.Window{})
		return err
	}},
	{name: "a statement on a closed session", code: fault.SnowflakeAway, run: func(t testing.TB, _ *Fixture, s load.Session) error {
		begin(t, s)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		_, err := s.TakeLock(t.Context())
		return err
	}},
	{name: "a second taker of the lock", code: fault.LockBusy, run: func(t testing.TB, w *Fixture, s load.Session) error {
		other := open(t, w, w.Dataset)
		begin(t, other)
		takeLock(t, other)
		begin(t, s)
		_, err := s.TakeLock(t.Context())
		return err
	}},
	{name: "COPY of a file that isn't there", code: fault.ReceiptMissing, run: func(t testing.TB, w *Fixture, s load.Session) error {
		begin(t, s)
		return copyOf(t, s, false, file(w, "nowhere"))
	}},
	{name: "COPY of a file that isn't there, by force", code: fault.ReceiptMissing, run: func(t testing.TB, w *Fixture, s load.Session) error {
		begin(t, s)
		return copyOf(t, s, true, file(w, "nowhere"))
	}},
	{name: "COPY of a damaged file", code: fault.CopyRefused, run: func(t testing.TB, w *Fixture, s load.Session) error {
		w.Warehouse.Put(t, load.Rows, file(w, "damaged"), File{Broken: true})
		begin(t, s)
		return copyOf(t, s, false, file(w, "damaged"))
	}},
	{name: "COPY of 1,001 files", code: fault.CopyRefused, run: func(t testing.TB, w *Fixture, s load.Session) error {
		begin(t, s)
		names := make([]string, maximumFiles+1)
		for i := range names {
			names[i] = file(w, fmt.Sprint(i))
		}
		return copyOf(t, s, false, names...)
	}},
	{name: "COPY of no file", code: fault.CopyRefused, run: func(t testing.TB, _ *Fixture, s load.Session) error {
		begin(t, s)
		return copyOf(t, s, false)
	}},
	{name: "COPY into a table that isn't there", code: fault.TableMissing, run: func(t testing.TB, w *Fixture, _ load.Session) error {
		w.Warehouse.Put(t, load.Rows, file(w, "good"), File{Object: "x", Rows: 1})
		s := open(t, w, "no"+w.Dataset)
		begin(t, s)
		return copyOf(t, s, false, file(w, "good"))
	}},
	{name: "the lock of a table that isn't there", code: fault.TableMissing, run: func(t testing.TB, w *Fixture, _ load.Session) error {
		s := open(t, w, "no"+w.Dataset)
		begin(t, s)
		_, err := s.TakeLock(t.Context())
		return err
	}},
}

// behaviours are what both do, by name.
var behaviours = map[string]func(t testing.TB, w *Fixture, s load.Session){
	"a file that was loaded is skipped, and loaded by force": func(t testing.TB, w *Fixture, s load.Session) {
		w.Warehouse.Put(t, load.Rows, file(w, "good"), File{Object: "x", Rows: 2})
		begin(t, s)
		checkCopied(t, s, false, file(w, "good"), 2)
		commit(t, s)
		begin(t, s)
		checkCopied(t, s, false, file(w, "good"), -1)
		checkCopied(t, s, true, file(w, "good"), 2)
		commit(t, s)
		checkCount(t, w, 4)
	},
	"a file is skipped within its transaction": func(t testing.TB, w *Fixture, s load.Session) {
		w.Warehouse.Put(t, load.Rows, file(w, "good"), File{Object: "x", Rows: 2})
		begin(t, s)
		checkCopied(t, s, false, file(w, "good"), 2)
		checkCopied(t, s, false, file(w, "good"), -1)
		commit(t, s)
		checkCount(t, w, 2)
	},
	"DELETE keeps the load history": func(t testing.TB, w *Fixture, s load.Session) {
		w.Warehouse.Put(t, load.Rows, file(w, "good"), File{Object: "x", Rows: 2})
		begin(t, s)
		checkCopied(t, s, false, file(w, "good"), 2)
		if n, err := s.Delete(t.Context(), load.Rows, []object.ID{"x"}, load.Window{}); n != 2 || err != nil {
			t.Errorf("%d rows deleted (%v), want 2", n, err)
		}
		checkCopied(t, s, false, file(w, "good"), -1)
		commit(t, s)
		checkCount(t, w, 0)
	},
	"nobody sees rows before COMMIT, nor after ROLLBACK": func(t testing.TB, w *Fixture, s load.Session) {
		w.Warehouse.Put(t, load.Rows, file(w, "good"), File{Object: "x", Rows: 2})
		begin(t, s)
		checkCopied(t, s, false, file(w, "good"), 2)
		checkCount(t, w, 0)
		if err := s.Rollback(t.Context()); err != nil {
			t.Fatal(err)
		}
		checkCount(t, w, 0)
	},
	"a closed session rolls back and gives the lock back": func(t testing.TB, w *Fixture, _ load.Session) {
		w.Warehouse.Put(t, load.Rows, file(w, "good"), File{Object: "x", Rows: 2})
		gone, err := w.Warehouse.Open(t.Context(), w.Dataset, "gone")
		if err != nil {
			t.Fatal(err)
		}
		begin(t, gone)
		takeLock(t, gone)
		checkCopied(t, gone, false, file(w, "good"), 2)
		if err := gone.Close(); err != nil {
			t.Fatal(err)
		}
		next := open(t, w, w.Dataset)
		begin(t, next)
		takeLock(t, next)
		checkCount(t, w, 0)
	},
	"a transaction sees what was committed after its BEGIN": func(t testing.TB, w *Fixture, s load.Session) {
		o := object.Object{Bucket: Landing, Key: "k", Version: "v", Sequencer: "1"}
		begin(t, s)
		other := open(t, w, w.Dataset)
		begin(t, other)
		if err := other.Record(t.Context(), []load.LedgerRow{{ID: o.ID(), Object: o, LoadID: "other"}}); err != nil {
			t.Fatal(err)
		}
		commit(t, other)
		takeLock(t, s)
		if _, rows, err := s.ReadLedger(t.Context(), []load.Key{load.KeyOf(o)}, nil); len(rows) != 1 || err != nil {
			t.Errorf("%d ledger rows (%v), want 1", len(rows), err)
		}
	},
}

// CheckRefusals holds a bench to what must be refused, and to what both benches do.
// The strict one refuses more than the other.
func CheckRefusals(t *testing.T, bench WarehouseUnderTest) {
	_, strict := bench.(*Fake)
	for _, r := range refusals {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			w := NewFixture(t, bench)
			err := r.run(t, w, open(t, w, w.Dataset))
			switch f := fault.As(err); {
			case f == nil && r.allowedByStandIn && !strict:
			case f == nil:
				t.Errorf("it was let through, want %s", r.code)
			case f.Code != r.code:
				t.Errorf("refused as %s: %v; want %s", f.Code, f, r.code)
			}
		})
	}
	for name, run := range behaviours {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := NewFixture(t, bench)
			run(t, w, open(t, w, w.Dataset))
		})
	}
}

// open opens a session that ends with the test.
func open(t testing.TB, w *Fixture, dataset string) load.Session {
	t.Helper()
	s, err := w.Warehouse.Open(t.Context(), dataset, "by hand")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() }) // some cases close it themselves
	return s
}

func begin(t testing.TB, s load.Session) {
	t.Helper()
	if err := s.Begin(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func commit(t testing.TB, s load.Session) {
	t.Helper()
	if err := s.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func takeLock(t testing.TB, s load.Session) {
	t.Helper()
	if n, err := s.TakeLock(t.Context()); n != 1 || err != nil {
		t.Fatalf("%d lock rows: %v", n, err)
	}
}

// failStatement opens a transaction and lets a statement fail in it.
func failStatement(t testing.TB, w *Fixture, s load.Session) {
	t.Helper()
	begin(t, s)
	if err := copyOf(t, s, false, file(w, "nowhere")); err == nil {
		t.Fatal("a missing file was copied")
	}
}

// file is the name of a file of this world's.
func file(w *Fixture, name string) string { return w.Dataset + "/" + name + ".parquet" }

func copyOf(t testing.TB, s load.Session, force bool, names ...string) error {
	t.Helper()
	_, err := s.Copy(t.Context(), load.Rows, names, force)
	return err
}

// checkCopied copies one file; -1 rows are a skipped one.
func checkCopied(t testing.TB, s load.Session, force bool, name string, want int64) {
	t.Helper()
	copied, err := s.Copy(t.Context(), load.Rows, []string{name}, force)
	if err != nil {
		t.Fatal(err)
	}
	got, found := copied.Loaded[name]
	if !found {
		got = -1
	}
	if got != want {
		t.Errorf("COPY brought %d rows, want %d (-1 is skipped)", got, want)
	}
}

// checkCount counts the rows of all objects that were committed.
func checkCount(t testing.TB, w *Fixture, want int64) {
	t.Helper()
	got := int64(0)
	for _, n := range w.Warehouse.Contents(t, w.Dataset).Rows {
		got += n
	}
	if got != want {
		t.Errorf("the table has %d rows, want %d", got, want)
	}
}
