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

// Question is something that Snowflake's documentation doesn't say and firn
// comes near to. docs/account.md says why firn is right under either answer.
type Question struct {
	Name string
	// Assumed is the answer that the laptop's stand-in gives.
	Assumed string
	ask     func(t testing.TB, l *Snowflake, w *Fixture) string
}

// Questions are what nobody documents, in the order of docs/account.md.
var Questions = []Question{
	{"Does a ROLLBACK give a file back to the load history?", "it loads again", afterRollback},
	{"What does an empty text in Parquet become?", "an empty text", emptyText},
	{"What does a MERGE see that waited for a lock?", "what was committed meanwhile", waitedMerge},
	{"What does an UPDATE build on that waited for a lock?", "what was committed meanwhile", waitedUpdate},
	{"What does a SELECT see after an UPDATE that waited?", "what was committed meanwhile", selectAfterWait},
	{"What does a lock timeout say?", "000625 (57014)", lockTimeout},
	{"How does COPY name a file?", "by its whole URL", fileColumn},
	{"How does COPY answer for a file that it skips?", "a row, LOAD_SKIPPED", skippedFile},
	{"What does COPY say of a file that isn't there?", "091016 (22000)", missingNumber},
	{"What does COPY say of a file that is no Parquet?", "100999 (22000)", damagedNumber},
	{"What does COMMIT do after a failed statement?", "090070 (25000)", commitAfterFailedStatement},
	{"Is the clock of METADATA$START_SCAN_TIME that of CURRENT_TIMESTAMP?", "within a minute", scanClock},
}

// Answer is what was found.
type Answer struct {
	Question

	Found string
}

// Ask asks a question, in a dataset of its own.
func (q Question) Ask(t testing.TB, l *Snowflake) Answer {
	t.Helper()
	return Answer{Question: q, Found: q.ask(t, l, NewFixture(t, l))}
}

func afterRollback(t testing.TB, _ *Snowflake, w *Fixture) string {
	w.Warehouse.Put(t, load.Rows, file(w, "good"), File{Object: "x", Rows: 2})
	s := open(t, w, w.Dataset)
	begin(t, s)
	checkCopied(t, s, false, file(w, "good"), 2)
	if err := s.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	begin(t, s)
	copied, err := s.Copy(t.Context(), load.Rows, []string{file(w, "good")}, false)
	switch {
	case err != nil:
		return numberOf(err)
	case len(copied.Loaded) == 0:
		return "it is skipped"
	}
	return "it loads again"
}

func emptyText(t testing.TB, l *Snowflake, w *Fixture) string {
	var body bytes.Buffer
	if err := parquet.Write(&body, []dataRow{{Name: "", Object: "x", Record: 1}}); err != nil {
		t.Fatal(err)
	}
	l.put(t, file(w, "empty"), body.Bytes())
	s := open(t, w, w.Dataset)
	begin(t, s)
	if err := copyOf(t, s, false, file(w, "empty")); err != nil {
		return numberOf(err)
	}
	commit(t, s)
	result := l.query(t, "select count_if(name = '') as empty, count_if(name is null) as nulls from "+tableOf(w.Dataset))
	switch {
	case result.Number(0, "empty") == 1:
		return "an empty text"
	case result.Number(0, "nulls") == 1:
		return "null"
	}
	return "something else"
}

// lockWaitTime is how long a statement has to arrive and wait for a lock. Nothing
// tells that it does: a longer time only makes the answer surer.
const lockWaitTime = time.Second

// afterWaiting lets a second session run a statement that waits for the first
// one's lock on a table with the row ("lock", 0), while the first adds ("x", 1)
// and commits. The rest of the second one's transaction is in look.
func afterWaiting(t testing.TB, l *Snowflake, w *Fixture, statement string, look func(table string, s *snowflake.Session, affected int64) string) string {
	table := tableOf(w.Dataset) + "_QUESTION"
	l.run(t, "create table "+table+" (name varchar, n number)")
	if l.dropsTables {
		t.Cleanup(func() { l.run(t, "drop table if exists "+table) })
	}
	l.run(t, "insert into "+table+" values ('lock', 0)")
	first, second := l.patientSession(t), l.patientSession(t)
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
		return fmt.Sprintf("it didn't wait: %d rows, %v", o.affected, o.err)
	case <-time.After(lockWaitTime):
	}
	execute(t, first, "commit")
	o := <-waited
	if o.err != nil {
		return numberOf(o.err)
	}
	answer := look(table, second, o.affected)
	execute(t, second, "rollback")
	return answer
}

const (
	seesNew = "what was committed meanwhile"
	seesOld = "what was there before it waited"
)

