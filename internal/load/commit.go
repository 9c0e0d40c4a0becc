package load

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/journal"
	"github.com/firn-data/firn/internal/object"
	"github.com/firn-data/firn/internal/telemetry"
)

// record writes the fresh objects' ledger rows.
func (t *transaction) record(ctx context.Context) error {
	for _, o := range t.fresh {
		row := LedgerRow{
			ID: o.id(), Object: o.Object, Generation: o.Generation, LoadID: t.loadID,
			Contract: o.Contract, Engine: o.Engine, Attempt: o.Attempt, ContentHash: o.ContentHash,
			Files: len(o.Data), RowsRead: o.RowsRead, RowsWritten: o.RowsWritten, RowsRejected: o.RowsRejected,
			CopyQueryID: t.firstQuery(Rows.names(o)), RejectsQueryID: t.firstQuery(Rejects.names(o)),
			TransformedAt: o.FinishedAt, StartedAt: t.lock.TakenAt,
			Bytes: o.bytes(), TransformStartedAt: o.StartedAt, DuplicateOf: t.duplicateOf[o.id()],
		}
		for _, name := range Rows.names(o) {
			row.RowsLoaded += t.copied[name].rows
		}
		t.recorded = append(t.recorded, row)
	}
	return t.session.Record(ctx, t.recorded)
}

func (t *transaction) firstQuery(names []string) string {
	if len(names) == 0 {
		return ""
	}
	return t.copied[names[0]].queryID
}

// checkLedger proves, before anybody sees it, that nothing stands twice.
// Snowflake enforces no key on a table.
func (t *transaction) checkLedger(ctx context.Context) error {
	keys := keysOf(t.fresh)
	standing, err := t.session.Standing(ctx, keys)
	if err != nil {
		return err
	}
	if want := int64(len(keys)); standing != (Standing{Rows: want, Objects: want, Keys: want}) {
		return t.broken("check ledger", "%d keys have %d ledger rows of %d objects", want, standing.Rows, standing.Objects)
	}
	return nil
}

// askTime bounds the question to the ledger after a COMMIT without an answer,
// which may come when the invocation's time is over.
const askTime = 15 * time.Second

// commit commits. If the answer is an error, nobody knows what happened: a new
// session reads the ledger by this load's id. What isn't there yet may still
// come, but the next attempt waits for its lock and then sees it.
func (t *transaction) commit(ctx context.Context) error {
	err := t.session.Commit(ctx)
	if err == nil {
		t.committed = true
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), askTime)
	defer cancel()
	there, asked := t.ask(ctx)
	if asked == nil && there == len(t.fresh) {
		t.committed = true
		return nil
	}
	return t.named(fault.Dependency("commit", fault.CommitUnknown, errors.Join(err, asked)))
}

func (t *transaction) ask(ctx context.Context) (int, error) {
	session, err := t.loader.Warehouse.Open(ctx, t.dataset, t.loadID)
	if err != nil {
		return 0, fmt.Errorf("read ledger by load id: %w", err)
	}
	objects, err := session.LoadedBy(ctx, t.loadID)
	if closed := session.Close(); closed != nil {
		telemetry.Logger(ctx).WarnContext(ctx, "session not closed", telemetry.KeyLoadID, t.loadID, telemetry.KeyError, closed.Error())
	}
	return len(objects), err
}

// announce publishes what was committed, and what an earlier loader committed
// without living to say so. It reports whether the journal may follow: an
// object whose news isn't out stays transformed there, so that its message
// comes back.
func (t *transaction) announce(ctx context.Context) bool {
	if err := t.askJournal(ctx); err != nil {
		t.results.fail(t.group, err)
		return false
	}
	for _, n := range t.news() {
		if err := t.loader.Publisher.Publish(ctx, n); err != nil {
			t.results.fail(t.group, err)
			return false
		}
	}
	return true
}

// askJournal drops from found what needs no further word: what the journal has
// as done by now, and what no message of ours asks for.
func (t *transaction) askJournal(ctx context.Context) error {
	asked := slices.DeleteFunc(t.found, func(f foundRow) bool { return !f.object.asked })
	done, faults := t.loader.finals(ctx, len(asked), func(i int) (object.ID, int) {
		return asked[i].object.id(), asked[i].object.Generation
	})
	t.found = nil
	for i, f := range asked {
		if faults[i] != nil {
			return faults[i]
		}
		if !done[i] {
			t.found = append(t.found, f)
		}
	}
	return nil
}

