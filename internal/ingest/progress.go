package ingest

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// Checkpoints keeps how far a run is. Errors are faults.
type Checkpoints interface {
	// Checkpoint reads the run's checkpoint into the value that into points to;
	// it returns false if the run has none.
	Checkpoint(ctx context.Context, run string, into any) (found bool, err error)
	// SaveCheckpoint replaces the run's checkpoint.
	SaveCheckpoint(ctx context.Context, run string, value any) error
}

// progress is a run's checkpoint: everything that whoever goes on needs.
type progress struct {
	// Pass counts how often the pages were begun; 0 before the first count.
	Pass int `json:"pass"`
	// Counted tells that Expected holds the source's count for this pass.
	Counted  bool `json:"counted"`
	Expected int  `json:"expected"`
	// Fetched counts the records that this pass read, those that it dropped
	// at the interval's end included; it is the next page's offset.
	Fetched int `json:"fetched"`
	// Exhausted tells that a page was shorter than asked for.
	Exhausted bool   `json:"exhausted"`
	Parts     []Part `json:"parts"`
	// Highest is the number of the last part that any pass wrote.
	Highest int `json:"highest"`
	// LastTime is the time of the last record, and LastIDs those of all records
	// that have it: where pages that moved overlap.
	LastTime time.Time `json:"last_time"`
	LastIDs  []string  `json:"last_ids"`
	// StartedAt is when the first pass began.
	StartedAt  time.Time `json:"started_at"`
	FinishedAt time.Time `json:"finished_at"`
}

func (p progress) finished() bool { return !p.FinishedAt.IsZero() }

func (p progress) complete() bool { return p.Exhausted || p.Fetched >= p.Expected }

// restarted returns the progress of a run that starts its pages again.
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

// sourceChangedError is a source whose pages moved while they were read.
type sourceChangedError string

func (e sourceChangedError) Error() string { return string(e) }

// advance notes that the record comes next. By order of time, a record that a
// moved page gives again is either earlier than the last one or among those of
// the same instant. A source may order these as it likes from page to page, and
// then one that comes twice is also the sign of one that never comes.
func (p *progress) advance(r Record) error {
	p.Fetched++
	switch {
	case r.Time.IsZero():
	case r.Time.Before(p.LastTime):
		return sourceChangedError(fmt.Sprintf("record %d is of %s, before %s", p.Fetched, stamp(r.Time), stamp(p.LastTime)))
	case r.Time.After(p.LastTime):
		p.LastTime, p.LastIDs = r.Time, []string{r.ID}
	case r.ID != "" && slices.Contains(p.LastIDs, r.ID):
		return sourceChangedError(fmt.Sprintf("record %d came before: %s", p.Fetched, r.ID))
	default:
		p.LastIDs = append(p.LastIDs, r.ID)
	}
	return nil
}
