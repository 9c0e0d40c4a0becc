package loadtest

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/firn-data/firn/internal/batch"
	"github.com/firn-data/firn/internal/contract"
	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/journal"
	"github.com/firn-data/firn/internal/load"
	"github.com/firn-data/firn/internal/object"
	"github.com/firn-data/firn/internal/work"
)

// Landing is the bucket of a world's objects.
const Landing = "landing"

const curated = "curated"

// Fixture is a loader on a bench, with everything around it in memory, for one
// dataset.
type Fixture struct {
	Warehouse WarehouseUnderTest
	Loader    *load.Loader
	Journal   *Journal
	Receipts  *Receipts
	Publisher *Publisher
	Versions  Versions
	Dataset   string
	// Contract is what loaders made from now on know of the dataset; nil for
	// nothing.
	Contract *contract.Contract
	// WrapWarehouse wraps every warehouse that a loader of this world gets: what
	// takes a barrier away. Nil takes none.
	WrapWarehouse func(load.Warehouse) load.Warehouse

	messages atomic.Int64
}

// NewFixture makes a dataset of its own on the bench.
func NewFixture(t testing.TB, bench WarehouseUnderTest) *Fixture {
	t.Helper()
	w := &Fixture{
		Warehouse: bench, Journal: NewJournal(), Receipts: NewReceipts(), Publisher: &Publisher{}, Versions: make(Versions),
		Dataset: "t" + strings.ReplaceAll(uuid.NewString()[:13], "-", "") + ".case",
	}
	bench.Create(t, w.Dataset)
	w.Loader = w.NewLoaderOn(bench)
	return w
}

// NewModeFixture makes a dataset of a mode, with the view of its current rows.
func NewModeFixture(t testing.TB, l *Snowflake, change func(*contract.Contract)) *Fixture {
	t.Helper()
	w := NewFixture(t, l)
	w.Dataset = "m" + w.Dataset
	c := ModeContract(w.Dataset)
	change(c)
	l.CreateFrom(t, c)
	return w
}

// ModeContract is a contract of rows with a primary key and a time, in mode
// append.
func ModeContract(dataset string) *contract.Contract {
	source, entity, _ := strings.Cut(dataset, ".")
	return &contract.Contract{
		Source: source, Entity: entity, Version: "1.0.0", KeyPrefix: source + "/" + entity + "/", Mode: contract.Append,
		Columns: []contract.Column{
			{Name: "id", Type: contract.Integer, PrimaryKey: 1, Required: true},
			{Name: "updated", Type: contract.Integer},
			{Name: "name", Type: contract.String},
		},
	}
}

