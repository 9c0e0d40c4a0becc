package ddl

import (
	"fmt"
	"strings"

	"github.com/firn-data/firn/internal/contract"
)

// ViewName returns the qualified name of the view of the dataset's current rows.
func ViewName(c *contract.Contract) string { return tableName(c, "_current") }

// View returns the statement that makes the view of the dataset's current rows
// anew: of the newest row of each primary key, or of the newest complete
// delivery. Empty for mode append, where all rows of the table are current.
//
// The view names its columns: one that selects * keeps those that the table had
// when it was made (docs.snowflake.com, sql-reference/sql/create-view). So it is
// made after the table has every column of the contract, and again after each
// change. It has the columns of the table, so that a reader may take either.
func View(c *contract.Contract) string {
	switch c.Mode {
	case contract.Merge:
		return mergeView(c)
	case contract.Snapshot:
		return snapshotView(c)
	case contract.Append:
	}
	return ""
}

// mergeView orders the rows of one key. The order is total, so that the view
// shows the same row however often it is asked, and whatever was loaded first.
func mergeView(c *contract.Contract) string {
	order := ""
	for _, name := range c.OrderBy {
		order += "            loaded." + name + " desc nulls last,\n"
	}
	if order != "" {
		order = "            -- What the contract calls newest; a row without a value is the oldest.\n" + order
	}
	keys := make([]string, len(c.PrimaryKeyColumns()))
	for i, column := range c.PrimaryKeyColumns() {
		keys[i] = "loaded." + column.Name
	}
	return createCurrent(c, fmt.Sprintf(`select
%s
from %s as loaded
left join %s as ledger
    on loaded._firn_object = ledger.object
qualify
    row_number() over (
        partition by %s
        order by
%s            -- S3's order of events, as text of one width. S3 promises it for
            -- versions of one key only; between two keys it follows the time in
            -- practice. An object that no event announced has none.
            ledger.sequencer desc nulls last,
            -- Two objects of which nothing tells which is newer: the same one
            -- each time.
            loaded._firn_object desc,
            -- Two rows of one object: the later one.
            loaded._firn_record desc
    ) = 1`, columnsOf(c, "loaded"), TableName(c), LedgerName(c), strings.Join(keys, ", "), order))
}

// snapshotView finds the deliveries in the ledger, which has the newest version
// of each key. A delivery that isn't complete isn't there.
func snapshotView(c *contract.Contract) string {
	group := func(name string) string {
		return fmt.Sprintf("nullif(\n            regexp_substr(\n                key, %s, 1, 1, 'e', %d\n            ),\n            ''\n        )",
			quoted(c.DeliveryPattern()), c.Delivery.Group(name))
	}
	files := []string{group(contract.DeliveryName) + " as delivery"}
	if c.Delivery.Group(contract.DeliveryParts) > 0 {
		files = append(files, group(contract.DeliveryPart)+"::"+number+" as part", group(contract.DeliveryParts)+"::"+number+" as parts")
	}
	return createCurrent(c, fmt.Sprintf(`with

files as (

    select
        object,
        %s
    from %s
    where object <> '%s'

),

newest as (

    select delivery
    from files
    where delivery is not null
    group by delivery
%s
    -- The name says which delivery is the newest, not the time at which it was
    -- loaded: an old one that is loaded again stays old.
    order by delivery desc
    limit 1

)

select
%s
from %s as loaded
inner join files
    on loaded._firn_object = files.object
inner join newest
    on files.delivery = newest.delivery`,
		strings.Join(files, ",\n        "), LedgerName(c), LockRow, complete(c.Delivery), columnsOf(c, "loaded"), TableName(c)))
}

// complete is the condition under which all files of a delivery are there.
func complete(d *contract.Delivery) string {
	switch {
	case d.Group(contract.DeliveryParts) > 0:
		return `    -- Every part once, counted from 0 or 1, and all agree about their number.
    having
        min(parts) = max(parts)
        and count(*) = min(parts)
        and count(distinct part) = min(parts)
        and max(part) - min(part) = min(parts) - 1`
	case d.Files > 0:
		return fmt.Sprintf("    having count(*) = %d", d.Files)
	}
	return "    -- Each object is a delivery."
}

// columnsOf lists the columns of the raw table, each on a line.
func columnsOf(c *contract.Contract, table string) string {
	var lines []string
	for _, column := range c.Columns {
		lines = append(lines, "    "+table+"."+column.Name)
	}
	for _, name := range AddedColumns() {
		lines = append(lines, "    "+table+"."+name)
	}
	return strings.Join(lines, ",\n")
}

// createCurrent returns the statement. COPY GRANTS keeps what was granted on the view
// that it replaces (docs.snowflake.com, sql-reference/sql/create-view).
func createCurrent(c *contract.Contract, query string) string {
	return fmt.Sprintf("create or replace view %s\n    copy grants\nas\n%s\n", ViewName(c), query)
}
