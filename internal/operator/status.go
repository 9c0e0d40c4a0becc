package operator

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/firn-data/firn/internal/journal"
	"github.com/firn-data/firn/internal/object"
)

// Status returns the newest version's entry of s3://bucket/key, or the entry
// of an object id.
func (o *Operator) Status(ctx context.Context, name string) (journal.Entry, error) {
	entry, err := o.find(ctx, name)
	if errors.Is(err, journal.ErrNotFound) {
		return journal.Entry{}, unknownObject{name: name, bucket: o.Stack.LandingBucket}
	}
	return entry, err
}

// unknownObject is the error of an object that the journal doesn't know, in the words
// of whoever named it.
type unknownObject struct{ name, bucket string }

func (u unknownObject) Error() string {
	return fmt.Sprintf("the journal knows no %s: was it put into the landing bucket %s?", u.name, u.bucket)
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

// CheckDataset refuses a dataset that has no contract, so that a slip of the
// pen isn't taken for "nothing failed". The dataset "" stands for keys that no
// contract claims.
func (o *Operator) CheckDataset(dataset string) error {
	if dataset != "" && o.Contracts.ByDataset(dataset) == nil {
		return fmt.Errorf("no contract for dataset %q: name one of %s", dataset, strings.Join(o.datasets(), ", "))
	}
	return nil
}

// Summary is how a dataset stands: what waits and what failed.
type Summary struct {
	Dataset string          `json:"dataset"`
	Waiting int             `json:"waiting"`
	Failed  []journal.Entry `json:"failed"`
}

// maxCountedWaiting bounds what a summary counts: more than this is "many".
const maxCountedWaiting = 1000

// Summaries returns one summary a dataset, and one for the keys that no
// contract claims (Dataset is empty) if there are any.
func (o *Operator) Summaries(ctx context.Context) ([]Summary, error) {
	var summaries []Summary
	for _, c := range o.Contracts {
		waiting, err := o.Journal.Waiting(ctx, c.Dataset(), maxCountedWaiting)
		if err != nil {
			return nil, err
		}
		failed, err := o.Journal.Failed(ctx, c.Dataset(), "")
		if err != nil {
			return nil, err
		}
		summaries = append(summaries, Summary{Dataset: c.Dataset(), Waiting: len(waiting), Failed: failed})
	}
	unclaimed, err := o.Journal.Failed(ctx, "", "")
	if err == nil && len(unclaimed) > 0 {
		summaries = append(summaries, Summary{Failed: unclaimed})
	}
	return summaries, err
}
