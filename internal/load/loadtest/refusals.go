package loadtest

import (
	"fmt"
	"testing"

	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/load"
	"github.com/firn-data/firn/internal/object"
)

// refusal is a sequence of statements. The warehouse must refuse the last statement.
type refusal struct {
	name string
	// code is the fault code in the fake and in Snowflake.
	code fault.Code
	// allowedByStandIn marks a statement that the laptop's Snowflake allows, and
	// perhaps an account too. The fake refuses the statement.
	allowedByStandIn bool
	// run returns the last statement's error.
	run func(t testing.TB, fixture *Fixture, s load.Session) error
}

// refusals compare the fake with the laptop's Snowflake. The fake refuses every
// statement that the laptop's Snowflake refuses, with the same code.
var refusals = []refusal{
	{name: "a statement after a failed statement", code: fault.LockBusy, run: func(t testing.TB, fixture *Fixture, s load.Session) error {
		failStatement(t, fixture, s)
		_, err := s.Count(t.Context(), load.Rows, []object.ID{"x"})
		return err
	}},
	{name: "COMMIT after a failed statement", code: fault.LockBusy, run: func(t testing.TB, fixture *Fixture, s load.Session) error {
		failStatement(t, fixture, s)
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
	{name: "a second session that takes the lock", code: fault.LockBusy, run: func(t testing.TB, fixture *Fixture, s load.Session) error {
		other := open(t, fixture, fixture.Dataset)
		begin(t, other)
		takeLock(t, other)
		begin(t, s)
		_, err := s.TakeLock(t.Context())
		return err
	}},
	{name: "COPY of a missing file", code: fault.ReceiptMissing, run: func(t testing.TB, fixture *Fixture, s load.Session) error {
		begin(t, s)
		return copyOf(t, s, false, file(fixture, "nowhere"))
	}},
	{name: "COPY of a missing file, with FORCE", code: fault.ReceiptMissing, run: func(t testing.TB, fixture *Fixture, s load.Session) error {
		begin(t, s)
		return copyOf(t, s, true, file(fixture, "nowhere"))
	}},
	{name: "COPY of a damaged file", code: fault.CopyRefused, run: func(t testing.TB, fixture *Fixture, s load.Session) error {
		fixture.Warehouse.Put(t, load.Rows, file(fixture, "damaged"), File{Broken: true})
		begin(t, s)
		return copyOf(t, s, false, file(fixture, "damaged"))
	}},
	{name: "COPY of 1,001 files", code: fault.CopyRefused, run: func(t testing.TB, fixture *Fixture, s load.Session) error {
		begin(t, s)
		names := make([]string, maximumFiles+1)
		for i := range names {
			names[i] = file(fixture, fmt.Sprint(i))
		}
		return copyOf(t, s, false, names...)
	}},
	{name: "COPY of no file", code: fault.CopyRefused, run: func(t testing.TB, _ *Fixture, s load.Session) error {
		begin(t, s)
		return copyOf(t, s, false)
	}},
	{name: "COPY into a missing table", code: fault.TableMissing, run: func(t testing.TB, fixture *Fixture, _ load.Session) error {
		fixture.Warehouse.Put(t, load.Rows, file(fixture, "good"), File{Object: "x", Rows: 1})
		s := open(t, fixture, "no"+fixture.Dataset)
		begin(t, s)
		return copyOf(t, s, false, file(fixture, "good"))
	}},
	{name: "the lock of a missing table", code: fault.TableMissing, run: func(t testing.TB, fixture *Fixture, _ load.Session) error {
		s := open(t, fixture, "no"+fixture.Dataset)
		begin(t, s)
		_, err := s.TakeLock(t.Context())
		return err
	}},
}

// behaviours are common behaviours of the fake and Snowflake, by name.
var behaviours = map[string]func(t testing.TB, fixture *Fixture, s load.Session){
	"a loaded file is skipped, and loaded with FORCE": func(t testing.TB, fixture *Fixture, s load.Session) {
		fixture.Warehouse.Put(t, load.Rows, file(fixture, "good"), File{Object: "x", Rows: 2})
		begin(t, s)
		checkCopied(t, s, false, file(fixture, "good"), 2)
		commit(t, s)
		begin(t, s)
		checkCopied(t, s, false, file(fixture, "good"), -1)
		checkCopied(t, s, true, file(fixture, "good"), 2)
		commit(t, s)
		checkCount(t, fixture, 4)
	},
	"a file is skipped within the same transaction": func(t testing.TB, fixture *Fixture, s load.Session) {
		fixture.Warehouse.Put(t, load.Rows, file(fixture, "good"), File{Object: "x", Rows: 2})
		begin(t, s)
		checkCopied(t, s, false, file(fixture, "good"), 2)
		checkCopied(t, s, false, file(fixture, "good"), -1)
		commit(t, s)
		checkCount(t, fixture, 2)
	},
	"DELETE keeps the load history": func(t testing.TB, fixture *Fixture, s load.Session) {
		fixture.Warehouse.Put(t, load.Rows, file(fixture, "good"), File{Object: "x", Rows: 2})
		begin(t, s)
		checkCopied(t, s, false, file(fixture, "good"), 2)
		if n, err := s.Delete(t.Context(), load.Rows, []object.ID{"x"}, load.Window{}); n != 2 || err != nil {
			t.Errorf("%d rows deleted (%v), want 2", n, err)
		}
		checkCopied(t, s, false, file(fixture, "good"), -1)
		commit(t, s)
		checkCount(t, fixture, 0)
	},
	"no session sees rows before COMMIT or after ROLLBACK": func(t testing.TB, fixture *Fixture, s load.Session) {
		fixture.Warehouse.Put(t, load.Rows, file(fixture, "good"), File{Object: "x", Rows: 2})
		begin(t, s)
		checkCopied(t, s, false, file(fixture, "good"), 2)
		checkCount(t, fixture, 0)
		if err := s.Rollback(t.Context()); err != nil {
			t.Fatal(err)
		}
		checkCount(t, fixture, 0)
	},
	"a closed session rolls back and releases the lock": func(t testing.TB, fixture *Fixture, _ load.Session) {
		fixture.Warehouse.Put(t, load.Rows, file(fixture, "good"), File{Object: "x", Rows: 2})
		gone, err := fixture.Warehouse.Open(t.Context(), fixture.Dataset, "gone")
		if err != nil {
			t.Fatal(err)
		}
		begin(t, gone)
		takeLock(t, gone)
		checkCopied(t, gone, false, file(fixture, "good"), 2)
		if err := gone.Close(); err != nil {
			t.Fatal(err)
		}
		next := open(t, fixture, fixture.Dataset)
		begin(t, next)
		takeLock(t, next)
		checkCount(t, fixture, 0)
	},
	"a transaction sees commits from after its BEGIN": func(t testing.TB, fixture *Fixture, s load.Session) {
		o := object.Object{Bucket: Landing, Key: "k", Version: "v", Sequencer: "1"}
		begin(t, s)
		other := open(t, fixture, fixture.Dataset)
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

// CheckRefusals runs all refusals and all common behaviours. The fake must also refuse
// the statements with allowedByStandIn.
func CheckRefusals(t *testing.T, warehouse WarehouseUnderTest) {
	_, strict := warehouse.(*Fake)
	for _, r := range refusals {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			fixture := NewFixture(t, warehouse)
			err := r.run(t, fixture, open(t, fixture, fixture.Dataset))
			switch f := fault.As(err); {
			case f == nil && r.allowedByStandIn && !strict:
			case f == nil:
				t.Errorf("the statement succeeded, want %s", r.code)
			case f.Code != r.code:
				t.Errorf("refused as %s: %v; want %s", f.Code, f, r.code)
			}
		})
	}
	for name, run := range behaviours {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fixture := NewFixture(t, warehouse)
			run(t, fixture, open(t, fixture, fixture.Dataset))
		})
	}
}

