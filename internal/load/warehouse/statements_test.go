package warehouse_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/firn-data/firn/internal/load"
	"github.com/firn-data/firn/internal/load/warehouse"
	"github.com/firn-data/firn/internal/snowflake/snowflaketest"
)

// Snowflake allows one column in the subquery of IN, and no OR around it
// (docs.snowflake.com, sql-reference/operators-subquery).
var (
	columnsInSubquery = regexp.MustCompile(`,[^()]*\) (not )?in \(\s*select`)
	orInSubquery      = regexp.MustCompile(`\bor\b[^()]*\(?[^()]*\)? (not )?in \(\s*select`)
)

// openFake opens a session on a server with a lock row and no other ledger row.
func openFake(t *testing.T) (load.Session, *snowflaketest.Server) {
	t.Helper()
	server := &snowflaketest.Server{Answer: func(statement string) snowflaketest.Answer {
		if strings.HasPrefix(statement, "select") || strings.HasPrefix(statement, "with") {
			return snowflaketest.Answer{
				Columns: []string{"OBJECT", "CONTRACT", "PAUSED"},
				Rows:    [][]*string{{new(load.LockRow), new("1.2.0"), new("true")}},
			}
		}
		return snowflaketest.Answer{Changed: 1}
	}}
	session, err := warehouse.Warehouse{Config: server.Listen(t)}.Open(t.Context(), "shop.order", "load-1")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := session.Close(); err != nil {
			t.Error(err)
		}
	})
	return session, server
}

func TestLedgerStatementsHaveNoForbiddenSubquery(t *testing.T) {
	t.Parallel()
	many := make([]load.Key, 40)
	for i := range many {
		many[i] = load.Key{Bucket: "b", Name: strings.Repeat("k", i+1)}
	}
	for _, keys := range [][]load.Key{many[:2], many} {
		session, server := openFake(t)
		lock, rows, err := session.ReadLedger(t.Context(), keys, []string{"sha256:1"})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(load.Lock{Paused: true, Contract: "1.2.0"}, lock); diff != "" || len(rows) > 0 {
			t.Errorf("%d ledger rows, lock (-want +got):\n%s", len(rows), diff)
		}
		if _, err := session.CountLedger(t.Context(), keys); err != nil {
			t.Fatal(err)
		}
		statements := server.Statements()
		if len(statements) != 2 {
			t.Fatalf("%d statements, want 2: ReadLedger reads everything at one instant", len(statements))
		}
		for _, statement := range statements {
			if columnsInSubquery.MatchString(statement) || orInSubquery.MatchString(statement) {
				t.Errorf("forbidden subquery in %s", statement)
			}
			if !strings.Contains(statement, "wanted as (select distinct ") { // a key twice in the list would give each row twice
				t.Errorf("the list can have a key twice: %s", statement)
			}
			if !strings.Contains(statement, " join wanted on ") {
				t.Errorf("the keys aren't joined: %s", statement)
			}
		}
	}
}
