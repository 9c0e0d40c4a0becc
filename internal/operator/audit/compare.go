package audit

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"golang.org/x/mod/semver"

	"github.com/firn-data/firn/internal/journal"
	"github.com/firn-data/firn/internal/object"
	"github.com/firn-data/firn/internal/snowflake/ddl"
	"github.com/firn-data/firn/internal/snowflake/ledger"
)

// key is one S3 key with all its versions.
type key struct{ bucket, name string }

func keyOf(o object.Object) key { return key{o.Bucket, o.Key} }

// comparison collects the differences of one dataset.
type comparison struct {
	*auditState
	*datasetState

	rows map[object.ID]*ledger.Row
	// currentRows has the ledger row of each key.
	currentRows map[key]*ledger.Row
	differences []Difference
}

// compare returns the differences of a dataset, in the order of kinds and then of
// objects.
func (s *auditState) compare(d *datasetState) []Difference {
	c := &comparison{auditState: s, datasetState: d, rows: make(map[object.ID]*ledger.Row), currentRows: make(map[key]*ledger.Row)}
	c.compareBucketWithJournal()
	switch {
	case d.tables != nil:
		c.compareLedgerRows()
		c.compareLedgerWithTables()
		c.compareLedgerWithJournal()
		c.compareLedgerWithBucket()
	case d.contract != nil:
		c.add(NoTable, object.Object{}, "contract: "+d.contract.Version, "Snowflake: no table", "firn migrate")
	}
	order := Kinds()
	slices.SortStableFunc(c.differences, func(a, b Difference) int {
		return cmp.Or(cmp.Compare(slices.Index(order, a.Kind), slices.Index(order, b.Kind)), cmp.Compare(a.Object, b.Object), cmp.Compare(a.ID, b.ID))
	})
	return c.differences
}

func (c *comparison) add(kind Kind, o object.Object, one, other, command string) {
	d := Difference{Dataset: c.dataset, Kind: kind, One: one, Other: other, Command: command}
	if o != (object.Object{}) {
		d.Object, d.ID = o.URI(), o.ID()
	}
	c.differences = append(c.differences, d)
}

// changedRecently reports whether the time is after the beginning of the audit, or less
// than grace before. The bucket, the journal and the ledger may not agree yet on such a
// change.
func (s *auditState) changedRecently(at time.Time) bool { return at.After(s.began.Add(-s.grace)) }

// lastChange returns the time of the entry's last change of state.
func lastChange(e *journal.Entry) time.Time {
	var last time.Time
	for _, at := range e.Times {
		if at.After(last) {
			last = at
		}
	}
	return last
}

// compareBucketWithJournal finds versions without a journal entry, and objects stuck in
// one state.
func (c *comparison) compareBucketWithJournal() {
	for _, v := range c.versions {
		if !c.known[v.ID()] && !c.changedRecently(v.modified) {
			c.add(Unannounced, v.Object, "bucket: version "+v.Version+" since "+stamp(v.modified), "journal: nothing", sweepCommand)
		}
	}
	for _, e := range c.entries {
		since := e.Times[e.State]
		moving := !e.State.Final() && e.State != journal.Failed
		if moving && since.Before(c.began.Add(-c.stuck)) {
			c.add(Stuck, e.Object, fmt.Sprintf("journal: %s since %s", e.State, stamp(since)),
				fmt.Sprintf("at most: %s", c.stuck), c.retryCommand(e))
		}
	}
}

// retryCommand returns the command that moves a stuck object on.
func (c *comparison) retryCommand(e *journal.Entry) string {
	if c.tables == nil || len(c.tables.Locks) != 1 || e.State != journal.Transformed {
		return sweepCommand
	}
	switch lock := c.tables.Locks[0]; {
	case lock.Paused:
		return "firn resume " + c.dataset
	case semver.Compare("v"+c.contract.Version, "v"+lock.Contract) > 0:
		return "firn migrate"
	default:
		return sweepCommand
	}
}

