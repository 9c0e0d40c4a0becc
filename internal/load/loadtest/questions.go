package loadtest

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/parquet-go/parquet-go"
	sf "github.com/snowflakedb/gosnowflake/v2"

	"github.com/firn-data/firn/internal/load"
	"github.com/firn-data/firn/internal/snowflake"
)

// Question is a question about Snowflake's behaviour without an answer in the
// documentation. docs/account.md explains why firn is right with either answer.
type Question struct {
	Name string
	// Assumed is the answer of the laptop's stand-in.
	Assumed string
	ask     func(t testing.TB, db *Snowflake, fixture *Fixture) string
}

// Questions lists the undocumented behaviours, in the order of docs/account.md.
var Questions = []Question{
	{"Does a ROLLBACK give a file back to the load history?", "the file loads again", afterRollback},
	{"What does an empty text in Parquet become?", "an empty text", emptyText},
	{"What does a MERGE see after waiting for a lock?", "the commits during the wait", waitedMerge},
	{"What does an UPDATE build on after waiting?", "the commits during the wait", waitedUpdate},
	{"What does a SELECT see after an UPDATE that waited?", "the commits during the wait", selectAfterWait},
	{"What does a lock timeout say?", "000625 (57014)", lockTimeout},
	{"How does COPY name a file?", "by the full URL", fileColumn},
	{"How does COPY answer for a skipped file?", "a row, LOAD_SKIPPED", skippedFile},
	{"What does COPY say about a missing file?", "091016 (22000)", missingNumber},
	{"What does COPY say about a file that isn't Parquet?", "100999 (22000)", damagedNumber},
	{"What does COMMIT do after a failed statement?", "090070 (25000)", commitAfterFailedStatement},
	{"Is METADATA$START_SCAN_TIME the clock of CURRENT_TIMESTAMP?", "within a minute", scanClock},
}

// Answer is a question with the answer that a warehouse gave.
type Answer struct {
	Question

	Found string
}

// Ask asks the question with a new dataset.
func (q Question) Ask(t testing.TB, db *Snowflake) Answer {
	t.Helper()
	return Answer{Question: q, Found: q.ask(t, db, NewFixture(t, db))}
}

func afterRollback(t testing.TB, _ *Snowflake, fixture *Fixture) string {
	fixture.Warehouse.Put(t, load.Rows, file(fixture, "good"), File{Object: "x", Rows: 2})
	s := open(t, fixture, fixture.Dataset)
	begin(t, s)
	checkCopied(t, s, false, file(fixture, "good"), 2)
	if err := s.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	begin(t, s)
	copied, err := s.Copy(t.Context(), load.Rows, []string{file(fixture, "good")}, false)
	switch {
	case err != nil:
		return numberOf(err)
	case len(copied.Loaded) == 0:
		return "the file is skipped"
	}
	return "the file loads again"
}

func emptyText(t testing.TB, db *Snowflake, fixture *Fixture) string {
	var body bytes.Buffer
	if err := parquet.Write(&body, []dataRow{{Name: "", Object: "x", Record: 1}}); err != nil {
		t.Fatal(err)
	}
	db.put(t, file(fixture, "empty"), body.Bytes())
	s := open(t, fixture, fixture.Dataset)
	begin(t, s)
	if err := copyOf(t, s, false, file(fixture, "empty")); err != nil {
		return numberOf(err)
	}
	commit(t, s)
	result := db.query(t, "select count_if(name = '') as empty, count_if(name is null) as nulls from "+tableOf(fixture.Dataset))
	switch {
	case result.Number(0, "empty") == 1:
		return "an empty text"
	case result.Number(0, "nulls") == 1:
		return "null"
	}
	return "another value"
}

// lockWaitTime is the time for a statement to arrive and to wait for a lock. The wait
// itself is not visible, so a longer time only makes the answer more certain.
const lockWaitTime = time.Second

// afterWaiting creates a table with the row ("lock", 0). The first session updates this
// row, which locks the table, and adds the row ("x", 1). The second session runs the
// statement and waits. Then the first session commits. answerOf runs in the second
// session's transaction, and returns the answer.
func afterWaiting(t testing.TB, db *Snowflake, fixture *Fixture, statement string, answerOf func(table string, s *snowflake.Session, affected int64) string) string {
	table := tableOf(fixture.Dataset) + "_QUESTION"
	db.run(t, "create table "+table+" (name varchar, n number)")
	if db.dropsTables {
		t.Cleanup(func() { db.run(t, "drop table if exists "+table) })
	}
	db.run(t, "insert into "+table+" values ('lock', 0)")
	first, second := db.patientSession(t), db.patientSession(t)
	execute(t, first, "begin transaction")
	execute(t, first, "update "+table+" set n = n + 1 where name = 'lock'")
	execute(t, first, "insert into "+table+" values ('x', 1)")
	execute(t, second, "begin transaction")
	type outcome struct {
		affected int64
		err      error
	}
	waited := make(chan outcome)
	go func() {
		result, err := second.Exec(t.Context(), "wait", fmt.Sprintf(statement, table))
		waited <- outcome{result.Affected, err}
	}()
	select {
	case o := <-waited:
		return fmt.Sprintf("the statement didn't wait: %d rows, %v", o.affected, o.err)
	case <-time.After(lockWaitTime):
	}
	execute(t, first, "commit")
	o := <-waited
	if o.err != nil {
		return numberOf(o.err)
	}
	answer := answerOf(table, second, o.affected)
	execute(t, second, "rollback")
	return answer
}

