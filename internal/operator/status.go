package operator

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/firn-data/firn/internal/journal"
	"github.com/firn-data/firn/internal/object"
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
