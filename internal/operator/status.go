package operator

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/firn-data/firn/internal/contract"
	"github.com/firn-data/firn/internal/journal"
	"github.com/firn-data/firn/internal/object"
	"github.com/firn-data/firn/internal/work"
)

// Status returns the entry of an object id, or of the newest version of
// s3://bucket/key. Without an entry, errors.Is(err, journal.ErrNotFound) is true.
func (o *Operator) Status(ctx context.Context, name string) (journal.Entry, error) {
	entry, err := o.find(ctx, name)
	if errors.Is(err, journal.ErrNotFound) {
		return journal.Entry{}, unknownObject{name: name, bucket: o.Stack.LandingBucket}
	}
	return entry, err
}

// unknownObject is the error for an object without a journal entry. The name is the
// name in the operator's command.
type unknownObject struct{ name, bucket string }

func (u unknownObject) Error() string {
	return fmt.Sprintf("the journal has no entry of %s: was the object put into the landing bucket %s?", u.name, u.bucket)
}

func (unknownObject) Unwrap() error { return journal.ErrNotFound }

func (o *Operator) find(ctx context.Context, name string) (journal.Entry, error) {
	if object.IsID(name) {
		return o.Journal.Get(ctx, object.ID(name))
	}
	bucket, key, err := object.ParseURI(name)
	if err != nil {
		return journal.Entry{}, err
	}
	return o.Journal.Newest(ctx, bucket, key)
}

// SameBytes returns the first object of another key with the bytes of a loaded object.
// The result is nil for an object with bytes of its own. Without the other object's
// entry, the result has only the id.
func (o *Operator) SameBytes(ctx context.Context, e journal.Entry) (*journal.Entry, error) {
	if e.DuplicateOf == "" {
		return nil, nil
	}
	other, err := o.Journal.Get(ctx, e.DuplicateOf)
	if errors.Is(err, journal.ErrNotFound) {
		return &journal.Entry{ID: e.DuplicateOf}, nil
	}
	if err != nil {
		return nil, err
	}
	return &other, nil
}

// CheckDataset returns an error for a dataset without a contract. So a typing error
// isn't mistaken for a dataset without failures. The dataset "" means keys without a
// contract and is valid.
func (o *Operator) CheckDataset(dataset string) error {
	if dataset != "" && o.Contracts.ByDataset(dataset) == nil {
		return fmt.Errorf("no contract for dataset %q: name one of %s", dataset, strings.Join(o.datasets(), ", "))
	}
	return nil
}

// Summary has the waiting and failed objects, the held deliveries and the new columns of
// a dataset.
type Summary struct {
	Dataset string          `json:"dataset"`
	Waiting int             `json:"waiting"`
	Failed  []journal.Entry `json:"failed"`
	// Held has the held deliveries of a snapshot dataset.
	Held []work.HeldDelivery `json:"held,omitempty"`
	// NewColumns are the reported columns of files that the contract doesn't have.
	// MoreNewColumns is the number of new columns that firn has no name of.
	NewColumns     []work.NewColumn `json:"new_columns,omitempty"`
	MoreNewColumns int              `json:"more_new_columns,omitempty"`
	// Runs has the ingestion runs that aren't finished.
	Runs []journal.Run `json:"runs,omitempty"`
}

// maxCountedWaiting is the largest number of waiting objects in a summary. More objects
// count as this number.
const maxCountedWaiting = 1000

// Summaries returns one summary of each dataset. If keys without a contract failed, the
// last summary has their objects and an empty Dataset.
func (o *Operator) Summaries(ctx context.Context) ([]Summary, error) {
	runs, err := o.Runs(ctx)
	if err != nil {
		return nil, err
	}
	var summaries []Summary
	for _, c := range o.Contracts {
		summary, err := o.summary(ctx, c)
		if err != nil {
			return nil, err
		}
		summary.Runs = runsOf(runs, c.Dataset())
		summaries = append(summaries, summary)
	}
	unclaimed, err := o.Journal.Failed(ctx, "", "")
	if err == nil && len(unclaimed) > 0 {
		summaries = append(summaries, Summary{Failed: unclaimed})
	}
	return summaries, err
}

func (o *Operator) summary(ctx context.Context, c *contract.Contract) (Summary, error) {
	waiting, err := o.Journal.Waiting(ctx, c.Dataset(), maxCountedWaiting)
	if err != nil {
		return Summary{}, err
	}
	failed, err := o.Journal.Failed(ctx, c.Dataset(), "")
	if err != nil {
		return Summary{}, err
	}
	reported, err := o.Journal.NewColumns(ctx, c.Dataset())
	if err != nil {
		return Summary{}, err
	}
	missing := reported.MissingIn(c)
	summary := Summary{
		Dataset: c.Dataset(), Waiting: len(waiting), Failed: failed, NewColumns: missing.Columns, MoreNewColumns: missing.More,
	}
	if c.Mode == contract.Snapshot {
		deliveries, err := o.Journal.Deliveries(ctx, c.Dataset())
		if err != nil {
			return Summary{}, err
		}
		summary.Held = deliveries.Held
	}
	return summary, nil
}

// runsOf returns the runs of a dataset.
func runsOf(runs []journal.Run, dataset string) []journal.Run {
	return slices.DeleteFunc(slices.Clone(runs), func(r journal.Run) bool { return r.Dataset != dataset })
}
