//go:build standin

package main_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/help"
	"github.com/firn-data/firn/internal/journal"
	"github.com/firn-data/firn/internal/object"
	"github.com/firn-data/firn/internal/work"
)

// damage is a case of the audit: a consistent dataset, and a change that causes a
// difference.
type damage struct {
	difference string
	kind       help.Kind
	// damage changes the state of a dataset with the loaded objects first and second.
	damage func(t *testing.T, a *audited)
	// file is the content for FILE in the command.
	file string
	// other means that the way isn't the usual way, so the audit names another command.
	other bool
	// versions means that the case needs a key with two versions.
	versions bool
}

// audited is a dataset with a loaded file, and if necessary with a second key whose older
// version is superseded by second.
type audited struct {
	*path

	dataset, table       string
	first, older, second object.Object
}

var damages = []damage{
	{difference: "lock_row", kind: help.Query, damage: func(t *testing.T, a *audited) {
		a.run(t, "insert into LOADS select * from LOADS where object = '~lock'")
	}},
	{difference: "lock_row", kind: help.Migrate, damage: func(t *testing.T, a *audited) {
		a.run(t, "delete from LOADS where object = '~lock'")
	}},
	{difference: "object_twice", kind: help.Query, damage: func(t *testing.T, a *audited) {
		a.run(t, "insert into LOADS select * from LOADS where object = ?", string(a.first.ID()))
	}},
	{difference: "key_twice", kind: help.Query, versions: true, damage: func(t *testing.T, a *audited) {
		a.run(t, "insert into LOADS (object, generation, load_id, bucket, key, version, rows_read, rows_written, rows_rejected, rows_loaded, loaded_at)"+
			" select ?, 0, 'l0', bucket, key, ?, 0, 0, 0, 0, dateadd('hour', -1, loaded_at) from LOADS where object = ?",
			string(a.older.ID()), a.older.Version, string(a.second.ID()))
	}},
	{difference: "rows_read", kind: help.Reload, damage: func(t *testing.T, a *audited) {
		a.run(t, "update LOADS set rows_read = 9 where object = ?", string(a.first.ID()))
	}},
	{difference: "rows_loaded", kind: help.Reload, damage: func(t *testing.T, a *audited) {
		a.run(t, "update LOADS set rows_read = 9, rows_written = 9 where object = ?", string(a.first.ID()))
	}},
	{difference: "orphans", kind: help.Query, damage: func(t *testing.T, a *audited) {
		a.run(t, "insert into TABLE (code, _firn_object, _firn_record) select 'XX', 'nobody''s', 1")
	}},
	{difference: "reject_orphans", kind: help.Query, damage: func(t *testing.T, a *audited) {
		a.run(t, "insert into REJECTS (rule, _firn_object, _firn_record) select 'r', 'nobody''s', 1")
	}},
	{difference: "table_rows", kind: help.Reload, damage: func(t *testing.T, a *audited) {
		a.run(t, "delete from TABLE where _firn_object = ? and code = 'AA'", string(a.first.ID()))
	}},
	{difference: "table_rows", kind: help.Reload, damage: func(t *testing.T, a *audited) { // a row from another time than the load
		a.run(t, "insert into TABLE (code, _firn_object, _firn_record) select 'XX', ?, 9", string(a.first.ID()))
	}},
	{difference: "reject_rows", kind: help.Reload, damage: func(t *testing.T, a *audited) {
		a.run(t, "insert into REJECTS (rule, _firn_object, _firn_record) select 'r', ?, 1", string(a.first.ID()))
	}},
	{difference: "unannounced", kind: help.Sweep, damage: func(t *testing.T, a *audited) {
		a.upload(t, a.keyIn(t, a.dataset, "silent.csv"), otherGoodFile)
		a.loseEvents(t)
	}},
	{difference: "stuck", kind: help.Sweep, damage: func(t *testing.T, a *audited) {
		a.received(t, a.keyIn(t, a.dataset, "stuck.csv"), otherGoodFile)
	}},
	{difference: "stuck", kind: help.Resume, damage: func(t *testing.T, a *audited) {
		a.firn("pause", a.dataset).succeed(t)
		a.put(t, a.keyIn(t, a.dataset, "paused.csv"), otherGoodFile)
	}},
	{difference: "stuck", kind: help.Migrate, damage: func(t *testing.T, a *audited) {
		a.changeContract(t, a.dataset, "version: 1.0.0", "version: 1.1.0")
		a.put(t, a.keyIn(t, a.dataset, "behind.csv"), otherGoodFile)
	}},
	{difference: "stuck", kind: help.Dismiss, other: true, damage: func(t *testing.T, a *audited) {
		a.received(t, a.keyIn(t, a.dataset, "stuck.csv"), otherGoodFile)
	}},
	{difference: "journal_lost", kind: help.Reload, damage: func(t *testing.T, a *audited) { a.forget(t, a.first) }},
	{difference: "not_in_ledger", kind: help.Reload, damage: func(t *testing.T, a *audited) { a.remove(t, a.first) }},
	{difference: "other_load", kind: help.Reload, damage: func(t *testing.T, a *audited) {
		a.run(t, "update LOADS set load_id = 'l9' where object = ?", string(a.first.ID()))
	}},
	{difference: "journal_behind", kind: help.Reload, versions: true, damage: func(t *testing.T, a *audited) {
		a.forget(t, a.older)
		a.receive(t, a.older)
		if err := a.stages.Loaded(t.Context(), a.older.ID(), journal.Load{LoadID: "l0", Rows: 1}); err != nil {
			t.Fatal(err)
		}
	}},
	{difference: "no_successor", kind: help.Reload, versions: true, damage: func(t *testing.T, a *audited) { a.remove(t, a.second) }},
	{difference: "no_successor", kind: help.Put, file: goodFile, versions: true, damage: func(t *testing.T, a *audited) {
		a.remove(t, a.second)
		a.forget(t, a.second)
		a.deleteVersion(t, a.second)
	}},
	{difference: "superseded_in_ledger", kind: help.Reload, versions: true, damage: func(t *testing.T, a *audited) {
		a.run(t, "update LOADS set object = ?, version = ?, sequencer = null where object = ?", string(a.older.ID()), a.older.Version, string(a.second.ID()))
		a.run(t, "update TABLE set _firn_object = ? where _firn_object = ?", string(a.older.ID()), string(a.second.ID()))
	}},
	{difference: "superseded_in_ledger", kind: help.Put, file: otherGoodFile, damage: func(t *testing.T, a *audited) {
		if err := a.stages.Superseded(t.Context(), a.first.ID(), "another"); err != nil {
			t.Fatal(err)
		}
	}},
	{difference: "failed_in_ledger", kind: help.Redrive, damage: func(t *testing.T, a *audited) {
		a.forget(t, a.first)
		a.receive(t, a.first)
		a.fail(t, a.first, work.Load, fault.Crashed)
	}},
	{difference: "not_withdrawn", kind: help.Withdraw, damage: func(t *testing.T, a *audited) {
		a.run(t, "delete from TABLE where _firn_object = ?", string(a.first.ID()))
		a.run(t, "update LOADS set rows_read = 0, rows_written = 0, rows_rejected = 0, rows_loaded = 0, withdrawn_at = loaded_at, withdrawn_by = 'ann' where object = ?", string(a.first.ID()))
	}},
	{difference: "file_deleted", kind: help.Withdraw, damage: func(t *testing.T, a *audited) { a.deleteKey(t, a.first) }},
	{difference: "file_deleted", kind: help.Put, other: true, file: otherGoodFile, damage: func(t *testing.T, a *audited) { a.deleteKey(t, a.first) }},
	{difference: "receipt_gone", kind: help.Reload, damage: func(t *testing.T, a *audited) {
		if _, err := a.store.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: &a.curated, Key: aws.String(a.entry(t, a.first).Receipt.Key)}); err != nil {
			t.Fatal(err)
		}
	}},
}

