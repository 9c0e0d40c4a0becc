package ddl

import (
	"crypto/sha256"
	"fmt"
	"strings"

	"github.com/firn-data/firn/internal/contract"
)

// ViewName returns the qualified name of the view of the dataset's current rows.
func ViewName(c *contract.Contract) string { return tableName(c, "_current") }

// View returns the statement that replaces the view of the dataset's current rows. Mode
// merge shows the newest row of each primary key. Mode snapshot shows the newest
// complete delivery that isn't held. Returns "" for mode append, where all rows of the table are
// current.
//
// The view names its columns, because a view of "select *" keeps the columns from its
// creation (docs.snowflake.com, sql-reference/sql/create-view). So create the view
// after the table has every column of the contract, and again after each change. The
// view has the columns of the table, so readers can use either.
func View(c *contract.Contract) string {
	query := viewQuery(c)
	if query == "" {
		return ""
	}
	return createCurrent(c, query)
}

// viewQuery returns the query of the view; "" for mode append.
func viewQuery(c *contract.Contract) string {
	switch c.Mode {
	case contract.Merge:
		return mergeQuery(c)
	case contract.Snapshot:
		return snapshotQuery(c)
	case contract.Append:
	}
	return ""
}

// mergeQuery orders the rows of each key by a total order. So the view always shows the
// same row, and the order of loads doesn't matter.
func mergeQuery(c *contract.Contract) string {
	order := ""
	for _, name := range c.OrderBy {
		order += "            loaded." + name + " desc nulls last,\n"
	}
	if order != "" {
		order = "            -- Columns of firn.orderBy; a row without a value is the oldest.\n" + order
	}
	keys := make([]string, len(c.PrimaryKeyColumns()))
	for i, column := range c.PrimaryKeyColumns() {
		keys[i] = "loaded." + column.Name
	}
	return fmt.Sprintf(`select
%s
from %s as loaded
left join %s as ledger
    on loaded._firn_object = ledger.object
qualify
    row_number() over (
        partition by %s
        order by
%s            -- S3's order of events, as text of fixed width. S3 guarantees the
            -- order for versions of one key only. Between two keys, the order
            -- follows the time in practice. An object without an event has no
            -- sequencer.
            ledger.sequencer desc nulls last,
            -- Two objects of unknown order: always choose the same object.
            loaded._firn_object desc,
            -- Two rows of one object: choose the later row.
            loaded._firn_record desc
    ) = 1`, columnsOf(c, "loaded"), TableName(c), LedgerName(c), strings.Join(keys, ", "), order)
}

// snapshotQuery finds the deliveries in the ledger, which has the newest version of each
// key. Incomplete and held deliveries are ignored.
func snapshotQuery(c *contract.Contract) string {
	comment, conditions := completeConditions(c.Delivery)
	conditions = append([]string{"count_if(held) = 0"}, conditions...)
	return fmt.Sprintf(`with

files as (

%s

),

newest as (

    select delivery
    from files
    where delivery is not null
    group by delivery
    -- A held delivery waits for firn accept.
%s
    having
        %s
    -- The delivery's name decides, not the load time: after a reload, an old
    -- delivery stays old.
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
		deliveryFiles(c, "object", "held"), comment, strings.Join(conditions, "\n        and "), columnsOf(c, "loaded"), TableName(c))
}

// DeliveriesQuery returns the query for the deliveries of a snapshot dataset, in no
// order. A row has the delivery's name, the numbers of its files and rows, the numbers
// of held and of accepted files, and whether the delivery is complete.
func DeliveriesQuery(c *contract.Contract) string {
	complete := "true"
	if _, conditions := completeConditions(c.Delivery); len(conditions) > 0 {
		complete = "coalesce(" + strings.Join(conditions, " and ") + ", false)"
	}
	return fmt.Sprintf(`with

files as (

%s

)

select
    delivery,
    count(*) as files,
    sum(rows_loaded) as row_count,
    count_if(held) as held_files,
    count(accepted_at) as accepted_files,
    %s as complete
from files
where delivery is not null
group by delivery`, deliveryFiles(c, "rows_loaded", "held", "accepted_at"), complete)
}

// DeliveryOf returns the expression for the delivery of a ledger row of a snapshot
// dataset. It is null for a key of another form and for the lock row.
func DeliveryOf(c *contract.Contract) string {
	return deliveryGroup(c, contract.DeliveryName)
}

// deliveryGroup returns the expression for a placeholder's text in the key of a ledger
// row; null for a key of another form.
func deliveryGroup(c *contract.Contract, placeholder string) string {
	return fmt.Sprintf("nullif(\n            regexp_substr(\n                key, %s, 1, 1, 'es', %d\n            ),\n            ''\n        )",
		quoteKeepingSpaces(c.DeliveryPattern()), c.Delivery.Group(placeholder))
}

// deliveryFiles selects the columns of the ledger rows, with the columns delivery, part
// and parts of the key. part and parts exist only for a key with {parts}. A withdrawn
// object is no file of a delivery.
func deliveryFiles(c *contract.Contract, columns ...string) string {
	columns = append(columns, deliveryGroup(c, contract.DeliveryName)+" as delivery")
	if c.Delivery.Group(contract.DeliveryParts) > 0 {
		columns = append(columns,
			deliveryGroup(c, contract.DeliveryPart)+"::"+number+" as part", deliveryGroup(c, contract.DeliveryParts)+"::"+number+" as parts")
	}
	return fmt.Sprintf("    select\n        %s\n    from %s\n    where object <> '%s' and withdrawn_at is null", strings.Join(columns, ",\n        "), LedgerName(c), LockRow)
}

// completeConditions returns the conditions for a complete delivery, on the files of
// the delivery, with a comment.
func completeConditions(d *contract.Delivery) (comment string, conditions []string) {
	switch {
	case d.Group(contract.DeliveryParts) > 0:
		return `    -- Every part exists once, with numbers from 0 or 1, and all parts have the
    -- same number of parts in their names.`, []string{
				"min(parts) = max(parts)", "count(*) = min(parts)", "count(distinct part) = min(parts)", "max(part) - min(part) = min(parts) - 1",
			}
	case d.Files > 0:
		return "    -- A complete delivery has this number of files.", []string{fmt.Sprintf("count(*) = %d", d.Files)}
	}
	return "    -- Each object is a delivery.", nil
}

// columnsOf lists the columns of the raw table, one on each line.
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

// ViewComment returns the comment of the view of the dataset's current rows. The comment
// has a checksum of the view's query, so that a migration replaces the view only if the
// query changed. A replaced view loses its tags, its policies and its change tracking.
func ViewComment(c *contract.Contract) string {
	sum := sha256.Sum256([]byte(viewQuery(c)))
	return fmt.Sprintf("The current rows of %s. Definition %x.", c.Dataset(), sum[:8])
}

// createCurrent returns the create view statement. COPY GRANTS keeps the grants of the
// replaced view (docs.snowflake.com, sql-reference/sql/create-view).
func createCurrent(c *contract.Contract, query string) string {
	return fmt.Sprintf("create or replace view %s\n    copy grants\n    comment = %s\nas\n%s\n", ViewName(c), literal(ViewComment(c)), query)
}