// compareLedgerRows checks the lock row, the uniqueness of objects and keys, and the
// sums of each ledger row.
func (c *comparison) compareLedgerRows() {
	if n := len(c.tables.Locks); n != 1 {
		command := "firn migrate" // inserts a missing lock row
		if n > 1 {
			command = c.ledgerQueryCommand(ddl.LockRow)
		}
		c.add(LockRow, object.Object{}, "ledger: "+plural(int64(n), "lock row"), "expected: 1", command)
	}
	for _, count := range c.tables.Counts {
		row := count.Row
		if row == nil {
			continue
		}
		if _, twice := c.rows[row.ID]; twice {
			c.add(ObjectTwice, row.Object, "ledger: more than 1 row", "expected: 1", c.ledgerQueryCommand(string(row.ID)))
			continue
		}
		if other, twice := c.currentRows[keyOf(row.Object)]; twice {
			c.add(KeyTwice, row.Object, "ledger: this version and "+string(other.ID), "expected: 1",
				c.ledgerQueryCommand(string(other.ID), string(row.ID)))
		}
		c.rows[row.ID], c.currentRows[keyOf(row.Object)] = row, row
		if row.RowsRead != row.RowsWritten+row.RowsRejected {
			c.add(RowsRead, row.Object, countText("ledger: read", row.RowsRead),
				fmt.Sprintf("ledger: %d written and %d rejected", row.RowsWritten, row.RowsRejected), reloadCommand(row.ID))
		}
		if row.RowsWritten != row.RowsLoaded {
			c.add(RowsLoaded, row.Object, countText("ledger: written", row.RowsWritten), countText("ledger: loaded", row.RowsLoaded), reloadCommand(row.ID))
		}
	}
}

// compareLedgerWithTables compares without grace, because one statement read both.
func (c *comparison) compareLedgerWithTables() {
	for _, count := range c.tables.Counts {
		if row := count.Row; row != nil && row.IsWithdrawn() {
			ledgerText := "ledger: withdrawn by " + row.WithdrawnBy
			c.addOrphans(Orphans, count.ID, countText("table", count.Rows), ledgerText, count.Rows, ddl.TableName(c.contract))
			c.addOrphans(RejectOrphans, count.ID, countText("rejects table", count.Rejects), ledgerText, count.Rejects, ddl.RejectsName(c.contract))
			continue
		} else if row != nil {
			if count.Rows != row.RowsLoaded {
				c.add(TableRows, row.Object, countText("ledger", row.RowsLoaded), countText("table", count.Rows), reloadCommand(row.ID))
			}
			if count.Rejects != row.RowsRejected {
				c.add(RejectRows, row.Object, countText("ledger", row.RowsRejected), countText("rejects table", count.Rejects), reloadCommand(row.ID))
			}
			continue
		}
		c.addOrphans(Orphans, count.ID, countText("table", count.Rows), "ledger: nothing", count.Rows, ddl.TableName(c.contract))
		c.addOrphans(RejectOrphans, count.ID, countText("rejects table", count.Rejects), "ledger: nothing", count.Rejects, ddl.RejectsName(c.contract))
	}
}

func (c *comparison) addOrphans(kind Kind, id object.ID, text, ledgerText string, n int64, table string) {
	if n == 0 {
		return
	}
	d := Difference{Dataset: c.dataset, Kind: kind, ID: id, One: text, Other: ledgerText, Command: deleteCommand(table, id)}
	if e := c.entries[id]; e != nil {
		d.Object = e.Object.URI()
	}
	c.differences = append(c.differences, d)
}

