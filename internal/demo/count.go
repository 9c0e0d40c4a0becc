package demo

import (
	"context"
	"fmt"

	"github.com/firn-data/firn/internal/contract"
	"github.com/firn-data/firn/internal/journal"
	"github.com/firn-data/firn/internal/snowflake"
)

// Row has the counts of a dataset.
type Row struct {
	Dataset string `json:"dataset"`
	Objects int    `json:"objects"`
	// Engine is the engine of the transform: "lambda" or "glue".
	Engine string `json:"engine"`
	// Read, Written and Rejected are the sums of the receipts.
	Read     int64 `json:"read"`
	Written  int64 `json:"written"`
	Rejected int64 `json:"rejected"`
	// Loaded is the sum of the ledger.
	Loaded int64 `json:"loaded"`
	// Counted and CountedRejects are count(*) of the tables.
	Counted        int64 `json:"counted"`
	CountedRejects int64 `json:"counted_rejects"`
}

// count counts the tables of each dataset.
func (d *Demo) count(ctx context.Context, entries []journal.Entry) ([]Row, error) {
	session, err := d.Open(ctx)
	if err != nil {
		return nil, err
	}
	defer session.Close()
	if d.BeforeCount != "" {
		if _, err := session.Exec(ctx, "run the test's statement", d.BeforeCount); err != nil {
			return nil, err
		}
	}
	var rows []Row
	for _, c := range d.Operator.Contracts {
		row, err := countDataset(ctx, session, c)
		if err != nil {
			return nil, err
		}
		row.add(entries)
		rows = append(rows, row)
	}
	return rows, nil
}

func countDataset(ctx context.Context, session *snowflake.Session, c *contract.Contract) (Row, error) {
	statement := fmt.Sprintf(`select
    (select count(*) from RAW.%[1]s) as counted,
    (select count(*) from RAW.%[1]s_REJECTS) as rejects,
    (select coalesce(sum(ROWS_LOADED), 0) from RAW.%[1]s_LOADS where OBJECT <> '~lock') as loaded`, c.Table())
	answer, err := session.Query(ctx, "count "+c.Dataset(), statement)
	if err != nil {
		return Row{}, err
	}
	return Row{
		Dataset: c.Dataset(), Counted: answer.Number(0, "counted"),
		CountedRejects: answer.Number(0, "rejects"), Loaded: answer.Number(0, "loaded"),
	}, nil
}

// add adds the receipts of the dataset's loaded objects.
func (r *Row) add(entries []journal.Entry) {
	for _, e := range entries {
		if e.Dataset != r.Dataset || e.State != journal.Loaded {
			continue
		}
		r.Objects++
		r.Engine = e.Engine
		r.Read += e.RowsRead
		r.Written += e.RowsWritten
		r.Rejected += e.RowsRejected
	}
}

// missingRows returns a sentence for each missing or additional row count, for each
// unexpected state and for each unexpected engine.
func missingRows(rows []Row, contracts contract.Set, entries []journal.Entry, broken journal.Entry) []string {
	var faults []string
	for _, e := range entries {
		if e.State != journal.Loaded {
			faults = append(faults, fmt.Sprintf("%s is %s, not loaded: %s", e.Object.URI(), e.State, e.Cause))
		}
	}
	if broken.State != journal.Failed {
		faults = append(faults, fmt.Sprintf("%s is broken, but %s", broken.Object.URI(), broken.State))
	}
	for _, row := range rows {
		if row.Objects > 0 && row.Engine != expectedEngine(contracts.ByDataset(row.Dataset)) {
			faults = append(faults, fmt.Sprintf("%s was transformed by %s", row.Dataset, row.Engine))
		}
		faults = append(faults, row.faults()...)
	}
	return faults
}

// expectedEngine is Glue if the contract names Glue. Lambda can hold all other sample
// files.
func expectedEngine(c *contract.Contract) string {
	if c != nil && c.Engine == contract.GlueEngine {
		return "glue"
	}
	return "lambda"
}

func (r Row) faults() []string {
	checks := []struct {
		text      string
		got, want int64
	}{
		{"rows read, but the sum of loaded and rejected rows is", r.Loaded + r.Rejected, r.Read},
		{"rows in the ledger, but the table has", r.Counted, r.Loaded},
		{"rows rejected, but the table of rejects has", r.CountedRejects, r.Rejected},
	}
	var faults []string
	for _, check := range checks {
		if check.got != check.want {
			faults = append(faults, fmt.Sprintf("%s: %d %s %d", r.Dataset, check.want, check.text, check.got))
		}
	}
	return faults
}