// HoldLock takes the dataset's lock in a session of its own, until release.
func (w *Fixture) HoldLock(t testing.TB) (release func()) {
	t.Helper()
	holder, err := w.Warehouse.Open(t.Context(), w.Dataset, "holder")
	if err != nil {
		t.Fatal(err)
	}
	if err := holder.Begin(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := holder.TakeLock(t.Context()); err != nil {
		t.Fatal(err)
	}
	return func() {
		t.Helper()
		if err := holder.Close(); err != nil { // rolls back
			t.Fatal(err)
		}
	}
}

// NewLoaderOn returns a loader of this world on another warehouse.
func (w *Fixture) NewLoaderOn(on load.Warehouse) *load.Loader {
	var contracts contract.Set
	if w.Contract != nil {
		contracts = contract.Set{w.Contract}
	}
	if w.WrapWarehouse != nil {
		on = w.WrapWarehouse(on)
	}
	return &load.Loader{
		Contracts: contracts,
		Warehouse: on, Receipts: w.Receipts, Versions: w.Versions, Journal: w.Journal, Publisher: w.Publisher,
		CuratedBucket: curated, NewID: uuid.NewString,
	}
}

// Delivery is one version of a key, transformed.
type Delivery struct {
	// Key defaults to "a.csv", Version to "v1"; no Sequencer is none.
	Key, Version, Sequencer string
	Rows, Rejects           int64
	Generation              int
	// Values are the rows, where it matters what is in them; Rows then follows.
	Values []Value
	// Content is the hash of the object's bytes. Defaults to one of its own.
	Content string
	// Contract defaults to 1.0.0, the tables' own.
	Contract string
	// Claimed is what the receipt says of the rows, if it lies.
	Claimed int64
	// Missing files aren't there; Broken ones are no Parquet; Anonymous ones
	// are refused without a name.
	Missing, Broken, Anonymous bool
	// Files is how many data files the rows are in; defaults to 1.
	Files int64
}

// Delivered is what a delivery left behind.
type Delivered struct {
	ID      object.ID
	Object  object.Object
	Receipt work.Receipt
	Work    work.Work
}

// Deliver writes the files, the receipt and the journal entry of a transformed
// object.
func (w *Fixture) Deliver(t testing.TB, d Delivery) Delivered {
	t.Helper()
	d.defaults()
	o := object.Object{
		Bucket: Landing, Key: strings.Replace(w.Dataset, ".", "/", 1) + "/" + d.Key, Version: d.Version,
		ETag: "etag", Size: 100, Sequencer: object.NormalizeSequencer(d.Sequencer),
	}
	attempt := object.Attempt{Dataset: w.Dataset, Object: o.ID(), Name: fmt.Sprintf("attempt-%d", d.Generation)}
	receipt := work.Receipt{
		Object: o, Dataset: w.Dataset, ObjectID: o.ID(), Contract: d.Contract, Generation: d.Generation,
		Attempt: attempt.Name, Engine: "lambda", Outcome: work.Accepted, ContentHash: d.Content,
		StartedAt: time.Unix(1764000000, 0).UTC(), FinishedAt: time.Unix(1764000001, 0).UTC(),
		RowsWritten: d.Claimed, RowsRejected: d.Rejects, RowsRead: d.Claimed + d.Rejects,
		Data: w.putData(t, attempt, d), Rejects: []work.File{},
	}
	if d.Rejects > 0 {
		name := attempt.Rejects(0)
		w.Warehouse.Put(t, load.Rejects, name, File{Object: o.ID(), Rows: d.Rejects})
		receipt.Rejects = append(receipt.Rejects, work.File{Key: name, Rows: d.Rejects, Bytes: 100})
	}
	at := work.Location{Bucket: curated, Key: attempt.Receipt()}
	w.Receipts.Put(at, receipt)
	w.Journal.Transformed(receipt, at)
	return Delivered{ID: o.ID(), Object: o, Receipt: receipt, Work: work.Work{
		Stage: work.Load, Dataset: w.Dataset, Object: o, Generation: d.Generation, Receipt: &at,
	}}
}

func (d *Delivery) defaults() {
	if d.Key == "" {
		d.Key = "a.csv"
	}
	if d.Version == "" {
		d.Version = "v1"
	}
	if d.Contract == "" {
		d.Contract = "1.0.0"
	}
	if d.Values != nil {
		d.Rows = int64(len(d.Values))
	}
	if d.Claimed == 0 {
		d.Claimed = d.Rows
	}
	if d.Content == "" {
		d.Content = "sha256:" + d.Key + d.Version
	}
	if d.Files == 0 {
		d.Files = 1
	}
}

// putData spreads the rows over the files; what the receipt claims too much or
// too little is the last one's.
func (w *Fixture) putData(t testing.TB, attempt object.Attempt, d Delivery) []work.File {
	t.Helper()
	var files []work.File
	for n := range d.Files {
		rows := d.Rows / d.Files
		claimed := rows
		if n == d.Files-1 {
			rows = d.Rows - rows*(d.Files-1)
			claimed = rows + d.Claimed - d.Rows
		}
		name := attempt.Data(int(n))
		if !d.Missing {
			w.Warehouse.Put(t, load.Rows, name, File{Object: attempt.Object, Rows: rows, Values: d.Values, Broken: d.Broken || d.Anonymous, Anonymous: d.Anonymous})
		}
		files = append(files, work.File{Key: name, Rows: claimed, Bytes: 100})
	}
	return files
}

// Message returns a new message that asks for the object.
func (w *Fixture) Message(d Delivered) batch.Message {
	return batch.Message{ID: fmt.Sprintf("m%d", w.messages.Add(1)), Body: d.Work.Encode(), Queue: "load", Receives: 1}
}

// Handle gives the loader one batch and returns the errors in the order of the
// deliveries.
func (w *Fixture) Handle(t testing.TB, deliveries ...Delivered) []error {
	t.Helper()
	return w.HandleWith(t, w.Loader, deliveries...)
}

// HandleWith is Handle with a loader of the caller's.
func (w *Fixture) HandleWith(t testing.TB, loader *load.Loader, deliveries ...Delivered) []error {
	t.Helper()
	messages := make([]batch.Message, len(deliveries))
	for i, d := range deliveries {
		messages[i] = w.Message(d)
	}
	failed := loader.Handle(t.Context(), messages)
	errs := make([]error, len(deliveries))
	for i, m := range messages {
		errs[i] = failed[m.ID]
	}
	return errs
}

// MustHandle fails the test if a message isn't done.
func (w *Fixture) MustHandle(t testing.TB, deliveries ...Delivered) {
	t.Helper()
	for i, err := range w.Handle(t, deliveries...) {
		if err != nil {
			t.Errorf("message %d: %v", i, err)
		}
	}
}

// HandleUntilDone delivers an object as a queue does: again, while another
// loader has the lock.
func (w *Fixture) HandleUntilDone(t testing.TB, d Delivered) {
	t.Helper()
	for {
		f := fault.As(w.Handle(t, d)[0])
		if f == nil {
			return
		}
		if f.Code != fault.LockBusy || t.Context().Err() != nil {
			t.Error(f)
			return
		}
	}
}

// CheckRows holds the raw table against what it should have, and the ledger
// against the table, whatever the case was about.
func (w *Fixture) CheckRows(t testing.TB, want map[object.ID]int64) Contents {
	t.Helper()
	got := w.Warehouse.Contents(t, w.Dataset)
	if diff := cmp.Diff(want, got.Rows); diff != "" {
		t.Errorf("rows of each object (-want +got):\n%s", diff)
	}
	ledger := make(map[object.ID]int64)
	keys := make(map[load.Key]bool)
	for _, r := range got.Ledger {
		if r.RowsWritten != r.RowsLoaded || r.RowsRead != r.RowsLoaded+r.RowsRejected {
			t.Errorf("ledger row %s doesn't add up: read %d, written %d, rejected %d, loaded %d",
				r.ID, r.RowsRead, r.RowsWritten, r.RowsRejected, r.RowsLoaded)
		}
		if keys[load.KeyOf(r.Object)] {
			t.Errorf("the ledger has two rows for %s", r.Object.URI())
		}
		keys[load.KeyOf(r.Object)] = true
		if r.RowsLoaded > 0 {
			ledger[r.ID] += r.RowsLoaded
		}
		if r.RowsRejected != got.Rejects[r.ID] {
			t.Errorf("ledger row %s has %d rejects, the table %d", r.ID, r.RowsRejected, got.Rejects[r.ID])
		}
	}
	if diff := cmp.Diff(ledger, got.Rows); diff != "" {
		t.Errorf("the ledger isn't what the table holds (-ledger +table):\n%s", diff)
	}
	return got
}

// CheckState holds the journal's state of an object.
func (w *Fixture) CheckState(t testing.TB, id object.ID, want journal.State) {
	t.Helper()
	entry, err := w.Journal.Get(context.Background(), id)
	if err != nil || entry.State != want {
		t.Errorf("journal has %s as %q (%v), want %q", id, entry.State, err, want)
	}
}

// CheckFault holds an error's code and disposition, and that it names the
// object.
func CheckFault(t testing.TB, err error, code fault.Code, disposition fault.Disposition, id object.ID) *fault.Fault {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want %s", code)
	}
	f := fault.As(err)
	if f.Code != code || f.Disposition != disposition {
		t.Errorf("got %s, %s: %v; want %s, %s", f.Code, f.Disposition, f, code, disposition)
	}
	if f.ObjectID != string(id) {
		t.Errorf("the fault names object %q, want %q", f.ObjectID, id)
	}
	return f
}
