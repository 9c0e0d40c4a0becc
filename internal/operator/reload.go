package operator

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/firn-data/firn/internal/contract"
	"github.com/firn-data/firn/internal/journal"
	"github.com/firn-data/firn/internal/object"
	"github.com/firn-data/firn/internal/snowflake/ledger"
	"github.com/firn-data/firn/internal/sqsbatch"
)

// Ledger reads the objects of a dataset's ledger. ledger.Reader implements Ledger.
type Ledger interface {
	Page(ctx context.Context, c *contract.Contract, after object.ID, s ledger.Selection, limit int) ([]ledger.Row, error)
	Find(ctx context.Context, c *contract.Contract, id object.ID) (ledger.Row, bool, error)
}

// Reload transforms objects again under the deployed contracts. The earlier rows stay
// until the load replaces the rows in one transaction.
type Reload struct {
	// Dataset is "<source>.<entity>". May be empty if the journal has an entry of each object
	// in Objects.
	Dataset string
	// Objects are S3 URIs or object ids. Without Objects, the reload takes all objects
	// of the dataset's ledger.
	Objects []string
	// Selection limits the ledger rows of a reload without Objects.
	Selection ledger.Selection
	// Ledger is the ledger of Dataset. May be nil without a Dataset.
	Ledger Ledger
	// OnlyPlan reports the result of the reload, and changes nothing.
	OnlyPlan bool
	// PageSize is the number of ledger rows in one read. 0 means 1,000.
	PageSize int
}

// Reloaded is the result of the reload of one object.
type Reloaded struct {
	ID     object.ID     `json:"id"`
	Object object.Object `json:"object"`
	// Generation is the generation of the object after the reload.
	Generation int `json:"generation"`
	// Rejects is the number of the object's rejects in the ledger; 0 for an object from
	// the journal.
	Rejects int64 `json:"rejects,omitempty"`
	// UnderWay means that an earlier reload of the object hasn't ended.
	UnderWay bool `json:"under_way,omitempty"`
	// NotSent means that the queue didn't take the message. The same command sends the
	// message.
	NotSent bool `json:"not_sent,omitempty"`
	// Refused is the reason for a refused reload; empty if the reload is possible.
	Refused string `json:"refused,omitempty"`
}

// candidate is an object to reload. The row is the ledger row; nil for an object from
// the journal.
type candidate struct {
	id      object.ID
	object  object.Object
	dataset string
	row     *ledger.Row
}

const pageSize = 1000

// Reload reloads the requested objects. It calls report for each object, after the send
// of the object's message.
//
// After an error or a kill, the same call completes the reload. An object of an
// unfinished reload gets no further generation, and its message again only if no command
// sent the message. Two simultaneous calls share the objects.
func (o *Operator) Reload(ctx context.Context, r Reload, report func(Reloaded)) error {
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
		return o.reloadAll(ctx, named, r.OnlyPlan, report)
	}
	c := o.Contracts.ByDataset(r.Dataset)
	size := cmp.Or(r.PageSize, pageSize)
	for after := object.ID(""); ; {
		rows, err := r.Ledger.Page(ctx, c, after, r.Selection, size)
		if err != nil || len(rows) == 0 {
			return err
		}
		page := make([]candidate, len(rows))
		for i := range rows {
			page[i] = candidateOf(rows[i], r.Dataset)
		}
		if err := o.reloadAll(ctx, page, r.OnlyPlan, report); err != nil {
			return err
		}
		after = rows[len(rows)-1].ID
	}
}

func candidateOf(row ledger.Row, dataset string) candidate {
	return candidate{id: row.ID, object: row.Object, dataset: dataset, row: &row}
}

// findNamed returns the objects in r.Objects. If the journal has no entry of an id,
// findNamed searches the ledger of r.Dataset.
func (o *Operator) findNamed(ctx context.Context, r Reload) ([]candidate, error) {
	var all []candidate
	for _, name := range r.Objects {
		entry, err := o.Status(ctx, name)
		if err == nil {
			if r.Dataset != "" && entry.Dataset != r.Dataset {
				return nil, fmt.Errorf("%s belongs to dataset %q, not %s", name, entry.Dataset, r.Dataset)
			}
			all = append(all, candidate{id: entry.ID, object: entry.Object, dataset: entry.Dataset})
			continue
		}
		if !errors.Is(err, journal.ErrNotFound) || r.Dataset == "" || !object.IsID(name) {
			return nil, err
		}
		row, found, findErr := r.Ledger.Find(ctx, o.Contracts.ByDataset(r.Dataset), object.ID(name))
		switch {
		case findErr != nil:
			return nil, findErr
		case !found:
			return nil, fmt.Errorf("the ledger of %s has no row of %s, and %w", r.Dataset, name, err)
		}
		all = append(all, candidateOf(row, r.Dataset))
	}
	return all, nil
}

func (o *Operator) reloadAll(ctx context.Context, candidates []candidate, onlyPlan bool, report func(Reloaded)) error {
	var refused refusals
	for chunk := range slices.Chunk(candidates, sqsbatch.MostEntries) {
		reloads, err := o.reloadSome(ctx, chunk, onlyPlan)
		if err != nil {
			return err
		}
		messages := make([]message, len(chunk))
		for i, r := range reloads {
			if r.Work != nil && !onlyPlan {
				messages[i] = message{id: chunk[i].id, stage: r.Work.Stage, body: r.Work.Encode(), mark: r.Mark}
			}
		}
		unsent, stop := o.sendAll(ctx, messages)
		for i, c := range chunk {
			report(c.reloaded(reloads[i], unsent[i] != nil))
		}
		if stop != nil {
			return stop
		}
		refused.add(unsent)
	}
	return refused.err()
}

func (c candidate) reloaded(r journal.Reload, notSent bool) Reloaded {
	reloaded := Reloaded{ID: c.id, Object: c.object, Generation: r.Generation, UnderWay: r.UnderWay, Refused: r.Refused, NotSent: notSent}
	if c.row != nil {
		reloaded.Rejects = c.row.RowsRejected
	}
	return reloaded
}

// reloadSome changes the journal entries of a chunk in parallel. With onlyPlan, the
// journal stays as before.
func (o *Operator) reloadSome(ctx context.Context, chunk []candidate, onlyPlan bool) ([]journal.Reload, error) {
	reloads := make([]journal.Reload, len(chunk))
	group, ctx := errgroup.WithContext(ctx)
	for i, c := range chunk {
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
	if errors.Is(err, journal.ErrNotFound) && c.row != nil && c.row.IsWithdrawn() {
		return withdrawnReload(*c.row), nil
	}
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
	if errors.Is(err, journal.ErrNotFound) && c.row != nil && c.row.IsWithdrawn() {
		return withdrawnReload(*c.row), nil
	}
	if errors.Is(err, journal.ErrNotFound) && c.row != nil {
		return journal.Reload{Generation: c.row.Generation + 1}, nil
	}
	return entry.PlanReload(), err
}

// withdrawnReload is the refused reload of a withdrawn object that the journal lost.
func withdrawnReload(row ledger.Row) journal.Reload {
	return journal.Reload{Generation: row.Generation, Refused: "the object is withdrawn: put the file again"}
}

// loadFromLedger returns a ledger row as the journal's description of a load. A
// restored journal entry gets this load.
func loadFromLedger(row ledger.Row) journal.Load {
	return journal.Load{LoadID: row.LoadID, Generation: row.Generation, QueryID: row.QueryID, Rows: row.RowsLoaded, DuplicateOf: row.DuplicateOf}
}
