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

// Landing is the bucket of a fixture's objects.
const Landing = "landing"

const curated = "curated"

// Fixture is a loader on a warehouse, for one dataset. Journal, receipts, publisher and
// versions are in memory.
type Fixture struct {
	Warehouse WarehouseUnderTest
	Loader    *load.Loader
	Journal   *Journal
	Receipts  *Receipts
	Publisher *Publisher
	Files     *Files
	Notices   *Notices
	Versions  Versions
	Dataset   string
	// Contract is the contract of the dataset for loaders from later calls of
	// NewLoaderOn. If nil, the loaders have no contract.
	Contract *contract.Contract
	// WrapWarehouse wraps the warehouse of each new loader, for example to remove a
	// barrier. Nil leaves the warehouse unwrapped.
	WrapWarehouse func(load.Warehouse) load.Warehouse

	messages atomic.Int64
}

// NewFixture creates a dataset with a random name in the warehouse.
func NewFixture(t testing.TB, warehouse WarehouseUnderTest) *Fixture {
	t.Helper()
	fixture := &Fixture{
		Warehouse: warehouse, Journal: NewJournal(), Receipts: NewReceipts(), Publisher: &Publisher{}, Files: &Files{}, Notices: &Notices{}, Versions: make(Versions),
		Dataset: "t" + strings.ReplaceAll(uuid.NewString()[:13], "-", "") + ".case",
	}
	warehouse.Create(t, fixture.Dataset)
	fixture.Loader = fixture.NewLoaderOn(warehouse)
	return fixture
}

// NewModeFixture creates a dataset with the view of its current rows. The function
// change sets the contract's mode.
func NewModeFixture(t testing.TB, db *Snowflake, change func(*contract.Contract)) *Fixture {
	t.Helper()
	fixture := NewFixture(t, db)
	fixture.Dataset = "m" + fixture.Dataset
	c := ModeContract(fixture.Dataset)
	change(c)
	db.CreateFrom(t, c)
	fixture.Contract = c
	fixture.Loader = fixture.NewLoaderOn(db)
	return fixture
}

// ModeContract returns a contract in mode append, with a primary key and a column
// "updated" for the order.
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

// HoldLock takes the dataset's lock in a separate session. The returned function
// releases the lock.
func (f *Fixture) HoldLock(t testing.TB) (release func()) {
	t.Helper()
	holder, err := f.Warehouse.Open(t.Context(), f.Dataset, "holder")
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
		if err := holder.Close(); err != nil { // rolls back the transaction
			t.Fatal(err)
		}
	}
}

// NewLoaderOn returns a loader of this fixture on another warehouse.
func (f *Fixture) NewLoaderOn(on load.Warehouse) *load.Loader {
	var contracts contract.Set
	if f.Contract != nil {
		contracts = contract.Set{f.Contract}
	}
	if f.WrapWarehouse != nil {
		on = f.WrapWarehouse(on)
	}
	return &load.Loader{
		Contracts: contracts,
		Warehouse: on, Receipts: f.Receipts, Versions: f.Versions, Journal: f.Journal, Publisher: f.Publisher, Files: f.Files, Notices: f.Notices,
		CuratedBucket: curated, NewID: uuid.NewString,
	}
}

// Delivery describes one transformed version of a key.
type Delivery struct {
	// Key defaults to "a.csv", and Version to "v1". An empty Sequencer means no
	// sequencer.
	Key, Version, Sequencer string
	Rows, Rejects           int64
	Generation              int
	// Values has the content of the rows, for tests that compare the content. If Values
	// is set, its length replaces Rows.
	Values []Value
	// Content is the hash of the object's bytes. The default is a different hash for
	// each key and version.
	Content string
	// Contract defaults to 1.0.0, the contract version of the tables.
	Contract string
	// Claimed is the number of rows in the receipt. The default is Rows; another value
	// makes the receipt wrong.
	Claimed int64
	// Missing files don't exist, and Broken files aren't Parquet. Anonymous files are
	// broken too, but the error of COPY doesn't name the file.
	Missing, Broken, Anonymous bool
	// Files is the number of data files for the rows. The default is 1.
	Files int64
	// Extra are the columns of the object that the contract doesn't have.
	Extra []string
}

// Delivered is a transformed object with its receipt and its load message.
type Delivered struct {
	ID      object.ID
	Object  object.Object
	Receipt work.Receipt
	Work    work.Work
}