// news is one message for each load, this one's first.
func (t *transaction) news() []News {
	var news []News
	at := make(map[string]int)
	add := func(row LedgerRow) {
		i, found := at[row.LoadID]
		if !found {
			i = len(news)
			at[row.LoadID] = i
			news = append(news, News{Dataset: t.dataset, LoadID: row.LoadID})
		}
		news[i].Objects++
		if t.tellsDuplicate(row) {
			news[i].Duplicates++
		}
		news[i].Rows += row.RowsLoaded
	}
	for _, row := range t.recorded {
		add(row)
	}
	for _, f := range t.found {
		add(f.row)
	}
	return news
}

// writeJournal tells the journal what the ledger says now: what is loaded, then
// what gave way to it.
func (t *transaction) writeJournal(ctx context.Context) {
	var older, loaded, superseded []note
	for _, f := range t.found {
		older = append(older, t.olderGaveWay(f.row))
	}
	t.write(ctx, older)
	for _, f := range t.found {
		if t.results[f.row.ID].err == nil { // else it isn't loaded yet, or nobody would ask again
			loaded = append(loaded, t.loaded(ctx, f.row))
		}
	}
	successor := make(map[Key]object.ID)
	for _, row := range t.recorded {
		successor[KeyOf(row.Object)] = row.ID
		loaded = append(loaded, t.loaded(ctx, row))
	}
	for old, by := range t.superseded {
		superseded = append(superseded, t.gaveWay(old, by))
	}
	for _, old := range t.replaced {
		if by := successor[KeyOf(old.Object)]; by != old.ID {
			superseded = append(superseded, t.gaveWay(old.ID, by))
		}
	}
	t.write(ctx, loaded)
	t.write(ctx, superseded)
}

// note is one write of the journal.
type note struct {
	id    object.ID
	write func(ctx context.Context) error
}

func (t *transaction) gaveWay(old, by object.ID) note {
	return note{old, func(ctx context.Context) error { return t.loader.Journal.Superseded(ctx, old, by) }}
}

// write writes the notes, in any order.
func (t *transaction) write(ctx context.Context, notes []note) {
	faults := make([]error, len(notes))
	atOnce(len(notes), func(i int) { faults[i] = notes[i].write(ctx) })
	for i, n := range notes {
		t.keep(ctx, n.id, faults[i])
	}
}

// olderGaveWay tells the journal what a loader that died after its COMMIT
// replaced: the ledger has forgotten that, so the bucket names the key's older
// versions. One that the bucket has no more keeps its state.
func (t *transaction) olderGaveWay(row LedgerRow) note {
	return note{row.ID, func(ctx context.Context) error {
		versions, err := t.loader.Versions.NewestFirst(ctx, KeyOf(row.Object))
		if err != nil {
			return err
		}
		older := slices.Index(versions, row.Object.Version) + 1
		if older == 0 {
			return nil
		}
		for _, version := range versions[older:] {
			old := row.Object
			old.Version = version
			if err := t.loader.Journal.Superseded(ctx, old.ID(), row.ID); err != nil && !errors.Is(err, journal.ErrNotFound) {
				return err
			}
		}
		return nil
	}}
}

func (t *transaction) loaded(ctx context.Context, row LedgerRow) note {
	telemetry.Logger(ctx).InfoContext(ctx, "object loaded",
		telemetry.KeyObject, string(row.ID), telemetry.KeyKey, row.Object.Key, telemetry.KeyVersion, row.Object.Version,
		telemetry.KeyDataset, t.dataset, telemetry.KeyLoadID, row.LoadID, telemetry.KeyQueryID, row.CopyQueryID,
		telemetry.KeyRows, row.RowsRead, telemetry.KeyWritten, row.RowsLoaded, telemetry.KeyRejected, row.RowsRejected)
	return note{row.ID, func(ctx context.Context) error {
		return t.loader.Journal.Loaded(ctx, row.ID, journal.Load{
			LoadID: row.LoadID, Generation: row.Generation, QueryID: row.CopyQueryID, Rows: row.RowsLoaded,
		})
	}}
}

// keep keeps the message of an object whose journal entry couldn't be written.
// An object that the journal doesn't know is loaded all the same.
func (t *transaction) keep(ctx context.Context, id object.ID, err error) {
	switch {
	case err == nil:
	case errors.Is(err, journal.ErrNotFound):
		telemetry.Logger(ctx).WarnContext(ctx, "journal has no such object", telemetry.KeyObject, string(id), telemetry.KeyDataset, t.dataset)
	default:
		t.results[id] = result{err: fault.On(err, string(id), t.dataset, "")}
	}
}
