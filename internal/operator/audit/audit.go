// Package audit compares the landing bucket, the journal, the ledgers and the tables.
// Each difference has a command for the operator. The audit changes nothing and locks
// nothing.
package audit

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/firn-data/firn/internal/contract"
	"github.com/firn-data/firn/internal/journal"
	"github.com/firn-data/firn/internal/object"
	"github.com/firn-data/firn/internal/snowflake/ledger"
)

// Journal reads the journal.
type Journal interface {
	// Each calls do for every entry.
	Each(ctx context.Context, do func(journal.Entry)) error
	// EachOf calls do for the entry of each id.
	EachOf(ctx context.Context, ids []object.ID, do func(journal.Entry)) error
	// EachInWorkIndex calls do for the id of each object of a dataset that waits for a
	// load, that failed, or whose message was never sent.
	EachInWorkIndex(ctx context.Context, dataset string, do func(object.ID)) error
	// EachStuck calls do for each object in the state without progress since before the
	// time, until do returns false.
	EachStuck(ctx context.Context, state journal.State, before time.Time, do func(journal.Entry) bool) error
}

// Objects has the audit's calls of S3.
type Objects interface {
	ListObjectVersions(context.Context, *s3.ListObjectVersionsInput, ...func(*s3.Options)) (*s3.ListObjectVersionsOutput, error)
	ListObjectsV2(context.Context, *s3.ListObjectsV2Input, ...func(*s3.Options)) (*s3.ListObjectsV2Output, error)
}

// Ledger counts the rows of a dataset's tables and reads its ledger in one statement. The
// result has the lock rows. The error is ledger.ErrNoTable for a dataset without tables.
type Ledger interface {
	EachCount(ctx context.Context, c *contract.Contract, do func(ledger.Count) error) ([]ledger.Lock, error)
}

// Auditor audits one deployment.
type Auditor struct {
	Contracts contract.Set
	Journal   Journal
	Objects   Objects
	// LandingBucket and CuratedBucket are the names of the stack's buckets.
	LandingBucket, CuratedBucket string
	// Open opens a session with Snowflake. Run calls Open once, after the reads of both
	// buckets. In an audit of all datasets, the read of the journal also comes before. A
	// session sees all transactions committed before its start (docs.snowflake.com,
	// sql-reference/parameters, READ_CONSISTENCY_MODE).
	Open func(ctx context.Context) (Ledger, error)
	Now  func() time.Time
	// Grace is the shortest time between an object's last change and the audit. A later
	// change excludes the object from the comparisons between bucket, journal and
	// ledger.
	Grace time.Duration
	// Stuck is the longest time in one state for an object that is not settled.
	Stuck time.Duration
	// TempFolder is the folder for temporary files; empty for the system's folder.
	TempFolder string
}

// Result is the result of an audit.
type Result struct {
	Datasets    []Summary    `json:"datasets"`
	Differences []Difference `json:"differences"`
}

// Ignore removes the differences of the kinds, for states that are meant to last. An
// unknown kind is an error.
func (r *Result) Ignore(kinds []string) error {
	for _, kind := range kinds {
		if !slices.Contains(Kinds(), Kind(kind)) {
			return fmt.Errorf("no difference has the kind %q: docs/runbook.md lists all kinds", kind)
		}
	}
	ignored := func(d Difference) bool { return slices.Contains(kinds, string(d.Kind)) }
	for _, d := range r.Differences {
		for i := range r.Datasets {
			if ignored(d) && r.Datasets[i].Dataset == d.Dataset {
				r.Datasets[i].Differences--
			}
		}
	}
	r.Differences = slices.DeleteFunc(r.Differences, ignored)
	return nil
}

// Summary has the counts of one dataset.
type Summary struct {
	// Dataset is empty for keys without a contract.
	Dataset string `json:"dataset"`
	// Versions is the number of versions in the landing bucket, without delete markers.
	Versions int `json:"versions"`
	// Journal is the number of journal entries by state.
	Journal map[journal.State]int `json:"journal"`
	// Objects is the number of ledger rows without the withdrawn objects. LedgerRows is
	// the sum of their loaded rows.
	Objects    int   `json:"objects"`
	LedgerRows int64 `json:"ledger_rows"`
	// TableRows and TableRejects are count(*) of the raw table and of the rejects
	// table.
	TableRows    int64 `json:"table_rows"`
	TableRejects int64 `json:"table_rejects"`
	Differences  int   `json:"differences"`
}

