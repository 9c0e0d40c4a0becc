package operator

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/journal"
	"github.com/firn-data/firn/internal/object"
)

// Dismiss gives up objects for good.
type Dismiss struct {
	// Objects are S3 URIs or object ids. A URI means the newest version of its key.
	// Without Objects, the dismissal takes the failed objects of Dataset with Code.
	Objects []string
	// Dataset is "<source>.<entity>", or empty for keys without a contract.
	Dataset string
	// Code is the code of the failures. Required without Objects.
	Code fault.Code
	// By and Reason are the person and the reason, for the journal.
	By, Reason string
}

// Dismissed is the result of the dismissal of one object.
type Dismissed struct {
	ID      object.ID     `json:"id"`
	Object  object.Object `json:"object"`
	Dataset string        `json:"dataset"`
	// Before means that the object was dismissed before.
	Before bool `json:"before,omitempty"`
	// Refused is the reason for a refused dismissal; empty for a dismissed object.
	Refused string `json:"refused,omitempty"`
}

// dismissAtOnce is the number of parallel dismissals.
const dismissAtOnce = 10

// Dismiss dismisses the requested objects, and calls report for each object. An object
// on its way is dismissed too if Objects names the object: no later message continues
// the object. A repeated call changes nothing. Before an error, Dismiss reports the objects
// that are finished.
func (o *Operator) Dismiss(ctx context.Context, d Dismiss, report func(Dismissed)) error {
	if err := checkReason("dismissal", d.Reason); err != nil {
		return err
	}
	entries, err := o.findDismissals(ctx, d)
	if err != nil {
		return err
	}
	dismissal := journal.Dismissal{By: d.By, Reason: d.Reason}
	if len(d.Objects) == 0 {
		dismissal.OnlyCode = d.Code
	}
	for chunk := range slices.Chunk(entries, dismissAtOnce) {
		dismissed, err := o.dismissSome(ctx, chunk, dismissal)
		for _, one := range dismissed {
			report(one)
		}
		if err != nil {
			return runAgain(err)
		}
	}
	return nil
}

// findDismissals returns the entries of the objects to dismiss.
func (o *Operator) findDismissals(ctx context.Context, d Dismiss) ([]journal.Entry, error) {
	if len(d.Objects) == 0 {
		if d.Code == "" {
			return nil, errors.New("name objects, or a dataset and a code")
		}
		if err := o.checkFailures(d.Dataset, d.Code); err != nil {
			return nil, err
		}
		return o.Journal.Failed(ctx, d.Dataset, d.Code)
	}
	var entries []journal.Entry
	for _, name := range d.Objects {
		entry, err := o.Status(ctx, name)
		if err != nil {
			return nil, err
		}
		entries = append(entries, entry)
	}
	return entries, nil
}

// dismissSome dismisses a chunk in parallel. After an error, the result has only the
// finished objects.
func (o *Operator) dismissSome(ctx context.Context, chunk []journal.Entry, d journal.Dismissal) ([]Dismissed, error) {
	all := make([]Dismissed, len(chunk))
	group, ctx := errgroup.WithContext(ctx)
	for i, entry := range chunk {
		group.Go(func() error {
			after, done, err := o.Journal.Dismiss(ctx, entry.ID, d)
			if err != nil {
				return err
			}
			all[i] = Dismissed{ID: entry.ID, Object: entry.Object, Dataset: entry.Dataset}
			switch {
			case done:
			case after.State == journal.Dismissed:
				all[i].Before = true
			default:
				all[i].Refused = refuseDismissal(after)
			}
			return nil
		})
	}
	err := group.Wait()
	return slices.DeleteFunc(all, func(one Dismissed) bool { return one.ID == "" }), err
}

// refuseDismissal returns the reason for a refused dismissal.
func refuseDismissal(e journal.Entry) string {
	switch e.State {
	case journal.Loaded:
		return "the object is loaded: `firn withdraw` removes its rows"
	case journal.Superseded, journal.Withdrawn, journal.Ignored:
		return fmt.Sprintf("the object is %s, so nothing is left to dismiss", e.State)
	case journal.Failed:
		return "the object failed again with the code " + e.Code
	default:
		return fmt.Sprintf("the object is %s again: another command redrove the object", e.State)
	}
}

// maxReason is the longest reason in characters.
const maxReason = 1000

// checkReason returns an error for a missing or too long reason of a withdrawal or a
// dismissal.
func checkReason(noun, reason string) error {
	switch {
	case strings.TrimSpace(reason) == "":
		return errors.New("a " + noun + " needs a reason")
	case len([]rune(reason)) > maxReason:
		return fmt.Errorf("the reason has more than %d characters", maxReason)
	}
	return nil
}
