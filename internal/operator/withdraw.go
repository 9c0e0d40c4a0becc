package operator

import (
	"context"
	"errors"
	"fmt"

	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/journal"
	"github.com/firn-data/firn/internal/load"
	"github.com/firn-data/firn/internal/object"
	"github.com/firn-data/firn/internal/work"
)

// Withdrawer withdraws one object. load.Loader implements Withdrawer.
type Withdrawer interface {
	Withdraw(ctx context.Context, w work.Work) (load.WithdrawalResult, error)
}

// Withdraw removes the rows and the rejects of objects from the tables.
type Withdraw struct {
	// Objects are S3 URIs or object ids. A URI means the newest version of its key.
	Objects []string
	// Dataset is "<source>.<entity>". May be empty if the journal has an entry of each
	// object.
	Dataset string
	// By and Reason are the person and the reason, for the table of ended rows.
	By, Reason string
	// Ledger is the ledger of Dataset. May be nil without a Dataset.
	Ledger Ledger
	// Withdrawer withdraws, and Files deletes the curated files.
	Withdrawer Withdrawer
	Files      load.Files
}

// Withdrawn is the result of the withdrawal of one object.
type Withdrawn struct {
	ID      object.ID     `json:"id"`
	Object  object.Object `json:"object"`
	Dataset string        `json:"dataset"`
	// Ended are the versions whose rows left the table: the object, or an older version
	// of its key. Empty if the table had no rows.
	Ended []EndedVersion `json:"ended"`
}

// EndedVersion is a version whose rows left the table.
type EndedVersion struct {
	ID       object.ID `json:"id"`
	Version  string    `json:"version"`
	LoadID   string    `json:"load_id"`
	Rows     int64     `json:"rows"`
	Rejected int64     `json:"rejected"`
}

// Withdraw withdraws the objects, one transaction each, and calls report for each
// object. Afterwards the tables have no rows of the object, nor of an older version of
// its key. A newer version of the key isn't affected.
//
// After an error or a kill, the same call completes the withdrawal. A repeated call
// changes nothing.
func (o *Operator) Withdraw(ctx context.Context, r Withdraw, report func(Withdrawn)) error {
	if err := checkReason("withdrawal", r.Reason); err != nil {
		return err
	}
	if len(r.Objects) == 0 {
		return errors.New("name the objects to withdraw")
	}
	if err := o.CheckDataset(r.Dataset); err != nil {
		return err
	}
	named, err := o.findNamed(ctx, Reload{Dataset: r.Dataset, Objects: r.Objects, Ledger: r.Ledger})
	if err != nil {
		return err
	}
	for _, c := range named {
		if err := o.checkWithdrawable(ctx, c); err != nil {
			return err
		}
	}
	for _, c := range named {
		done, err := o.withdraw(ctx, r, c)
		if err != nil {
			return fmt.Errorf("withdraw %s: %w (run the command again)", c.object.URI(), err)
		}
		report(done)
	}
	return nil
}

// checkWithdrawable refuses an object that has no table.
func (o *Operator) checkWithdrawable(ctx context.Context, c candidate) error {
	if o.Contracts.ByDataset(c.dataset) == nil {
		return fmt.Errorf("withdraw %s: the object has no contract, so no table has rows of the object", c.object.URI())
	}
	entry, err := o.Journal.Get(ctx, c.id)
	switch {
	case errors.Is(err, journal.ErrNotFound):
		return nil
	case err == nil && entry.State == journal.Ignored:
		return fmt.Errorf("withdraw %s: the object is ignored (%s), so no table has rows of the object", c.object.URI(), entry.Reason)
	}
	return err
}

func (o *Operator) withdraw(ctx context.Context, r Withdraw, c candidate) (Withdrawn, error) {
	if c.row != nil { // so that the journal shows the withdrawal
		if err := o.Journal.Restore(ctx, c.object, c.dataset, loadFromLedger(*c.row)); err != nil {
			return Withdrawn{}, err
		}
	}
	entry, err := o.Journal.Get(ctx, c.id)
	if err != nil {
		return Withdrawn{}, err
	}
	done := Withdrawn{ID: c.id, Object: c.object, Dataset: c.dataset, Ended: []EndedVersion{}}
	result, err := waitForLock(func() (load.WithdrawalResult, error) {
		return r.Withdrawer.Withdraw(ctx, work.Work{
			Stage: work.Load, Dataset: c.dataset, Object: c.object, Generation: entry.Generation,
			Withdraw: &work.Withdrawal{By: r.By, Note: r.Reason},
		})
	})
	if err != nil {
		return Withdrawn{}, err
	}
	for _, end := range result.Ended {
		row := end.Row
		done.Ended = append(done.Ended, EndedVersion{
			ID: row.ID, Version: row.Object.Version, LoadID: row.LoadID, Rows: row.RowsLoaded, Rejected: row.RowsRejected,
		})
	}
	// A transform may have written files after an earlier withdrawal.
	return done, r.Files.DeleteFiles(ctx, c.dataset, c.id)
}

// maxLockAttempts bounds the wait for a running load. Each attempt waits for the lock
// itself, for 5 seconds by default.
const maxLockAttempts = 24

// waitForLock tries again while a load or another command holds the lock of the dataset.
func waitForLock[T any](try func() (T, error)) (result T, err error) {
	for range maxLockAttempts {
		if result, err = try(); !fault.Is(err, fault.LockBusy) {
			break
		}
	}
	return result, err
}
