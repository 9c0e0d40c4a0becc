package operator

import (
	"context"
	"fmt"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/journal"
	"github.com/firn-data/firn/internal/object"
	"github.com/firn-data/firn/internal/sqsbatch"
)

// Outcome is the result of a redrive of one object.
type Outcome string

// The outcomes.
const (
	// WasRedriven: the object is on its way again.
	WasRedriven Outcome = "redriven"
	// WasUnderWay: the object was on its way before. For example, another person's
	// command redrove the object.
	WasUnderWay Outcome = "under_way"
	// WasSettled: the object is loaded, superseded, withdrawn or ignored, so no redrive
	// is needed.
	WasSettled Outcome = "settled"
	// WasNotSent: the queue didn't take the message. The same command sends the message.
	WasNotSent Outcome = "not_sent"
)

// Redriven is the result of a redrive. The entry is the entry before the redrive.
type Redriven struct {
	journal.Entry

	Outcome Outcome `json:"outcome"`
}

// Redrive tries a failed or dismissed object again. The journal changes first, then the
// message is sent. If the command stops before the send, the same command sends the
// message. An object in another state doesn't change.
func (o *Operator) Redrive(ctx context.Context, name string) (Redriven, error) {
	entry, err := o.Status(ctx, name)
	if err != nil {
		return Redriven{}, err
	}
	var redriven Redriven
	err = o.redriveAll(ctx, []object.ID{entry.ID}, func(r Redriven) { redriven = r })
	return redriven, runAgain(err)
}

// RedriveAll redrives all failed objects of a dataset with the code, and calls report for
// each object. An empty code means any code. The dataset "" means keys without a
// contract.
//
// After an error or a kill, the same call continues: RedriveAll also sends the messages
// of objects that an earlier command moved and never sent. Two simultaneous calls share
// the objects. RedriveAll stops if a queue or the journal doesn't answer, and continues
// after a refused message.
func (o *Operator) RedriveAll(ctx context.Context, dataset string, code fault.Code, report func(Redriven)) error {
	if err := o.checkFailures(dataset, code); err != nil {
		return err
	}
	unsent, err := o.Journal.Unsent(ctx, dataset, code)
	if err != nil {
		return err
	}
	failed, err := o.Journal.Failed(ctx, dataset, code)
	if err != nil {
		return err
	}
	var ids []object.ID
	for _, entry := range append(unsent, failed...) {
		ids = append(ids, entry.ID)
	}
	return runAgain(o.redriveAll(ctx, ids, report))
}

// runAgain adds the advice to run the command again; nil stays nil.
func runAgain(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w (run the command again)", err)
}

// checkFailures returns an error for an unknown dataset or code.
func (o *Operator) checkFailures(dataset string, code fault.Code) error {
	if err := o.CheckDataset(dataset); err != nil {
		return err
	}
	if code != "" && !slices.Contains(fault.Codes(), code) {
		return fmt.Errorf("no fault has the code %q: docs/runbook.md lists all codes", code)
	}
	return nil
}

func (o *Operator) redriveAll(ctx context.Context, ids []object.ID, report func(Redriven)) error {
	var refused refusals
	for chunk := range slices.Chunk(ids, sqsbatch.MostEntries) {
		redrives, err := o.redriveSome(ctx, chunk)
		if err != nil {
			return err
		}
		messages := make([]message, len(redrives))
		for i, r := range redrives {
			messages[i] = message{id: r.Before.ID, stage: r.Stage, body: r.Body, mark: r.Mark}
		}
		unsent, stop := o.sendAll(ctx, messages)
		for i, r := range redrives {
			report(Redriven{Entry: r.Before, Outcome: outcomeOf(r, unsent[i] != nil)})
		}
		if stop != nil {
			return stop
		}
		refused.add(unsent)
	}
	return refused.err()
}

func outcomeOf(r journal.Redrive, notSent bool) Outcome {
	switch {
	case notSent:
		return WasNotSent
	case r.Body != "":
		return WasRedriven
	case r.Before.State.Final():
		return WasSettled
	default:
		return WasUnderWay
	}
}

// redriveSome changes the journal entries of a chunk in parallel.
func (o *Operator) redriveSome(ctx context.Context, chunk []object.ID) ([]journal.Redrive, error) {
	redrives := make([]journal.Redrive, len(chunk))
	group, ctx := errgroup.WithContext(ctx)
	for i, id := range chunk {
		group.Go(func() (err error) {
			redrives[i], err = o.Journal.Redrive(ctx, id)
			return err
		})
	}
	return redrives, group.Wait()
}