// Run audits one dataset. With an empty dataset, Run audits all datasets and the keys
// without a contract.
//
// The audit of one dataset reads nothing about other datasets, except the objects that
// are stuck before their transform. It takes the ids of objects from the landing bucket,
// the journal's indexes, the curated bucket, the ledger and the tables, and then reads
// these entries. Only the audit of all datasets finds an object that no other source has
// than the journal, because only this audit reads the whole journal.
//
// The audit of all datasets reads in the order of an object's path: bucket, journal,
// ledger. So an object that moves during the audit is never missing from a later read.
// Objects changed after the beginning of the audit, or up to Grace before, are left to the
// next audit. Only the comparison of tables with their ledger has no grace: both come from
// one statement.
//
// The records are in temporary files without any row's content. Run removes the files at
// the end, also at the end of the context. The memory has one part of the records and all
// differences.
func (a *Auditor) Run(ctx context.Context, dataset string) (result Result, err error) {
	s, err := a.begin(ctx, dataset)
	if err != nil {
		return Result{}, err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	for _, read := range []func(context.Context, *auditState) error{a.listLanding, a.readJournal, a.listReceipts, a.readLedgers, a.join} {
		if err := read(ctx, s); err != nil {
			return Result{}, err
		}
	}
	return s.compareAll()
}

// auditState has the results of all reads.
type auditState struct {
	began                        time.Time
	grace, stuck                 time.Duration
	landingBucket, curatedBucket string
	// onlyDataset is the dataset to audit; empty for all.
	onlyDataset string
	datasets    map[string]*datasetResult
	// folder has the temporary files. byID has the records of the sources by the object's
	// id, and byKey the joined records by the object's key.
	folder      string
	byID, byKey *spill
	// entryOf reads one journal entry; nil for none. lookupFailed is its error.
	entryOf      func(object.ID) *journal.Entry
	lookupFailed error
}

// datasetResult has the results for one dataset.
type datasetResult struct {
	contract *contract.Contract
	// hasTables reports whether Snowflake has the dataset's tables, and locks are the lock
	// rows.
	hasTables bool
	locks     []ledger.Lock

	summary     Summary
	entries     int
	differences []Difference
}

// datasetState has the records of one part of a dataset. A part has all records of its
// keys.
type datasetState struct {
	dataset  string
	contract *contract.Contract
	// known has the ids of the objects with a journal entry, of every dataset.
	known    map[object.ID]bool
	versions []version
	// present has true for each landing key with a current version. deletedAt has the
	// time of the delete marker of each deleted key.
	present   map[string]bool
	deletedAt map[string]time.Time
	entries   map[object.ID]*journal.Entry
	// receipts has the keys of the receipts in the curated bucket.
	receipts map[string]bool
	// tables is nil for a dataset without tables.
	tables *tableCounts
}

// tableCounts are the lock rows of a dataset, and the counts of one part.
type tableCounts struct {
	Locks  []ledger.Lock
	Counts []ledger.Count
}

func (a *Auditor) begin(ctx context.Context, dataset string) (*auditState, error) {
	folder, err := os.MkdirTemp(a.TempFolder, "firn-audit-*")
	if err != nil {
		return nil, fmt.Errorf("make temporary folder: %w", err)
	}
	s := &auditState{
		began: a.Now(), grace: a.Grace, stuck: a.Stuck, landingBucket: a.LandingBucket, curatedBucket: a.CuratedBucket, onlyDataset: dataset,
		datasets: make(map[string]*datasetResult), folder: folder, byID: newSpill(folder, "id"), byKey: newSpill(folder, "key"),
	}
	s.entryOf = func(id object.ID) (found *journal.Entry) {
		if dataset == "" || s.lookupFailed != nil {
			return nil
		}
		s.lookupFailed = a.Journal.EachOf(ctx, []object.ID{id}, func(e journal.Entry) { found = &e })
		return found
	}
	for _, c := range a.Contracts {
		if s.audits(c.Dataset()) {
			s.result(c.Dataset()).contract = c
		}
	}
	return s, nil
}

// close removes the temporary files.
func (s *auditState) close() error {
	s.byID.close()
	s.byKey.close()
	if err := os.RemoveAll(s.folder); err != nil {
		return fmt.Errorf("remove temporary files: %w", err)
	}
	return nil
}

// audits reports whether the audit includes the dataset.
func (s *auditState) audits(dataset string) bool {
	return s.onlyDataset == "" || dataset == s.onlyDataset
}

func (s *auditState) result(dataset string) *datasetResult {
	d := s.datasets[dataset]
	if d == nil {
		d = &datasetResult{summary: Summary{Dataset: dataset, Journal: make(map[journal.State]int)}}
		s.datasets[dataset] = d
	}
	return d
}

// readJournal reads all entries. For one dataset it reads only ids, and join reads the
// entries.
func (a *Auditor) readJournal(ctx context.Context, s *auditState) error {
	var failed error
	keep := func(r record) {
		if failed == nil {
			failed = s.byID.put(string(r.ID), r)
		}
	}
	if s.onlyDataset == "" {
		err := a.Journal.Each(ctx, func(e journal.Entry) { keep(entryRecord(e)) })
		return errors.Join(err, failed)
	}
	err := a.Journal.EachInWorkIndex(ctx, s.onlyDataset, func(id object.ID) { keep(record{ID: id}) })
	for _, state := range []journal.State{journal.Received, journal.Transforming} {
		if err != nil {
			break
		}
		err = a.Journal.EachStuck(ctx, state, s.began.Add(-s.stuck), func(e journal.Entry) bool {
			if e.Dataset == s.onlyDataset {
				keep(record{ID: e.ID})
			}
			return failed == nil
		})
	}
	return errors.Join(err, failed)
}

// entryRecord returns the record of an entry, without the values that the audit doesn't
// compare.
func entryRecord(e journal.Entry) record {
	e.Cause, e.Hint, e.Message, e.Queue, e.QueryID, e.Delay, e.RejectsByRule = "", "", "", "", "", nil, nil
	return record{Dataset: e.Dataset, ID: e.ID, Entry: &e}
}

func (a *Auditor) readLedgers(ctx context.Context, s *auditState) error {
	reader, err := a.Open(ctx)
	if err != nil {
		return err
	}
	for dataset, d := range s.datasets {
		if d.contract == nil {
			continue
		}
		locks, err := reader.EachCount(ctx, d.contract, func(count ledger.Count) error {
			d.count(count)
			return s.byID.put(string(count.ID), record{Dataset: dataset, ID: count.ID, Count: &count})
		})
		switch {
		case errors.Is(err, ledger.ErrNoTable):
		case err != nil:
			return err
		default:
			d.hasTables, d.locks = true, locks
		}
	}
	return nil
}

// count adds the rows of an object to the summary.
func (d *datasetResult) count(count ledger.Count) {
	if count.Row != nil && !count.Row.IsWithdrawn() {
		d.summary.Objects++
		d.summary.LedgerRows += count.Row.RowsLoaded
	}
	d.summary.TableRows += count.Rows
	d.summary.TableRejects += count.Rejects
}

// compareAll compares the parts of the records, and returns the datasets in the order of
// their names.
func (s *auditState) compareAll() (Result, error) {
	for dataset, d := range s.datasets {
		if d.contract != nil {
			d.differences = append(d.differences, s.compareTables(dataset, d)...)
		}
	}
	err := s.byKey.eachGroup(func(group []record) error {
		for dataset, records := range byDataset(group) {
			s.comparePart(dataset, records)
		}
		return s.lookupFailed
	})
	if err != nil {
		return Result{}, err
	}
	result := Result{Datasets: []Summary{}, Differences: []Difference{}}
	for _, dataset := range slices.Sorted(maps.Keys(s.datasets)) {
		d := s.datasets[dataset]
		if d.contract == nil && d.entries == 0 && len(d.differences) == 0 {
			continue
		}
		sortDifferences(d.differences)
		d.summary.Differences = len(d.differences)
		result.Datasets = append(result.Datasets, d.summary)
		result.Differences = append(result.Differences, d.differences...)
	}
	return result, nil
}

func byDataset(group []record) map[string][]record {
	all := make(map[string][]record)
	for _, r := range group {
		all[r.Dataset] = append(all[r.Dataset], r)
	}
	return all
}

// comparePart compares a part of a dataset's records.
func (s *auditState) comparePart(dataset string, records []record) {
	d := s.result(dataset)
	part := newPart(dataset, d)
	for _, r := range records {
		part.add(r)
	}
	d.summary.Versions += len(part.versions)
	d.entries += len(part.entries)
	for _, e := range part.entries {
		d.summary.Journal[e.State]++
	}
	d.differences = append(d.differences, s.compare(part)...)
}

// newPart returns an empty part of a dataset.
func newPart(dataset string, d *datasetResult) *datasetState {
	part := &datasetState{
		dataset: dataset, contract: d.contract, known: make(map[object.ID]bool), entries: make(map[object.ID]*journal.Entry),
		receipts: make(map[string]bool), present: make(map[string]bool), deletedAt: make(map[string]time.Time),
	}
	if d.hasTables {
		part.tables = &tableCounts{Locks: d.locks}
	}
	return part
}

// add adds a joined record to a part.
func (d *datasetState) add(r record) {
	if r.Known {
		d.known[r.ID] = true
	}
	switch {
	case r.Version != nil:
		d.versions = append(d.versions, *r.Version)
		d.present[r.Version.Object.Key] = d.present[r.Version.Object.Key] || r.Version.Current
	case r.Marker != nil:
		d.deletedAt[r.Marker.Key] = r.Marker.DeletedAt
	case r.Entry != nil:
		d.entries[r.ID] = r.Entry
		if r.HasReceipt {
			d.receipts[r.Entry.Receipt.Key] = true
		}
	case r.Count != nil:
		d.tables.Counts = append(d.tables.Counts, *r.Count)
	}
}
