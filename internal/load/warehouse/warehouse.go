// Package warehouse runs the load protocol's statements on Snowflake.
package warehouse

import (
	"context"
	"strings"
	"time"

	"github.com/firn-data/firn/internal/load"
	"github.com/firn-data/firn/internal/snowflake"
)

// Warehouse is Snowflake as the loader knows it.
type Warehouse struct {
	// Config is the login's; each session adds its tag.
	Config snowflake.Config
}

// Open implements load.Warehouse. The session's QUERY_TAG names the load, so
// that a statement without an answer is found in the query history, and that
// ops.cost_by_day (snowflake/R__ops_cost.sql) finds its dataset.
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
	return &statements{session: session, names: namesOf(dataset), loadID: loadID}, nil
}

// leastStatementTime is what any statement gets, if there is as much: waking a
// warehouse takes some seconds.
const leastStatementTime = 30 * time.Second

// statementTime is what one statement may take of the time that is left: half, so
// that Snowflake ends what is too slow, says so, and the group can be tried in
// halves. A statement that the caller's own deadline cuts off says nothing, and
// would be tried for ever.
func statementTime(left time.Duration) time.Duration {
	return max(left/2, min(left, leastStatementTime))
}

// names are the tables of one dataset. The loader lets only lower case words
// through, so nothing here needs quotes.
type names struct{ rows, rejects, ledger, stage string }

func namesOf(dataset string) names {
	table := "RAW." + strings.ToUpper(strings.Replace(dataset, ".", "_", 1))
	return names{rows: table, rejects: table + "_REJECTS", ledger: table + "_LOADS", stage: "@RAW.CURATED"}
}

func (n names) of(table load.Table) string {
	if table == load.Rejects {
		return n.rejects
	}
	return n.rows
}