// open opens a session and closes the session at the end of the test.
func open(t testing.TB, fixture *Fixture, dataset string) load.Session {
	t.Helper()
	s, err := fixture.Warehouse.Open(t.Context(), dataset, "by hand")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() }) // some cases close the session earlier
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

// failStatement begins a transaction and runs a statement that fails.
func failStatement(t testing.TB, fixture *Fixture, s load.Session) {
	t.Helper()
	begin(t, s)
	if err := copyOf(t, s, false, file(fixture, "nowhere")); err == nil {
		t.Fatal("a missing file was copied")
	}
}

// file returns the name of a file for the fixture's dataset.
func file(fixture *Fixture, name string) string { return fixture.Dataset + "/" + name + ".parquet" }

func copyOf(t testing.TB, s load.Session, force bool, names ...string) error {
	t.Helper()
	_, err := s.Copy(t.Context(), load.Rows, names, force)
	return err
}

// checkCopied copies one file and checks its number of rows. -1 means a skipped file.
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
		t.Errorf("COPY loaded %d rows, want %d (-1 is skipped)", got, want)
	}
}

// checkCount checks the number of committed rows of all objects.
func checkCount(t testing.TB, fixture *Fixture, want int64) {
	t.Helper()
	got := int64(0)
	for _, n := range fixture.Warehouse.Contents(t, fixture.Dataset).Rows {
		got += n
	}
	if got != want {
		t.Errorf("the table has %d rows, want %d", got, want)
	}
}