func waitedMerge(t testing.TB, l *Snowflake, w *Fixture) string {
	return afterWaiting(t, l, w, "merge into %s as q using (select 'x' as name) as s on q.name = s.name when not matched then insert (name, n) values (s.name, 2)",
		func(_ string, _ *snowflake.Session, affected int64) string {
			if affected == 0 {
				return seesNew
			}
			return seesOld
		})
}

func waitedUpdate(t testing.TB, l *Snowflake, w *Fixture) string {
	return afterWaiting(t, l, w, "update %s set n = n + 1 where name = 'lock'", func(table string, s *snowflake.Session, _ int64) string {
		if numberIn(t, s, "select n from "+table+" where name = 'lock'") == 2 {
			return seesNew
		}
		return seesOld
	})
}

func selectAfterWait(t testing.TB, l *Snowflake, w *Fixture) string {
	return afterWaiting(t, l, w, "update %s set n = n + 1 where name = 'lock'", func(table string, s *snowflake.Session, _ int64) string {
		if numberIn(t, s, "select count(*) as n from "+table+" where name = 'x'") == 1 {
			return seesNew
		}
		return seesOld
	})
}

func lockTimeout(t testing.TB, _ *Snowflake, w *Fixture) string {
	holder, waiter := open(t, w, w.Dataset), open(t, w, w.Dataset)
	begin(t, holder)
	takeLock(t, holder)
	begin(t, waiter)
	_, err := waiter.TakeLock(t.Context())
	return numberOf(err)
}

func fileColumn(t testing.TB, l *Snowflake, w *Fixture) string {
	w.Warehouse.Put(t, load.Rows, file(w, "good"), File{Object: "x", Rows: 1})
	switch named := l.copyAnswer(t, w).Text(0, "file"); {
	case named == file(w, "good"):
		return "relative to the stage"
	case strings.HasPrefix(named, "s3://"):
		return "by its whole URL"
	default:
		return named
	}
}

func skippedFile(t testing.TB, l *Snowflake, w *Fixture) string {
	w.Warehouse.Put(t, load.Rows, file(w, "good"), File{Object: "x", Rows: 1})
	l.copyAnswer(t, w)
	result := l.copyAnswer(t, w)
	if result.Has("file") {
		return "a row, " + result.Text(0, "status")
	}
	return "no row: " + result.Text(0, "status")
}

func missingNumber(t testing.TB, _ *Snowflake, w *Fixture) string {
	s := open(t, w, w.Dataset)
	begin(t, s)
	return numberOf(copyOf(t, s, false, file(w, "nowhere")))
}

func damagedNumber(t testing.TB, _ *Snowflake, w *Fixture) string {
	w.Warehouse.Put(t, load.Rows, file(w, "damaged"), File{Broken: true})
	s := open(t, w, w.Dataset)
	begin(t, s)
	return numberOf(copyOf(t, s, false, file(w, "damaged")))
}

func commitAfterFailedStatement(t testing.TB, _ *Snowflake, w *Fixture) string {
	s := open(t, w, w.Dataset)
	failStatement(t, w, s)
	return numberOf(s.Commit(t.Context()))
}

func scanClock(t testing.TB, l *Snowflake, w *Fixture) string {
	w.Warehouse.Put(t, load.Rows, file(w, "good"), File{Object: "x", Rows: 1})
	s := open(t, w, w.Dataset)
	begin(t, s)
	checkCopied(t, s, false, file(w, "good"), 1)
	commit(t, s)
	apart := l.query(t, "select abs(datediff(second, _firn_loaded_at, current_timestamp())) as n from "+tableOf(w.Dataset)).Number(0, "n")
	if apart <= 60 {
		return "within a minute"
	}
	return fmt.Sprintf("%d seconds apart", apart)
}

// copyAnswer is what COPY answers, as it stands.
func (l *Snowflake) copyAnswer(t testing.TB, w *Fixture) snowflake.Result {
	t.Helper()
	return l.query(t, "copy into "+tableOf(w.Dataset)+" from @RAW.CURATED files = ('"+file(w, "good")+"')"+
		" file_format = (type = parquet use_vectorized_scanner = true null_if = ()) match_by_column_name = case_insensitive on_error = abort_statement")
}

// patientSession is a session that waits for locks longer than a question takes.
func (l *Snowflake) patientSession(t testing.TB) *snowflake.Session {
	t.Helper()
	config := l.owner
	config.LockTimeout = time.Minute
	s, err := snowflake.Open(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeAtEnd(t, s) })
	return s
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

// numberOf is Snowflake's number and state of an error.
func numberOf(err error) string {
	var answer *sf.SnowflakeError
	switch {
	case err == nil:
		return "nothing: it succeeds"
	case errors.As(err, &answer):
		return fmt.Sprintf("%06d (%s)", answer.Number, answer.SQLState)
	}
	return err.Error()
}
