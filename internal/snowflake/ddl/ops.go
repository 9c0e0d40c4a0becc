package ddl

import (
	"fmt"
	"strings"

	"github.com/firn-data/firn/internal/contract"
)

// opsSchema is the schema of the views over all datasets.
const opsSchema = "ops"

// opsFileName is the repeatable migration of the views over all datasets.
const opsFileName = "R__ops_views.sql"

// Ops returns the repeatable migration of the views over all datasets' ledgers
// and rejects, in schema OPS: what was loaded, when, how many rows broke which
// rule. The set has a contract at least.
func Ops(set contract.Set) string {
	const head = `-- What was loaded, of all datasets. Written by internal/snowflake/ddl from the
-- contracts in datasets: go generate.
--
-- A ledger has one row a key: when a newer version of a file replaces the rows
-- of an older one, the older one's row goes too. So these views tell of what
-- stands in the tables; the journal in DynamoDB has the history.
`
	return strings.Join([]string{head, objectsView(set), loadsView, rejectsView(set), freshnessView(set)}, "\n")
}

// objectsView is every object that stands in a table: the ledgers without their
// lock rows.
func objectsView(set contract.Set) string {
	names := make([]string, 0, len(ledgerColumns))
	for _, c := range ledgerColumns {
		if !ofLockRow(c.name) {
			names = append(names, c.name)
		}
	}
	columns := strings.Join(names, ",\n    ")
	return opsView("objects", "Every object that stands in a table, of all datasets.",
		union(set, func(c *contract.Contract) string {
			return fmt.Sprintf("select\n    %s as dataset,\n    %s\nfrom %s\nwhere object <> '%s'", datasetOf(c), columns, LedgerName(c), LockRow)
		}))
}

// ofLockRow tells the columns that only the lock row has values in.
func ofLockRow(column string) bool { return column == "seq" || column == "paused" }

// loadsView qualifies its columns: a bare name that is also an alias of the same
// select may mean either.
var loadsView = opsView("loads", "Every load that objects stand of: one transaction each.",
	`select
    loaded.dataset,
    loaded.load_id,
    count(*) as objects,
    sum(loaded.files) as files,
    sum(loaded.bytes) as bytes,
    sum(loaded.rows_read) as rows_read,
    sum(loaded.rows_written) as rows_written,
    sum(loaded.rows_rejected) as rows_rejected,
    sum(loaded.rows_loaded) as rows_loaded,
    min(loaded.started_at) as started_at,
    max(loaded.loaded_at) as loaded_at,
    datediff('millisecond', min(loaded.started_at), max(loaded.loaded_at))
    / 1000 as seconds,
    listagg(distinct loaded.contract, ', ')
    within group (order by loaded.contract) as contracts,
    listagg(distinct loaded.engine, ', ')
    within group (order by loaded.engine) as engines
from `+opsSchema+`.objects as loaded
group by loaded.dataset, loaded.load_id`)

func rejectsView(set contract.Set) string {
	return opsView("rejects_by_rule", "How many rows broke which rule, of all datasets.",
		union(set, func(c *contract.Contract) string {
			return fmt.Sprintf(`select
    %s as dataset,
    rule,
    count(*) as row_count,
    count(distinct _firn_object) as objects,
    min(_firn_loaded_at) as first_loaded_at,
    max(_firn_loaded_at) as last_loaded_at
from %s
group by rule`, datasetOf(c), RejectsName(c))
		}))
}

// freshnessView has a row a dataset, also of one that was never loaded: each
// ledger has its lock row.
func freshnessView(set contract.Set) string {
	lockRows := union(set, func(c *contract.Contract) string {
		return fmt.Sprintf("select\n    %s as dataset,\n    contract,\n    paused\nfrom %s\nwhere object = '%s'", datasetOf(c), LedgerName(c), LockRow)
	})
	return opsView("freshness", "How old every dataset is; null times if it was never loaded.",
		"with ledgers as (\n    "+strings.ReplaceAll(lockRows, "\n", "\n    ")+`
)

select
    ledgers.dataset,
    max(loaded.loaded_at) as last_loaded_at,
    max(loaded.transformed_at) as newest_object_at,
    datediff('minute', max(loaded.loaded_at), current_timestamp())
        as age_minutes,
    count(loaded.object) as objects,
    ledgers.paused,
    ledgers.contract
from ledgers
left join `+opsSchema+`.objects as loaded on ledgers.dataset = loaded.dataset
group by ledgers.dataset, ledgers.paused, ledgers.contract`)
}

// opsView returns a create view statement. OR REPLACE keeps no grants; future
// grants and future ownership give them again (docs.snowflake.com,
// sql-reference/sql/create-view).
func opsView(name, comment, query string) string {
	return fmt.Sprintf("create or replace view %s.%s\n    comment = %s as\n%s;\n", opsSchema, name, literal(comment), query)
}

// union puts one query a contract below each other.
func union(set contract.Set, query func(*contract.Contract) string) string {
	queries := make([]string, len(set))
	for i, c := range set {
		queries[i] = query(c)
	}
	return strings.Join(queries, "\nunion all\n")
}

func datasetOf(c *contract.Contract) string { return literal(c.Dataset()) }