// Deliver writes the files, the receipt and the journal entry of a transformed object.
func (f *Fixture) Deliver(t testing.TB, d Delivery) Delivered {
	t.Helper()
	d.defaults()
	o := object.Object{
		Bucket: Landing, Key: strings.Replace(f.Dataset, ".", "/", 1) + "/" + d.Key, Version: d.Version,
		ETag: "etag", Size: 100, Sequencer: object.NormalizeSequencer(d.Sequencer),
	}
	attempt := object.Attempt{Dataset: f.Dataset, Object: o.ID(), Name: object.AttemptName(d.Generation, 1, "a")}
	receipt := work.Receipt{
		Object: o, Dataset: f.Dataset, ObjectID: o.ID(), Contract: d.Contract, Generation: d.Generation,
		Attempt: attempt.Name, Engine: "lambda", Outcome: work.Accepted, ContentHash: d.Content,
		StartedAt: time.Unix(1764000000, 0).UTC(), FinishedAt: time.Unix(1764000001, 0).UTC(),
		RowsWritten: d.Claimed, RowsRejected: d.Rejects, RowsRead: d.Claimed + d.Rejects,
		Data: f.putData(t, attempt, d), Rejects: []work.File{}, ExtraColumns: d.Extra,
	}
	if d.Rejects > 0 {
		name := attempt.Rejects(0)
		f.Warehouse.Put(t, load.Rejects, name, File{Object: o.ID(), Rows: d.Rejects})
		receipt.Rejects = append(receipt.Rejects, work.File{Key: name, Rows: d.Rejects, Bytes: 100})
	}
	at := work.Location{Bucket: curated, Key: attempt.Receipt()}
	f.Receipts.Put(at, receipt)
	f.Journal.Transformed(receipt, at)
	return Delivered{ID: o.ID(), Object: o, Receipt: receipt, Work: work.Work{
		Stage: work.Load, Dataset: f.Dataset, Object: o, Generation: d.Generation, Receipt: &at,
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

// putData spreads the rows over the data files. The last file has the whole difference
// between the claimed rows and the real rows.
func (f *Fixture) putData(t testing.TB, attempt object.Attempt, d Delivery) []work.File {
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
			f.Warehouse.Put(t, load.Rows, name, File{Object: attempt.Object, Rows: rows, Values: d.Values, Broken: d.Broken || d.Anonymous, Anonymous: d.Anonymous})
		}
		files = append(files, work.File{Key: name, Rows: claimed, Bytes: 100})
	}
	return files
}

// Message returns a new message that asks for a load of the object.
func (f *Fixture) Message(d Delivered) batch.Message {
	return batch.Message{ID: fmt.Sprintf("m%d", f.messages.Add(1)), Body: d.Work.Encode(), Queue: "load", Receives: 1}
}

// Handle gives the loader one batch. The errors are in the order of the deliveries.
func (f *Fixture) Handle(t testing.TB, deliveries ...Delivered) []error {
	t.Helper()
	return f.HandleWith(t, f.Loader, deliveries...)
}

// HandleWith is Handle with another loader.
func (f *Fixture) HandleWith(t testing.TB, loader *load.Loader, deliveries ...Delivered) []error {
	t.Helper()
	messages := make([]batch.Message, len(deliveries))
	for i, d := range deliveries {
		messages[i] = f.Message(d)
	}
	failed := loader.Handle(t.Context(), messages)
	errs := make([]error, len(deliveries))
	for i, m := range messages {
		errs[i] = failed[m.ID]
	}
	return errs
}

// MustHandle fails the test if a message fails.
func (f *Fixture) MustHandle(t testing.TB, deliveries ...Delivered) {
	t.Helper()
	for i, err := range f.Handle(t, deliveries...) {
		if err != nil {
			t.Errorf("message %d: %v", i, err)
		}
	}
}

// HandleUntilDone repeats the message, as a queue does, while another loader has the
// lock.
func (f *Fixture) HandleUntilDone(t testing.TB, d Delivered) {
	t.Helper()
	for {
		failure := fault.As(f.Handle(t, d)[0])
		if failure == nil {
			return
		}
		if failure.Code != fault.LockBusy || t.Context().Err() != nil {
			t.Error(failure)
			return
		}
	}
}

// CheckRows compares the rows of each object in the raw table with the wanted rows. In
// every case, CheckRows also compares the ledger with the tables of rows and rejects.
func (f *Fixture) CheckRows(t testing.TB, want map[object.ID]int64) Contents {
	t.Helper()
	got := f.Warehouse.Contents(t, f.Dataset)
	if diff := cmp.Diff(want, got.Rows); diff != "" {
		t.Errorf("rows of each object (-want +got):\n%s", diff)
	}
	ledger := make(map[object.ID]int64)
	keys := make(map[load.Key]bool)
	for _, r := range got.Ledger {
		if r.RowsWritten != r.RowsLoaded || r.RowsRead != r.RowsLoaded+r.RowsRejected {
			t.Errorf("wrong sums in ledger row %s: read %d, written %d, rejected %d, loaded %d",
				r.ID, r.RowsRead, r.RowsWritten, r.RowsRejected, r.RowsLoaded)
		}
		if keys[load.KeyOf(r.Object)] {
			t.Errorf("the ledger has two rows of %s", r.Object.URI())
		}
		keys[load.KeyOf(r.Object)] = true
		if r.RowsLoaded > 0 {
			ledger[r.ID] += r.RowsLoaded
		}
		if r.RowsRejected != got.Rejects[r.ID] {
			t.Errorf("ledger row %s counts %d rejects, the table has %d", r.ID, r.RowsRejected, got.Rejects[r.ID])
		}
	}
	if diff := cmp.Diff(ledger, got.Rows); diff != "" {
		t.Errorf("rows of each object in the ledger and in the table (-ledger +table):\n%s", diff)
	}
	return got
}

// CheckState checks the state of an object in the journal.
func (f *Fixture) CheckState(t testing.TB, id object.ID, want journal.State) {
	t.Helper()
	entry, err := f.Journal.Get(context.Background(), id)
	if err != nil || entry.State != want {
		t.Errorf("journal state of %s: %q (%v), want %q", id, entry.State, err, want)
	}
}

// CheckFault checks an error's code, disposition and object id.
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
