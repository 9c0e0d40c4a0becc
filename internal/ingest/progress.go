package ingest

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/firn-data/firn/internal/journal"
)

// Runs stores the states and the checkpoints of runs. Errors are faults.
type Runs interface {
	// StartRun records the begin of a try. It returns false for a finished run, and for a
	// run that waits for a later try.
	StartRun(ctx context.Context, o journal.RunOrder) (journal.Run, bool, error)
	// Checkpoint decodes the run's checkpoint into the value behind the pointer into.
	// It returns false if the run has no checkpoint.
	Checkpoint(ctx context.Context, run journal.RunName, into any) (found bool, err error)
	// SaveCheckpoint replaces the run's checkpoint, and records progress or the end of the
	// run.
	SaveCheckpoint(ctx context.Context, run journal.RunName, value any, p journal.RunProgress) error
	// DelayRun makes the run wait until the next try in d. alert sends the next message.
	DelayRun(ctx context.Context, run journal.RunName, d journal.Delay) error
}

// progress is the checkpoint of a run. A resumed run needs no other state.
type progress struct {
	// Pass is the number of passes over the pages; 0 before the first count.
	Pass int `json:"pass"`
	// Counted reports whether Expected has the source's count for this pass.
	Counted  bool `json:"counted"`
	Expected int  `json:"expected"`
	// Pages is the number of pages in this pass.
	Pages int `json:"pages"`
	// Fetched is the number of records in this pass, with the dropped records at the
	// interval's end. Fetched is the offset of the next page.
	Fetched int `json:"fetched"`
	// Exhausted reports whether a page was shorter than requested.
	Exhausted bool   `json:"exhausted"`
	Parts     []Part `json:"parts"`
	// Highest is the highest part number of all passes.
	Highest int `json:"highest"`
	// LastTime is the time of the last record, and LastIDs are the ids of all records
	// with this time. Both detect overlapping pages after a change of the source.
	LastTime time.Time `json:"last_time"`
	LastIDs  []string  `json:"last_ids"`
	// StartedAt is the start of the first pass.
	StartedAt  time.Time `json:"started_at"`
	FinishedAt time.Time `json:"finished_at"`
}

func (p progress) finished() bool { return !p.FinishedAt.IsZero() }

func (p progress) complete() bool { return p.Exhausted || p.Fetched >= p.Expected }

// restarted returns the progress for another pass from the first page.
func (p progress) restarted() progress {
	return progress{Pass: p.Pass, Highest: p.Highest, StartedAt: p.StartedAt}
}

func (p progress) rows() int {
	rows := 0
	for _, part := range p.Parts {
		rows += part.Rows
	}
	return rows
}

// counts returns the progress for the journal.
func (p progress) counts() journal.RunProgress {
	return journal.RunProgress{Pages: p.Pages, Rows: int64(p.rows()), Finished: p.finished()}
}

// sourceChangedError reports a change of the source during a pass.
type sourceChangedError string

func (e sourceChangedError) Error() string { return string(e) }

// advance records the next record. The records are ordered by time, so a repeated
// record is older than the last record or has the time of the last record. A source may
// order records of the same time differently on each page. Then a repeated record can
// also mean a missing record.
func (p *progress) advance(r Record) error {
	p.Fetched++
	switch {
	case r.Time.IsZero():
	case r.Time.Before(p.LastTime):
		return sourceChangedError(fmt.Sprintf("record %d has the time %s, before %s", p.Fetched, stamp(r.Time), stamp(p.LastTime)))
	case r.Time.After(p.LastTime):
		p.LastTime, p.LastIDs = r.Time, []string{r.ID}
	case r.ID != "" && slices.Contains(p.LastIDs, r.ID):
		return sourceChangedError(fmt.Sprintf("record %d is repeated: %s", p.Fetched, r.ID))
	default:
		p.LastIDs = append(p.LastIDs, r.ID)
	}
	return nil
}
