package orders

// brokenRow changes a good row into a broken row.
type brokenRow struct {
	// rule is the rule's name in rejects.
	rule  string
	apply func(fields [][]byte) [][]byte
}

// brokenRows lists all kinds of broken rows. All kinds are equally frequent. Each rule
// of the contract has at least one kind.
var brokenRows = []brokenRow{
	{"_row:columns", func(fields [][]byte) [][]byte { return fields[:isGift] }},
	{"_row:columns", func(fields [][]byte) [][]byte { return append(fields, []byte("extra")) }},
	{"_row:utf8", set(note, "caf\xe9")},
	{"order_id:integer", set(orderID, "12x4")},
	{"order_id:integer", set(orderID, "9223372036854775808")},
	{"order_id:required", set(orderID, "")},
	{"customer_id:pattern", set(customerID, "X0000001")},
	{"customer_id:required", set(customerID, "")},
	{"ordered_at:required", set(orderedAt, "")},
	{"ordered_at:timestamp", set(orderedAt, "2024-02-30T10:00:00.000Z")},
	{"ordered_at:timestamp", set(orderedAt, "2024-02-28T10:00:60Z")},
	{"ordered_at:timestamp", set(orderedAt, "2024-02-28 10:00:00")},
	{"amount:required", set(amount, "")},
	{"amount:decimal", set(amount, "12.345")},
	{"amount:decimal", set(amount, "1e3")},
	{"amount:minimum", set(amount, "-0.01")},
	{"quantity:required", set(quantity, "")},
	{"quantity:minimum", set(quantity, "0")},
	{"quantity:maximum", set(quantity, "1001")},
	{"quantity:integer", set(quantity, " 7")},
	{"status:required", set(status, "")},
	{"status:enum", set(status, "lost")},
	{"country:required", set(country, "")},
	{"country:pattern", set(country, "de")},
	{"country:pattern", set(country, "DEU")},
	{"is_gift:required", set(isGift, "")},
	{"is_gift:boolean", set(isGift, "maybe")},
	{"ship_date:date", set(shipDate, "0000-00-00")},
	{"ship_date:date", set(shipDate, "2024-2-3")},
}

func set(column int, text string) func([][]byte) [][]byte {
	return func(fields [][]byte) [][]byte {
		fields[column] = append(fields[column][:0], text...)
		return fields
	}
}
