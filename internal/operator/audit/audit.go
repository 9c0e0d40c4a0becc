// Package audit compares the landing bucket, the journal, the ledgers and the tables.
// Each difference has a command for the operator. The audit changes nothing and locks
// nothing.
package audit

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/firn-data/firn/internal/contract"
	"github.com/firn-data/firn/internal/journal"
	"github.com/firn-data/firn/internal/object"
	"github.com/firn-data/firn/internal/snowflake/ledger"
)

// Journal reads the journal. Each calls do for every entry.
type Journal interface {
	Each(ctx context.Context, do func(journal.Entry)) error
}

// Objects has the audit's calls of S3.
type Objects interface {
	ListObjectVersions(context.Context, *s3.ListObjectVersionsInput, ...func(*s3.Options)) (*s3.ListObjectVersionsOutput, error)
	ListObjectsV2(context.Context, *s3.ListObjectsV2Input, ...func(*s3.Options)) (*s3.ListObjectsV2Output, error)
}

// Ledger counts the rows of a dataset's tables and reads its ledger in one statement.
type Ledger interface {
	CountTables(ctx context.Context, c *contract.Contract) (ledger.TableCounts, error)
}

// Auditor audits one deployment.
type Auditor struct {
	Contracts contract.Set
	Journal   Journal
	Objects   Objects
	// LandingBucket and CuratedBucket are the names of the stack's buckets.
	LandingBucket, CuratedBucket string
	// Open opens a session with Snowflake. Run calls Open after the read of the
	// journal. A session sees all transactions committed before its start
	// (docs.snowflake.com, sql-reference/parameters, READ_CONSISTENCY_MODE).
	Open func(ctx context.Context) (Ledger, error)
	Now  func() time.Time
	// Grace is the shortest time between an object's last change and the audit. A later
	// change excludes the object from the comparisons between bucket, journal and
	// ledger.
	Grace time.Duration
	// Stuck is the longest time in one state for an object that is not settled.
	Stuck time.Duration
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
// Run reads in the order of an object's path: bucket, journal, ledger. So an object
// that moves during the audit is never missing from a later read. Objects changed after
// the beginning of the audit, or up to Grace before, are left to the next audit. Only
// the comparison of tables with their ledger has no grace: both come from one
// statement.
func (a *Auditor) Run(ctx context.Context, dataset string) (Result, error) {
	s := a.begin(dataset)
	if err := a.listLanding(ctx, s); err != nil {
		return Result{}, err
	}
	if err := a.Journal.Each(ctx, s.addEntry); err != nil {
		return Result{}, err
	}
	if err := a.listReceipts(ctx, s); err != nil {
		return Result{}, err
	}
	if err := a.readLedgers(ctx, s); err != nil {
		return Result{}, err
	}
	return s.compareAll(), nil
}

// auditState has the results of all reads.
type auditState struct {
	began                        time.Time
	grace, stuck                 time.Duration
	landingBucket, curatedBucket string
	// known has the ids of all journal entries, of every dataset.
	known    map[object.ID]bool
	datasets map[string]*datasetState
	// onlyDataset is the dataset to audit; empty for all.
	onlyDataset string
}

// datasetState has the results of the reads for one dataset.
type datasetState struct {
	dataset  string
	contract *contract.Contract
	versions []version
	// present has true for each landing key with a current version. deletedAt has the
	// time of the delete marker of each deleted key.
	present   map[string]bool
	deletedAt map[string]time.Time
	entries   map[object.ID]*journal.Entry
	// receipts has the keys of the receipts in the curated bucket.
	receipts map[string]bool
	// tables is nil for a dataset without tables.
	tables *ledger.TableCounts
}

// version is one version of a landing key.
type version struct {
	object.Object

	modified time.Time
}

func (a *Auditor) begin(dataset string) *auditState {
	s := &auditState{
		began: a.Now(), grace: a.Grace, stuck: a.Stuck, landingBucket: a.LandingBucket, curatedBucket: a.CuratedBucket, onlyDataset: dataset,
		known: make(map[object.ID]bool), datasets: make(map[string]*datasetState),
	}
	for _, c := range a.Contracts {
		if d := s.datasetState(c.Dataset()); d != nil {
			d.contract = c
		}
	}
	return s
}

// datasetState returns the state of a dataset; nil if the audit excludes the dataset.
func (s *auditState) datasetState(dataset string) *datasetState {
	if s.onlyDataset != "" && dataset != s.onlyDataset {
		return nil
	}
	d := s.datasets[dataset]
	if d == nil {
		d = &datasetState{
			dataset: dataset, entries: make(map[object.ID]*journal.Entry), receipts: make(map[string]bool),
			present: make(map[string]bool), deletedAt: make(map[string]time.Time),
		}
		s.datasets[dataset] = d
	}
	return d
}

func (s *auditState) addEntry(e journal.Entry) {
	s.known[e.ID] = true
	if d := s.datasetState(e.Dataset); d != nil {
		d.entries[e.ID] = &e
	}
}

func (a *Auditor) readLedgers(ctx context.Context, s *auditState) error {
	reader, err := a.Open(ctx)
	if err != nil {
		return err
	}
	for _, d := range s.datasets {
		if d.contract == nil {
			continue
		}
		tables, err := reader.CountTables(ctx, d.contract)
		switch {
		case errors.Is(err, ledger.ErrNoTable):
		case err != nil:
			return err
		default:
			d.tables = &tables
		}
	}
	return nil
}

// compareAll compares the datasets in the order of their names.
func (s *auditState) compareAll() Result {
	result := Result{Datasets: []Summary{}, Differences: []Difference{}}
	byName := func(a, b *datasetState) int { return cmp.Compare(a.dataset, b.dataset) }
	for _, d := range slices.SortedFunc(maps.Values(s.datasets), byName) {
		found := s.compare(d)
		if d.contract == nil && len(d.entries) == 0 && len(found) == 0 {
			continue
		}
		summary := d.summary()
		summary.Differences = len(found)
		result.Datasets = append(result.Datasets, summary)
		result.Differences = append(result.Differences, found...)
	}
	return result
}

func (d *datasetState) summary() Summary {
	s := Summary{Dataset: d.dataset, Versions: len(d.versions), Journal: make(map[journal.State]int)}
	for _, e := range d.entries {
		s.Journal[e.State]++
	}
	if d.tables == nil {
		return s
	}
	for _, count := range d.tables.Counts {
		if count.Row != nil && !count.Row.IsWithdrawn() {
			s.Objects++
			s.LedgerRows += count.Row.RowsLoaded
		}
		s.TableRows += count.Rows
		s.TableRejects += count.Rejects
	}
	return s
}