// compareLedgerWithJournal compares the ledger row and the journal entry of each object
// without a recent change.
func (c *comparison) compareLedgerWithJournal() {
	for id, row := range c.rows {
		if !c.known[id] && !row.IsWithdrawn() && !c.changedRecently(row.LoadedAt) { // a delete marker has no journal entry
			c.add(JournalLost, row.Object, "ledger: "+describeLoad(row), "journal: nothing", c.restoreCommand(id))
		}
	}
	for _, e := range c.entries {
		row, current := c.rows[e.ID], c.currentRows[keyOf(e.Object)]
		if c.changedRecently(lastChange(e)) || current != nil && c.changedRecently(current.LoadedAt) {
			continue
		}
		switch {
		case e.State == journal.Withdrawn && row != nil && !row.IsWithdrawn():
			c.add(NotWithdrawn, e.Object, "journal: withdrawn by "+e.WithdrawnBy, "ledger: "+describeLoad(row), c.withdrawCommand(e.ID))
			continue
		case e.State != journal.Withdrawn && row != nil && row.IsWithdrawn(),
			e.State == journal.Loaded && row == nil && current != nil && current.IsWithdrawn():
			c.add(NotWithdrawn, e.Object, "journal: "+string(e.State), "ledger: withdrawn by "+current.WithdrawnBy, c.withdrawCommand(e.ID))
			continue
		}
		switch e.State {
		case journal.Loaded:
			c.compareLoaded(e, row, current)
		case journal.Superseded:
			c.compareSuperseded(e, row, current)
		case journal.Failed:
			if row != nil && row.Generation >= e.Generation {
				c.add(FailedInLedger, e.Object, fmt.Sprintf("journal: failed, generation %d", e.Generation), "ledger: "+describeLoad(row), "firn redrive "+string(e.ID))
			}
		default: // not settled, withdrawn or ignored
		}
	}
}

// compareLedgerWithBucket finds rows whose file is deleted in the landing bucket: the
// newest version of the key is a delete marker, or the key has no version at all. A
// missing version alone says nothing, because a lifecycle rule deletes old versions.
func (c *comparison) compareLedgerWithBucket() {
	for _, row := range c.rows {
		deletedAt, marked := c.deletedAt[row.Object.Key]
		if row.IsWithdrawn() || row.RowsLoaded+row.RowsRejected == 0 || row.Object.Bucket != c.landingBucket ||
			c.present[row.Object.Key] || c.changedRecently(row.LoadedAt) || c.changedRecently(deletedAt) {
			continue
		}
		text := "bucket: no version of the key"
		if marked {
			text = "bucket: deleted at " + stamp(deletedAt)
		}
		c.add(FileDeleted, row.Object, text, "ledger: "+describeLoad(row), c.withdrawCommand(row.ID))
	}
}

func (c *comparison) compareLoaded(e *journal.Entry, row, current *ledger.Row) {
	journalText := fmt.Sprintf("journal: load %s, generation %d, %s", e.LoadID, e.Generation, plural(e.RowsLoaded, "row"))
	switch {
	case row == nil && current == nil:
		c.add(NotInLedger, e.Object, journalText, "ledger: nothing", reloadCommand(e.ID))
	case row == nil:
		c.add(JournalBehind, e.Object, journalText, "ledger: version "+string(current.ID), reloadCommand(e.ID))
	case row.LoadID != e.LoadID || row.Generation != e.Generation || row.RowsLoaded != e.RowsLoaded:
		c.add(OtherLoad, e.Object, journalText, "ledger: "+describeLoad(row), reloadCommand(e.ID))
	}
	if e.Receipt != nil && e.Receipt.Bucket == c.curatedBucket && !c.receipts[e.Receipt.Key] {
		c.add(ReceiptGone, e.Object, "journal: s3://"+e.Receipt.Bucket+"/"+e.Receipt.Key, "bucket: nothing", reloadCommand(e.ID))
	}
}

func (c *comparison) compareSuperseded(e *journal.Entry, row, current *ledger.Row) {
	journalText := "journal: superseded by " + string(e.SupersededBy)
	switch {
	case row != nil:
		c.add(SupersededInLedger, e.Object, journalText, "ledger: "+describeLoad(row), c.successorCommand(e))
	case current == nil:
		c.add(NoSuccessor, e.Object, journalText, "ledger: nothing", c.successorCommand(e))
	}
}

// successorCommand returns the command that loads the newer version of a superseded
// object.
func (c *comparison) successorCommand(e *journal.Entry) string {
	by := c.entries[e.SupersededBy]
	if by == nil || by.PlanReload().Refused != "" {
		return putCommand(e.Object)
	}
	return reloadCommand(by.ID)
}

func describeLoad(row *ledger.Row) string {
	return fmt.Sprintf("load %s, generation %d, %s", row.LoadID, row.Generation, plural(row.RowsLoaded, "row"))
}

func stamp(at time.Time) string { return at.UTC().Format("2006-01-02 15:04:05 UTC") }
