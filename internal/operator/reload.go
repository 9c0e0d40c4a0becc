package operator

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/firn-data/firn/internal/contract"
	"github.com/firn-data/firn/internal/journal"
	"github.com/firn-data/firn/internal/object"
	"github.com/firn-data/firn/internal/snowflake/ledger"
	"github.com/firn-data/firn/internal/sqsbatch"
	"github.com/firn-data/firn/internal/work"
)

// Ledger is what a reload asks the ledger: which objects a dataset has.
type Ledger interface {
	Page(ctx context.Context, c *contract.Contract, after object.ID, since time.Time, limit int) ([]ledger.Row, error)
	Find(ctx context.Context, c *contract.Contract, id object.ID) (ledger.Row, bool, error)
}

// Reload transforms objects again under the contract that is deployed now. The
// rows of before stay until the new ones take their place in one transaction.
type Reload struct {
	// Dataset is "<source>.<entity>"; "" if the objects say it themselves.
	Dataset string
	// Objects are URIs or ids. None takes all that the dataset's ledger has.
	Objects []string
	// Since leaves out what was loaded before. The zero time leaves out nothing.
	Since time.Time
	// Ledger may be nil if there is no Dataset.
	Ledger Ledger
	// OnlyPlan tells what would be done.
	OnlyPlan bool
	// PageSize is how many ledger rows are read at once. 0 takes 1,000.
	PageSize int
}

// Reloaded is what became of one object.
type Reloaded struct {
	ID     object.ID     `json:"id"`
	Object object.Object `json:"object"`
	// Generation is the object's from now on.
	Generation int `json:"generation"`
	// UnderWay tells that it was being reloaded already.
	UnderWay bool `json:"under_way,omitempty"`
	// Refused says why it was left alone; empty if it wasn't.
	Refused string `json:"refused,omitempty"`
}

// candidate is an object that is to be reloaded. The row is the ledger's, if it
// was asked.
type candidate struct {
	id      object.ID
	object  object.Object
	dataset string
	row     *ledger.Row
}

const pageSize = 1000

// Reload reloads what is asked for, and tells each object once its message is
// sent. A command that dies, or an error halfway, leaves nothing undone that the
// same command doesn't do: an object that is on its way is sent again, and gets
// no further generation.
func (o *Operator) Reload(ctx context.Context, r Reload, tell func(Reloaded)) error {
	if r.Dataset == "" && len(r.Objects) == 0 {
		return errors.New("name a dataset or objects")
	}
	if err := o.CheckDataset(r.Dataset); err != nil {
		return err
	}
	if len(r.Objects) > 0 {
		named, err := o.findNamed(ctx, r)
		if err != nil {
			return err
		}
		return o.reloadAll(ctx, named, r.OnlyPlan, tell)
	}
	c := o.Contracts.ByDataset(r.Dataset)
	size := cmp.Or(r.PageSize, pageSize)
	for after := object.ID(""); ; {
		rows, err := r.Ledger.Page(ctx, c, after, r.Since, size)
		if err != nil || len(rows) == 0 {
			return err
		}
		page := make([]candidate, len(rows))
		for i := range rows {
			page[i] = candidateOf(rows[i], r.Dataset)
		}
		if err := o.reloadAll(ctx, page, r.OnlyPlan, tell); err != nil {
			return err
		}
		after = rows[len(rows)-1].ID
	}
}

func candidateOf(row ledger.Row, dataset string) candidate {
	return candidate{id: row.ID, object: row.Object, dataset: dataset, row: &row}
}

