package operator

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/firn-data/firn/internal/ingest"
	"github.com/firn-data/firn/internal/journal"
	"github.com/firn-data/firn/internal/work"
)

// Ingest orders the run of the interval [start, end): the journal records the order, and
// then the ingest queue gets a message. If the send fails, a sweep sends the message
// later. A finished run gets no message. Fractions of a second are dropped. A dataset
// without firn.ingest in its contract is an error.
func (o *Operator) Ingest(ctx context.Context, dataset string, start, end time.Time) (journal.Run, error) {
	if c := o.Contracts.ByDataset(dataset); c == nil || c.Ingest == nil {
		return journal.Run{}, fmt.Errorf("ingest %s: the dataset has no contract with firn.ingest: name one of %s", dataset, strings.Join(o.ingestedDatasets(), ", "))
	}
	if !start.Before(end) {
		return journal.Run{}, fmt.Errorf("ingest %s: start %s must be before end %s", dataset, start.Format(time.RFC3339), end.Format(time.RFC3339))
	}
	interval := ingest.Interval{Start: start.UTC().Truncate(time.Second), End: end.UTC().Truncate(time.Second)}
	body := ingest.Request{Dataset: dataset, Interval: interval}.Encode()
	run, err := o.Journal.OrderRun(ctx, journal.RunOrder{RunName: journal.RunName{Dataset: dataset, ID: interval.RunID()}, Message: body})
	if err != nil || run.State == journal.RunFinished {
		return run, err
	}
	return run, o.send(ctx, string(work.Ingest), body)
}

// ingestedDatasets returns the sorted names of the datasets with firn.ingest in their
// contract.
func (o *Operator) ingestedDatasets() []string {
	return slices.DeleteFunc(o.datasets(), func(dataset string) bool { return o.Contracts.ByDataset(dataset).Ingest == nil })
}
