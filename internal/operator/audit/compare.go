package audit

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"golang.org/x/mod/semver"

	"github.com/firn-data/firn/internal/help"
	"github.com/firn-data/firn/internal/journal"
	"github.com/firn-data/firn/internal/object"
	"github.com/firn-data/firn/internal/snowflake/ddl"
	"github.com/firn-data/firn/internal/snowflake/ledger"
)

// key is one S3 key with all its versions.
type key struct{ bucket, name string }

func keyOf(o object.Object) key { return key{o.Bucket, o.Key} }

// comparison collects the differences of a part of a dataset.
type comparison struct {
	*auditState
	*datasetState

	rows map[object.ID]*ledger.Row
	// currentRows has the ledger row of each key.
	currentRows map[key]*ledger.Row
	differences []Difference
}

// compareTables checks the tables and the lock row of a dataset.
func (s *auditState) compareTables(dataset string, d *datasetResult) []Difference {
	c := &comparison{auditState: s, datasetState: newPart(dataset, d)}
	if !d.hasTables {
		c.add(NoTable, object.Object{}, "contract: "+d.contract.Version, "Snowflake: no table", help.Subject{})
	} else if n := len(d.locks); n != 1 {
		c.add(LockRow, object.Object{}, "ledger: "+plural(int64(n), "lock row"), "expected: 1", help.Subject{Statement: c.surplusLocksStatement()})
	}
	return c.differences
}

// compare returns the differences of a part of a dataset.
func (s *auditState) compare(d *datasetState) []Difference {
	c := &comparison{auditState: s, datasetState: d, rows: make(map[object.ID]*ledger.Row), currentRows: make(map[key]*ledger.Row)}
	if d.tables != nil {
		c.compareLedgerRows()
		c.compareLedgerWithTables()
		c.compareLedgerWithJournal()
		c.compareLedgerWithBucket()
	}
	c.compareBucketWithJournal()
	return c.differences
}

// sortDifferences sorts the differences of a dataset by kind and then by object.
func sortDifferences(all []Difference) {
	order := Kinds()
	slices.SortStableFunc(all, func(a, b Difference) int {
		return cmp.Or(cmp.Compare(slices.Index(order, a.Kind), slices.Index(order, b.Kind)), cmp.Compare(a.Object, b.Object), cmp.Compare(a.ID, b.ID))
	})
}