// findNamed finds the objects that a person named. One that the journal lost is
// looked for in the ledger of the dataset.
func (o *Operator) findNamed(ctx context.Context, r Reload) ([]candidate, error) {
	var all []candidate
	for _, name := range r.Objects {
		entry, err := o.Status(ctx, name)
		if err == nil {
			if r.Dataset != "" && entry.Dataset != r.Dataset {
				return nil, fmt.Errorf("%s is of dataset %q, not %s", name, entry.Dataset, r.Dataset)
			}
			all = append(all, candidate{id: entry.ID, object: entry.Object, dataset: entry.Dataset})
			continue
		}
		if !errors.Is(err, journal.ErrNotFound) || r.Dataset == "" || !object.IsID(name) {
			return nil, err
		}
		row, found, asked := r.Ledger.Find(ctx, o.Contracts.ByDataset(r.Dataset), object.ID(name))
		switch {
		case asked != nil:
			return nil, asked
		case !found:
			return nil, fmt.Errorf("%w, nor does the ledger of %s", err, r.Dataset)
		}
		all = append(all, candidateOf(row, r.Dataset))
	}
	return all, nil
}

func (o *Operator) reloadAll(ctx context.Context, candidates []candidate, onlyPlan bool, tell func(Reloaded)) error {
	for some := range slices.Chunk(candidates, sqsbatch.MostEntries) {
		reloads, err := o.reloadSome(ctx, some, onlyPlan)
		if err != nil {
			return err
		}
		if !onlyPlan {
			if err := o.sendReloads(ctx, reloads); err != nil {
				return err
			}
		}
		for i, c := range some {
			tell(Reloaded{ID: c.id, Object: c.object, Generation: reloads[i].Generation, UnderWay: reloads[i].UnderWay, Refused: reloads[i].Refused})
		}
	}
	return nil
}

// reloadSome moves the journal's entries, all at once.
func (o *Operator) reloadSome(ctx context.Context, some []candidate, onlyPlan bool) ([]journal.Reload, error) {
	reloads := make([]journal.Reload, len(some))
	group, ctx := errgroup.WithContext(ctx)
	for i, c := range some {
		group.Go(func() (err error) {
			if onlyPlan {
				reloads[i], err = o.planReload(ctx, c)
			} else {
				reloads[i], err = o.reload(ctx, c)
			}
			return err
		})
	}
	return reloads, group.Wait()
}

func (o *Operator) reload(ctx context.Context, c candidate) (journal.Reload, error) {
	reload, err := o.Journal.Reload(ctx, c.id)
	if errors.Is(err, journal.ErrNotFound) && c.row != nil {
		if err := o.Journal.Restore(ctx, c.object, c.dataset, loadFromLedger(*c.row)); err != nil {
			return journal.Reload{}, err
		}
		return o.Journal.Reload(ctx, c.id)
	}
	return reload, err
}

func (o *Operator) planReload(ctx context.Context, c candidate) (journal.Reload, error) {
	entry, err := o.Journal.Get(ctx, c.id)
	if errors.Is(err, journal.ErrNotFound) && c.row != nil {
		return journal.Reload{Generation: c.row.Generation + 1}, nil
	}
	return entry.PlanReload(), err
}

// loadFromLedger is what the journal would know of a load, had it not lost the entry.
func loadFromLedger(row ledger.Row) journal.Load {
	return journal.Load{LoadID: row.LoadID, Generation: row.Generation, QueryID: row.QueryID, Rows: row.RowsLoaded}
}

// sendReloads sends the messages of the reloads to the transform queue.
func (o *Operator) sendReloads(ctx context.Context, reloads []journal.Reload) error {
	var messages []sqsbatch.Message
	for _, r := range reloads {
		if r.Work != nil {
			messages = append(messages, sqsbatch.Message{Body: r.Work.Encode()})
		}
	}
	var refused []*sqsbatch.Refused
	for _, err := range sqsbatch.Send(ctx, o.Queues, o.Stack.Queues[string(work.Transform)], messages) {
		var one *sqsbatch.Refused
		switch {
		case errors.As(err, &one):
			refused = append(refused, one)
		case err != nil:
			return fmt.Errorf("send to the transform queue: %w (give the command again: what is on its way gets no further generation)", err)
		}
	}
	if len(refused) > 0 {
		return fmt.Errorf("send to the transform queue: %d of %d messages were refused, first %w (give the command again)",
			len(refused), len(messages), refused[0])
	}
	return nil
}