var auditCases = append(casesOfDamages(), wayCase{wayOut{difference: "no_table", kind: help.Migrate}, func(t *testing.T, p *path) situation {
	dataset := p.addContract(t, "unmade")
	p.writeScript(t, dataset)
	if found := p.differences(t, dataset); len(found) != 1 || found[0].Kind != "no_table" || found[0].Command != "firn migrate" {
		t.Fatalf("differences %+v", found)
	}
	return situation{subject: help.Subject{Dataset: dataset}, ended: func() { p.checkConsistent(t, dataset) }}
}})

// casesOfDamages has a case for each damage: the audit finds the difference and names the
// table's command, and after the command the audit doesn't find the difference. After the
// commands of all differences the audit finds nothing.
func casesOfDamages() []wayCase {
	var cases []wayCase
	for i, d := range damages {
		cases = append(cases, wayCase{wayOut{difference: d.difference, kind: d.kind}, func(t *testing.T, p *path) situation {
			a := newAudited(t, p, fmt.Sprintf("audited%d", i), d.versions)
			d.damage(t, a)
			flags := stuckFlags(d.difference)
			found := p.differences(t, a.dataset, flags...)
			at := slices.IndexFunc(found, func(f difference) bool { return f.Kind == d.difference })
			if at < 0 {
				t.Fatalf("the audit finds %+v, want %s", found, d.difference)
			}
			subject := a.subjectOf(t, d, found[at])
			if want := d.help().Command(subject); !d.other && found[at].Command != want.String() {
				t.Errorf("the audit names %q, want %q", found[at].Command, want)
			}
			return situation{subject: subject, file: d.file, flags: sweepFlags(d.kind), ended: func() {
				left := p.differences(t, a.dataset, flags...)
				if slices.ContainsFunc(left, func(f difference) bool {
					return f.Kind == d.difference && f.ID == found[at].ID && f.Command == found[at].Command
				}) {
					t.Errorf("after the command the audit still finds %+v", left)
				}
				if len(left) > 0 {
					p.followAudit(t, a.dataset)
				}
				p.load(t, p.keyIn(t, a.dataset, "afterwards.csv"), otherGoodFile)
				p.checkConsistent(t, a.dataset)
			}}
		}})
	}
	return cases
}

