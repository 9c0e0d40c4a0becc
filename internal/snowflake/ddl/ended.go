package ddl

// EndedTable is the qualified name of the table of ended rows, for all datasets.
const EndedTable = opsSchema + ".ended"

// endedColumns are the columns of the table of ended rows.
var endedColumns = []column{
	{name: "dataset", kind: varchar, required: true, comment: "Source and entity, for example shop.order."},
	{name: "object", kind: varchar, required: true, comment: "Id of the object."},
	{name: "bucket", kind: varchar, comment: "Bucket of the object."},
	{name: "key", kind: varchar, comment: "Key of the object."},
	{name: "version", kind: varchar, comment: "Version of the key."},
	{name: "generation", kind: number, comment: "Number of reloads before the load of the ended rows."},
	{name: "load_id", kind: varchar, comment: "Load of the ended rows."},
	{name: "rows_loaded", kind: number, comment: "Number of the ended rows, as in the ledger."},
	{name: "rows_rejected", kind: number, comment: "Number of the ended rejects, as in the ledger."},
	{name: "loaded_at", kind: timestamp, comment: "Time of the load of the ended rows."},
	{name: "ended_at", kind: timestamp, comment: "Time inside the transaction that deleted the rows."},
	{name: "reason", kind: varchar, comment: "replaced by a newer version, reloaded, or withdrawn."},
	{name: "ended_by", kind: varchar, comment: "Load that replaced the rows, or person who withdrew the rows."},
	{name: "ended_in", kind: varchar, comment: "Load id of the transaction that deleted the rows."},
	{name: "note", kind: varchar, comment: "Reason of the person who withdrew the rows."},
}

// EndedColumns returns the names of the columns, in order.
func EndedColumns() []string {
	names := make([]string, len(endedColumns))
	for i, c := range endedColumns {
		names[i] = c.name
	}
	return names
}

// Ended returns the statement that creates the table of ended rows. On an account the
// versioned migration V1.6.0__ended.sql has the same statement.
func Ended() string {
	return create(EndedTable, "One row for each object version whose rows left a raw table.", endedColumns)
}