// add adds a difference. The subject has the values of the command that are not the
// object's.
func (c *comparison) add(kind Kind, o object.Object, one, other string, s help.Subject) {
	d := Difference{Dataset: c.dataset, Kind: kind, One: one, Other: other}
	if o != (object.Object{}) {
		d.Object, d.ID = o.URI(), o.ID()
		s.Objects, s.ID, s.Name, s.Key, s.InJournal = 1, d.ID, string(d.ID), o.Key, c.known[d.ID]
	}
	s.Dataset = c.dataset
	d.Command = help.ForDifference(string(kind)).Command(s).String()
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
// one state. A version with a ledger row is a difference of ledger and journal.
func (c *comparison) compareBucketWithJournal() {
	for _, v := range c.versions {
		if id := v.Object.ID(); !c.known[id] && c.rows[id] == nil && !c.changedRecently(v.Modified) {
			c.add(Unannounced, v.Object, "bucket: version "+v.Object.Version+" since "+stamp(v.Modified), "journal: nothing", help.Subject{})
		}
	}
	for _, e := range c.entries {
		since := e.Times[e.State]
		moving := !e.State.Final() && e.State != journal.Failed
		if moving && since.Before(c.began.Add(-c.stuck)) {
			c.add(Stuck, e.Object, fmt.Sprintf("journal: %s since %s", e.State, stamp(since)),
				fmt.Sprintf("at most: %s", c.stuck), c.whyStuck(e))
		}
	}
}

// whyStuck returns the known reason of an object that waits for its load.
func (c *comparison) whyStuck(e *journal.Entry) help.Subject {
	if c.tables == nil || len(c.tables.Locks) != 1 || e.State != journal.Transformed {
		return help.Subject{}
	}
	lock := c.tables.Locks[0]
	return help.Subject{Paused: lock.Paused, Behind: semver.Compare("v"+c.contract.Version, "v"+lock.Contract) > 0}
}

// compareLedgerRows checks the uniqueness of objects and keys, and the sums of each
// ledger row.
func (c *comparison) compareLedgerRows() {
	for _, count := range c.tables.Counts {
		row := count.Row
		if row == nil {
			continue
		}
		if first, twice := c.rows[row.ID]; twice {
			c.add(ObjectTwice, row.Object, "ledger: more than 1 row", "expected: 1", help.Subject{Statement: c.secondRowStatement(first, row)})
			if c.wrongRow(first, row) == first {
				*first = *row // the other comparisons use the right row
			}
			continue
		}
		c.rows[row.ID] = row
		if other, twice := c.currentRows[keyOf(row.Object)]; twice {
			older, newer := olderRow(other, row)
			c.add(KeyTwice, older.Object, "ledger: this version and "+string(newer.ID), "expected: 1",
				help.Subject{Statement: c.deleteLedgerStatement(string(older.ID), "")})
			row = newer
		}
		c.currentRows[keyOf(row.Object)] = row
	}
	for _, row := range c.rows {
		if row.RowsRead != row.RowsWritten+row.RowsRejected {
			c.add(RowsRead, row.Object, countText("ledger: read", row.RowsRead),
				fmt.Sprintf("ledger: %d written and %d rejected", row.RowsWritten, row.RowsRejected), help.Subject{})
		}
		if row.RowsWritten != row.RowsLoaded {
			c.add(RowsLoaded, row.Object, countText("ledger: written", row.RowsWritten), countText("ledger: loaded", row.RowsLoaded), help.Subject{})
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
				c.add(TableRows, row.Object, countText("ledger", row.RowsLoaded), countText("table", count.Rows), help.Subject{})
			}
			if count.Rejects != row.RowsRejected {
				c.add(RejectRows, row.Object, countText("ledger", row.RowsRejected), countText("rejects table", count.Rejects), help.Subject{})
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
	command := help.ForDifference(string(kind)).Command(help.Subject{Statement: deleteStatement(table, id)})
	d := Difference{Dataset: c.dataset, Kind: kind, ID: id, One: text, Other: ledgerText, Command: command.String()}
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
			c.add(JournalLost, row.Object, "ledger: "+describeLoad(row), "journal: nothing", help.Subject{})
		}
	}
	for _, e := range c.entries {
		row, current := c.rows[e.ID], c.currentRows[keyOf(e.Object)]
		if c.changedRecently(lastChange(e)) || current != nil && c.changedRecently(current.LoadedAt) {
			continue
		}
		switch {
		case e.State == journal.Withdrawn && row != nil && !row.IsWithdrawn():
			c.add(NotWithdrawn, e.Object, "journal: withdrawn by "+e.WithdrawnBy, "ledger: "+describeLoad(row), help.Subject{Reason: cmp.Or(e.Reason, deletedInS3)})
			continue
		case e.State != journal.Withdrawn && row != nil && row.IsWithdrawn(),
			e.State == journal.Loaded && row == nil && current != nil && current.IsWithdrawn():
			c.add(NotWithdrawn, e.Object, "journal: "+string(e.State), "ledger: withdrawn by "+current.WithdrawnBy, help.Subject{Reason: deletedInS3})
			continue
		}
		switch e.State {
		case journal.Loaded:
			c.compareLoaded(e, row, current)
		case journal.Superseded:
			c.compareSuperseded(e, row, current)
		case journal.Failed, journal.Dismissed:
			if row != nil && row.Generation >= e.Generation {
				c.add(FailedInLedger, e.Object, fmt.Sprintf("journal: %s, generation %d", e.State, e.Generation), "ledger: "+describeLoad(row), help.Subject{})
			}
		default: // not settled, withdrawn or ignored
		}
	}
}

// deletedInS3 is the reason of a withdrawal whose reason the audit doesn't know.
const deletedInS3 = "deleted in S3"

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
		c.add(FileDeleted, row.Object, text, "ledger: "+describeLoad(row), help.Subject{Reason: deletedInS3})
	}
}

func (c *comparison) compareLoaded(e *journal.Entry, row, current *ledger.Row) {
	journalText := fmt.Sprintf("journal: load %s, generation %d, %s", e.LoadID, e.Generation, plural(e.RowsLoaded, "row"))
	switch {
	case row == nil && current == nil:
		c.add(NotInLedger, e.Object, journalText, "ledger: nothing", help.Subject{})
	case row == nil:
		c.add(JournalBehind, e.Object, journalText, "ledger: version "+string(current.ID), help.Subject{})
	case row.LoadID != e.LoadID || row.Generation != e.Generation || row.RowsLoaded != e.RowsLoaded:
		c.add(OtherLoad, e.Object, journalText, "ledger: "+describeLoad(row), help.Subject{})
	}
	if e.Receipt != nil && e.Receipt.Bucket == c.curatedBucket && !c.receipts[e.Receipt.Key] {
		c.add(ReceiptGone, e.Object, "journal: s3://"+e.Receipt.Bucket+"/"+e.Receipt.Key, "bucket: nothing", help.Subject{})
	}
}

func (c *comparison) compareSuperseded(e *journal.Entry, row, current *ledger.Row) {
	journalText := "journal: superseded by " + string(e.SupersededBy)
	switch {
	case row != nil:
		c.add(SupersededInLedger, e.Object, journalText, "ledger: "+describeLoad(row), c.successorOf(e))
	case current == nil:
		c.add(NoSuccessor, e.Object, journalText, "ledger: nothing", c.successorOf(e))
	}
}

// successorOf returns the newer version of a superseded object if a reload of the newer
// version is possible.
func (c *comparison) successorOf(e *journal.Entry) help.Subject {
	by := c.entries[e.SupersededBy]
	if by == nil {
		by = c.entryOf(e.SupersededBy)
	}
	if by == nil || by.Dataset != c.dataset || by.PlanReload().Refused != "" {
		return help.Subject{}
	}
	return help.Subject{Successor: by.ID}
}

func describeLoad(row *ledger.Row) string {
	return fmt.Sprintf("load %s, generation %d, %s", row.LoadID, row.Generation, plural(row.RowsLoaded, "row"))
}

func stamp(at time.Time) string { return at.UTC().Format("2006-01-02 15:04:05 UTC") }
