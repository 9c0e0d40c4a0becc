// Package warehouse runs the statements of the load protocol on Snowflake.
package warehouse

import (
	"context"
	"strings"
	"time"

	"github.com/firn-data/firn/internal/load"
	"github.com/firn-data/firn/internal/snowflake"
)

// Warehouse implements load.Warehouse with Snowflake.
type Warehouse struct {
	// Config is the configuration of the login. Open sets the tag and the statement
	// timeout of each session.
	Config snowflake.Config
}

// Open implements load.Warehouse. The session's QUERY_TAG names the load. With the tag,
// the query history shows the statement without an answer, and ops.cost_by_day
// (snowflake/R__ops_cost.sql) finds the dataset.
func (w Warehouse) Open(ctx context.Context, dataset, loadID string) (load.Session, error) {
	config := w.Config
	config.Tag = "firn load " + dataset + " " + loadID
	if deadline, ok := ctx.Deadline(); ok {
		config.StatementTimeout = statementTime(time.Until(deadline))
	}
	session, err := snowflake.Open(ctx, config)
	if err != nil {
		return nil, err
	}
	return On(session, dataset, loadID), nil
}

// On returns an open session of firn's database as a session for one dataset. Close
// closes the session.
func On(session *snowflake.Session, dataset, loadID string) load.Session {
	return &statements{session: session, names: namesOf(dataset), loadID: loadID}
}

// minStatementTime is the least time for a statement, if the caller has so much time:
// the start of a warehouse takes some seconds.
const minStatementTime = 30 * time.Second

// statementTime returns the time limit of one statement: half of the remaining time.
// Snowflake ends a slower statement with an error, and the two halves of the group can
// be tried. Without the limit, the caller's deadline would cut off the statement
// without an error from Snowflake, again on every attempt.
func statementTime(left time.Duration) time.Duration {
	return max(left/2, min(left, minStatementTime))
}

// names are the tables of one dataset. They need no quotes, because the loader accepts
// only lower case words.
type names struct{ dataset, rows, rejects, ledger, stage string }

func namesOf(dataset string) names {
	table := "RAW." + strings.ToUpper(strings.Replace(dataset, ".", "_", 1))
	return names{dataset: dataset, rows: table, rejects: table + "_REJECTS", ledger: table + "_LOADS", stage: "@RAW.CURATED"}
}

func (n names) of(table load.Table) string {
	if table == load.Rejects {
		return n.rejects
	}
	return n.rows
}