func (d damage) help() help.Help { return help.ForDifference(d.difference) }

// stuckFlags are the audit's flags for a difference: a new object is stuck at once.
func stuckFlags(difference string) []string {
	if difference == "stuck" {
		return []string{"--stuck", "0s"}
	}
	return nil
}

// sweepFlags are the flags of a sweep without a time for late events and messages.
func sweepFlags(kind help.Kind) string {
	if kind == help.Sweep {
		return " --grace 0s --stuck 0s"
	}
	return ""
}

// newAudited makes a dataset with loaded files. Each case has its own tables, so that the
// audit finds only the difference of the case.
func newAudited(t *testing.T, p *path, name string, versions bool) *audited {
	t.Helper()
	a := &audited{path: p, dataset: p.addDataset(t, name)}
	a.table = "raw." + strings.ReplaceAll(a.dataset, ".", "_")
	a.first = p.load(t, p.keyIn(t, a.dataset, "first.csv"), goodFile)
	if versions {
		a.older = p.put(t, p.keyIn(t, a.dataset, "second.csv"), otherGoodFile)
		a.second = p.put(t, p.keyIn(t, a.dataset, "second.csv"), goodFile)
		p.checkState(t, a.older, journal.Superseded)
		p.checkState(t, a.second, journal.Loaded)
	}
	return a
}

// subjectOf returns the subject of the found difference. The statement of a query is the
// audit's, because only the audit knows the rows.
func (a *audited) subjectOf(t *testing.T, d damage, found difference) help.Subject {
	t.Helper()
	s := help.Subject{Dataset: a.dataset, InJournal: d.difference != "journal_lost", Paused: d.kind == help.Resume, Behind: d.kind == help.Migrate}
	if found.ID != "" {
		s.Objects, s.ID, s.Name = 1, found.ID, string(found.ID)
		_, s.Key, _ = strings.Cut(strings.TrimPrefix(found.Object, "s3://"), "/")
	}
	switch d.kind {
	case help.Query:
		quoted := strings.TrimSuffix(strings.TrimPrefix(found.Command, "firn query '"), "'")
		s.Statement = strings.ReplaceAll(quoted, `'\''`, "'")
	case help.Withdraw:
		s.Reason = "deleted in S3"
	case help.Reload:
		if d.difference == "no_successor" || d.difference == "superseded_in_ledger" {
			s.Successor = a.second.ID()
		}
	default:
	}
	return s
}

// run runs a statement on the dataset's tables: TABLE, LOADS and REJECTS.
func (a *audited) run(t *testing.T, statement string, args ...any) {
	t.Helper()
	a.sql(t, strings.NewReplacer("TABLE", a.table, "LOADS", a.table+"_loads", "REJECTS", a.table+"_rejects").Replace(statement), args...)
}

// remove deletes an object's ledger row and rows.
func (a *audited) remove(t *testing.T, o object.Object) {
	t.Helper()
	a.run(t, "delete from TABLE where _firn_object = ?", string(o.ID()))
	a.run(t, "delete from LOADS where object = ?", string(o.ID()))
}

// forget deletes an object's journal entry.
func (a *audited) forget(t *testing.T, o object.Object) {
	t.Helper()
	if _, err := a.dynamo.DeleteItem(t.Context(), &dynamodb.DeleteItemInput{
		TableName: aws.String(a.journalTable), Key: map[string]types.AttributeValue{"pk": &types.AttributeValueMemberS{Value: string(o.ID())}},
	}); err != nil {
		t.Fatal(err)
	}
}

// receive makes a new journal entry of an object.
func (a *audited) receive(t *testing.T, o object.Object) {
	t.Helper()
	if _, err := a.stages.Receive(t.Context(), o, a.dataset); err != nil {
		t.Fatal(err)
	}
}

func (a *audited) deleteKey(t *testing.T, o object.Object) {
	t.Helper()
	if _, err := a.store.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: &o.Bucket, Key: &o.Key}); err != nil {
		t.Fatal(err)
	}
	a.drain(t)
}

func (a *audited) deleteVersion(t *testing.T, o object.Object) {
	t.Helper()
	if _, err := a.store.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: &o.Bucket, Key: &o.Key, VersionId: &o.Version}); err != nil {
		t.Fatal(err)
	}
	a.drain(t)
}

// checkConsistent checks that an audit finds no difference.
func (p *path) checkConsistent(t *testing.T, dataset string) {
	t.Helper()
	if found := p.differences(t, dataset); len(found) > 0 {
		t.Errorf("the audit finds %+v", found)
	}
}

// followAudit types the command of the first difference until the audit finds none.
func (p *path) followAudit(t *testing.T, dataset string) {
	t.Helper()
	const most = 5
	for range most {
		found := p.differences(t, dataset)
		if len(found) == 0 {
			return
		}
		p.typeCommand(t, found[0].Command, goodFile)
		p.drain(t)
	}
	t.Errorf("after %d commands the audit finds %+v", most, p.differences(t, dataset))
}
