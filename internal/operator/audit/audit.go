// Package audit holds the landing bucket, the journal, the ledgers and the tables
// against each other, and names every difference with the command to type next.
// It changes nothing, and keeps nobody waiting.
package audit

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/firn-data/firn/internal/contract"
	"github.com/firn-data/firn/internal/journal"
	"github.com/firn-data/firn/internal/object"
	"github.com/firn-data/firn/internal/snowflake/ledger"
)

// Journal tells every entry.
type Journal interface {
	Each(ctx context.Context, do func(journal.Entry)) error
}

// Objects lists buckets.
type Objects interface {
	ListObjectVersions(context.Context, *s3.ListObjectVersionsInput, ...func(*s3.Options)) (*s3.ListObjectVersionsOutput, error)
	ListObjectsV2(context.Context, *s3.ListObjectsV2Input, ...func(*s3.Options)) (*s3.ListObjectsV2Output, error)
}

// Ledger counts a dataset's tables beside its ledger, at one instant.
type Ledger interface {
	CountTables(ctx context.Context, c *contract.Contract) (ledger.TableCounts, error)
}

// Auditor audits one deployment.
type Auditor struct {
	Contracts contract.Set
	Journal   Journal
	Objects   Objects
	// LandingBucket and CuratedBucket are the stack's.
	LandingBucket, CuratedBucket string
	// Open opens a session on the ledgers. It is called once the journal was
	// read: what was committed before a session started is visible to it
	// (docs.snowflake.com, sql-reference/parameters, READ_CONSISTENCY_MODE).
	Open func(ctx context.Context) (Ledger, error)
	Now  func() time.Time
	// Grace is how long before the audit an object's last change must lie for
	// bucket, journal and ledger to agree on it: what moves is not judged.
	Grace time.Duration
	// Stuck is how long an object may stay on its way in one state.
	Stuck time.Duration
}

// Result is what an audit found.
type Result struct {
	Datasets    []Summary    `json:"datasets"`
	Differences []Difference `json:"differences"`
}

// Summary is what there is of a dataset.
type Summary struct {
	// Dataset is empty for keys that no contract claims.
	Dataset string `json:"dataset"`
	// Versions counts the versions in the landing bucket, without markers.
	Versions int `json:"versions"`
	// Journal counts the journal's entries by state.
	Journal map[journal.State]int `json:"journal"`
	// Objects and LedgerRows are the ledger's: how many it has, and their rows.
	Objects    int   `json:"objects"`
	LedgerRows int64 `json:"ledger_rows"`
	// TableRows and TableRejects are count(*) of the tables.
	TableRows    int64 `json:"table_rows"`
	TableRejects int64 `json:"table_rejects"`
	Differences  int   `json:"differences"`
}

// Run audits one dataset, or all and the keys that nobody claims if it is "".
//
// The order of the reads is that in which an object moves: bucket, journal,
// ledger. So an object that moves on in between is further on in what is read
// later, never missing from it. What moved since shortly before the audit began
// is judged by the next one; only the tables are held against their ledger up to
// the last row, since both come from one statement.
func (a *Auditor) Run(ctx context.Context, dataset string) (Result, error) {
	w := a.begin(dataset)
	if err := a.listLanding(ctx, w); err != nil {
		return Result{}, err
	}
	if err := a.Journal.Each(ctx, w.addEntry); err != nil {
		return Result{}, err
	}
	if err := a.listReceipts(ctx, w); err != nil {
		return Result{}, err
	}
	if err := a.readLedgers(ctx, w); err != nil {
		return Result{}, err
	}
	return w.compareAll(), nil
}

// auditState is what was read.
type auditState struct {
	began        time.Time
	grace, stuck time.Duration
	curated      string
	// known are the ids of all entries, whatever their dataset.
	known map[object.ID]bool
	parts map[string]*datasetState
	// onlyDataset is the one dataset to audit; "" is all.
	onlyDataset string
}

// datasetState is what was read of one dataset.
type datasetState struct {
	dataset  string
	contract *contract.Contract
	versions []version
	entries  map[object.ID]*journal.Entry
	// receipts are the keys of receipts that the bucket has.
	receipts map[string]bool
	// account is nil if there is no table.
	account *ledger.TableCounts
}

// version is one version of a landing key.
type version struct {
	object.Object

	modified time.Time
}

func (a *Auditor) begin(dataset string) *auditState {
	w := &auditState{
		began: a.Now(), grace: a.Grace, stuck: a.Stuck, curated: a.CuratedBucket, onlyDataset: dataset,
		known: make(map[object.ID]bool), parts: make(map[string]*datasetState),
	}
	for _, c := range a.Contracts {
		if p := w.datasetState(c.Dataset()); p != nil {
			p.contract = c
		}
	}
	return w
}

// datasetState returns a dataset's part; nil if it isn't audited.
func (w *auditState) datasetState(dataset string) *datasetState {
	if w.onlyDataset != "" && dataset != w.onlyDataset {
		return nil
	}
	p := w.parts[dataset]
	if p == nil {
		p = &datasetState{dataset: dataset, entries: make(map[object.ID]*journal.Entry), receipts: make(map[string]bool)}
		w.parts[dataset] = p
	}
	return p
}

func (w *auditState) addEntry(e journal.Entry) {
	w.known[e.ID] = true
	if p := w.datasetState(e.Dataset); p != nil {
		p.entries[e.ID] = &e
	}
}

func (a *Auditor) readLedgers(ctx context.Context, w *auditState) error {
	reader, err := a.Open(ctx)
	if err != nil {
		return err
	}
	for _, p := range w.parts {
		if p.contract == nil {
			continue
		}
		account, err := reader.CountTables(ctx, p.contract)
		switch {
		case errors.Is(err, ledger.ErrNoTable):
		case err != nil:
			return err
		default:
			p.account = &account
		}
	}
	return nil
}

// compareAll compares, dataset by dataset.
func (w *auditState) compareAll() Result {
	result := Result{Datasets: []Summary{}, Differences: []Difference{}}
	byName := func(a, b *datasetState) int { return cmp.Compare(a.dataset, b.dataset) }
	for _, p := range slices.SortedFunc(maps.Values(w.parts), byName) {
		found := w.compare(p)
		if p.contract == nil && len(p.entries) == 0 && len(found) == 0 {
			continue
		}
		summary := p.summary()
		summary.Differences = len(found)
		result.Datasets = append(result.Datasets, summary)
		result.Differences = append(result.Differences, found...)
	}
	return result
}

func (p *datasetState) summary() Summary {
	s := Summary{Dataset: p.dataset, Versions: len(p.versions), Journal: make(map[journal.State]int)}
	for _, e := range p.entries {
		s.Journal[e.State]++
	}
	if p.account == nil {
		return s
	}
	for _, count := range p.account.Counts {
		if count.Row != nil {
			s.Objects++
			s.LedgerRows += count.Row.RowsLoaded
		}
		s.TableRows += count.Rows
		s.TableRejects += count.Rejects
	}
	return s
}