const (
	seesNew = "the commits during the wait"
	seesOld = "the rows from before the wait"
)

func waitedMerge(t testing.TB, db *Snowflake, fixture *Fixture) string {
	return afterWaiting(t, db, fixture, "merge into %s as q using (select 'x' as name) as s on q.name = s.name when not matched then insert (name, n) values (s.name, 2)",
		func(_ string, _ *snowflake.Session, affected int64) string {
			if affected == 0 {
				return seesNew
			}
			return seesOld
		})
}

func waitedUpdate(t testing.TB, db *Snowflake, fixture *Fixture) string {
	return afterWaiting(t, db, fixture, "update %s set n = n + 1 where name = 'lock'", func(table string, s *snowflake.Session, _ int64) string {
		if numberIn(t, s, "select n from "+table+" where name = 'lock'") == 2 {
			return seesNew
		}
		return seesOld
	})
}

func selectAfterWait(t testing.TB, db *Snowflake, fixture *Fixture) string {
	return afterWaiting(t, db, fixture, "update %s set n = n + 1 where name = 'lock'", func(table string, s *snowflake.Session, _ int64) string {
		if numberIn(t, s, "select count(*) as n from "+table+" where name = 'x'") == 1 {
			return seesNew
		}
		return seesOld
	})
}

func lockTimeout(t testing.TB, _ *Snowflake, fixture *Fixture) string {
	holder, waiter := open(t, fixture, fixture.Dataset), open(t, fixture, fixture.Dataset)
	begin(t, holder)
	takeLock(t, holder)
	begin(t, waiter)
	_, err := waiter.TakeLock(t.Context())
	return numberOf(err)
}

func fileColumn(t testing.TB, db *Snowflake, fixture *Fixture) string {
	fixture.Warehouse.Put(t, load.Rows, file(fixture, "good"), File{Object: "x", Rows: 1})
	switch named := db.copyAnswer(t, fixture).Text(0, "file"); {
	case named == file(fixture, "good"):
		return "relative to the stage"
	case strings.HasPrefix(named, "s3://"):
		return "by the full URL"
	default:
		return named
	}
}

func skippedFile(t testing.TB, db *Snowflake, fixture *Fixture) string {
	fixture.Warehouse.Put(t, load.Rows, file(fixture, "good"), File{Object: "x", Rows: 1})
	db.copyAnswer(t, fixture)
	result := db.copyAnswer(t, fixture)
	if result.Has("file") {
		return "a row, " + result.Text(0, "status")
	}
	return "no row: " + result.Text(0, "status")
}

func missingNumber(t testing.TB, _ *Snowflake, fixture *Fixture) string {
	s := open(t, fixture, fixture.Dataset)
	begin(t, s)
	return numberOf(copyOf(t, s, false, file(fixture, "nowhere")))
}

func damagedNumber(t testing.TB, _ *Snowflake, fixture *Fixture) string {
	fixture.Warehouse.Put(t, load.Rows, file(fixture, "damaged"), File{Broken: true})
	s := open(t, fixture, fixture.Dataset)
	begin(t, s)
	return numberOf(copyOf(t, s, false, file(fixture, "damaged")))
}

func commitAfterFailedStatement(t testing.TB, _ *Snowflake, fixture *Fixture) string {
	s := open(t, fixture, fixture.Dataset)
	failStatement(t, fixture, s)
	return numberOf(s.Commit(t.Context()))
}

func scanClock(t testing.TB, db *Snowflake, fixture *Fixture) string {
	fixture.Warehouse.Put(t, load.Rows, file(fixture, "good"), File{Object: "x", Rows: 1})
	s := open(t, fixture, fixture.Dataset)
	begin(t, s)
	checkCopied(t, s, false, file(fixture, "good"), 1)
	commit(t, s)
	difference := db.query(t, "select abs(datediff(second, _firn_loaded_at, current_timestamp())) as n from "+tableOf(fixture.Dataset)).Number(0, "n")
	if difference <= 60 {
		return "within a minute"
	}
	return fmt.Sprintf("%d seconds apart", difference)
}

// copyAnswer returns the result of a COPY of the file "good".
func (db *Snowflake) copyAnswer(t testing.TB, fixture *Fixture) snowflake.Result {
	t.Helper()
	return db.query(t, "copy into "+tableOf(fixture.Dataset)+" from @RAW.CURATED files = ('"+file(fixture, "good")+"')"+
		" file_format = (type = parquet use_vectorized_scanner = true null_if = ()) match_by_column_name = case_insensitive on_error = abort_statement")
}

// patientSession returns a session with a lock timeout longer than any question.
func (db *Snowflake) patientSession(t testing.TB) *snowflake.Session {
	t.Helper()
	config := db.owner
	config.LockTimeout = time.Minute
	session, err := snowflake.Open(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeAtEnd(t, session) })
	return session
}

func execute(t testing.TB, s *snowflake.Session, statement string) {
	t.Helper()
	if _, err := s.Query(t.Context(), "ask", statement); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

func numberIn(t testing.TB, s *snowflake.Session, statement string) int64 {
	t.Helper()
	result, err := s.Query(t.Context(), "ask", statement)
	if err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
	return result.Number(0, "n")
}

// numberOf returns the number and the SQLSTATE of Snowflake's error.
func numberOf(err error) string {
	var answer *sf.SnowflakeError
	switch {
	case err == nil:
		return "no error"
	case errors.As(err, &answer):
		return fmt.Sprintf("%06d (%s)", answer.Number, answer.SQLState)
	}
	return err.Error()
}
