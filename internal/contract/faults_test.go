package contract_test

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/firn-data/firn/internal/contract"
)

var update = flag.Bool("update", false, "write golden files instead of comparing with them")

func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(string(readFile(t, path)), got); diff != "" {
		t.Errorf("%s (-golden +got):\n%s", path, diff)
	}
}

// faults are edits of the complete contract. Each edit changes one place, and firn must
// refuse the result. testdata/faults.golden has the messages.
var faults = []struct{ name, old, new string }{
	{"unknown key at the top", "tenant: example", "tenent: example"},
	{"unknown key in a column", "classification: public", "clasification: public"},
	{"key of another version", "classification: public", "enum: [open]"},
	{"unknown key of a server", "warehouse: FIRN_LOAD}", "warhouse: FIRN_LOAD}"},
	{"unknown option", "maxLength: 8", "maxLen: 8"},
	{"repeated key", "domain: sales", "domain: sales\ndomain: shop"},
	{"missing key at the top", "version: 2.3.4\n", ""},
	{"missing purpose", "purpose: |\n    Orders of the shop,\n    one row an order.\n", "customProperties: []\n"},
	{"missing name of a column", "name: gift, ", ""},
	{"missing type of a column", "name: gift, logicalType: boolean", "name: gift"},
	{"missing value of a property", "value: {number: 12}", "description: none"},
	{"text for a flag", "required: true\n        description", "required: \"yes\"\n        description"},
	{"number for a text", "version: 2.3.4", "version: 2.3"},
	{"text for a list", "tags: [sales]", "tags: sales"},
	{"empty value", "tenant: example", "tenant:"},
	{"fraction for a whole number", "minLength: 3", "minLength: 3.5"},
	{"anchor", "tags: [sales]", "tags: &tags [sales]"},
	{"another standard", "apiVersion: v3.1.0", "apiVersion: v3.0.2"},
	{"another kind", "kind: DataContract", "kind: DataProduct"},
	{"version of two parts", "version: 2.3.4", "version: v2.3"},
	{"unknown status", "status: active", "status: actve"},
	{"name without source", "name: shop.order", "name: order"},
	{"name in upper case", "name: shop.order", "name: Shop.order"},
	{"table of another name", "  - name: order\n", "  - name: orders\n"},
	{"physical name of the table", "physicalName: SHOP_ORDER", "physicalName: ORDERS"},
	{"table's type", "logicalType: object\n    businessName", "logicalType: string\n    businessName"},
	{"two tables", "schema:\n", "schema:\n  - {name: other, properties: [{name: a, logicalType: string}]}\n"},
	{"firn property of a table", "    businessName: Order\n", "    customProperties: [{property: firn.format, value: csv}]\n"},
	{"unknown logicalType", "{name: gift, logicalType: boolean", "{name: gift, logicalType: bool"},
	{"physicalType of Snowflake", "physicalType: string", "physicalType: VARCHAR(8)"},
	{"number without physicalType", ", physicalType: double", ""},
	{"unknown physicalType of a number", "decimal(12,2)", "NUMBER(12,2)"},
	{"precision above 38", "decimal(12,2)", "decimal(39,2)"},
	{"scale above the precision", "decimal(12,2)", "decimal(3,4)"},
	{"duplicate column", "name: gift,", "name: day,"},
	{"duplicate header", "{name: gift,", "{name: gift, physicalName: Order No.,"},
	{"header that is another column's name", "{name: gift,", "{name: gift, physicalName: shop,"},
	{"header of two lines", "{name: gift,", "{name: gift, physicalName: \"a\\nb\","},
	{"column in upper case", "name: gift,", "name: Gift,"},
	{"reserved column", "name: gift,", "name: order,"},
	{"pattern with a syntax error", "[A-Z]{2}[0-9]+", "[A-Z"},
	{"pattern that is empty", "'[A-Z]{2}[0-9]+'", "''"},
	{"pattern with an open brace", "[A-Z]{2}[0-9]+", "[A-Z]{2"},
	{"pattern with ] at the start of a class", "[A-Z]{2}[0-9]+", "[]a]"},
	{"pattern with another meaning of U", "[A-Z]{2}[0-9]+", "(?U)a+"},
	{"pattern that closes a bracket", "[A-Z]{2}[0-9]+", "a)(b"},
	{"pattern that Spark reads differently", "[A-Z]{2}[0-9]+", "[[:alpha:]]+"},
	{"pattern with a Go group", "[A-Z]{2}[0-9]+", "(?P<a>b)"},
	{"pattern with an intersection", "[A-Z]{2}[0-9]+", "[a-z&&[b]]"},
	{"pattern with a vertical tab", "[A-Z]{2}[0-9]+", `\v`},
	{"pattern and enum", "quality:\n          - {type: library, metric: nullValues", "logicalTypeOptions: {pattern: a}\n        quality:\n          - {type: library, metric: nullValues"},
	{"minimum above maximum", "minimum: -1.5, maximum: 1.0e+6", "minimum: 2, maximum: 1"},
	{"no number between the bounds", "minimum: -1.5, maximum: 1.0e+6", "minimum: 1, exclusiveMaximum: 1.0"},
	{"bound given twice", "minimum: -1.5, maximum: 1.0e+6", "minimum: 1, exclusiveMinimum: 1"},
	{"bound that is no number", "minimum: -1.5", "minimum: low"},
	{"bound that isn't plain", "minimum: -1.5", "minimum: 0x10"},
	{"bound that is infinite", "exclusiveMaximum: 99.5", "exclusiveMaximum: 1e999"},
	{"fraction as an integer's bound", "exclusiveMinimum: 0}", "exclusiveMinimum: 0.5}"},
	{"bound beyond an integer", "exclusiveMinimum: 0}", "exclusiveMinimum: 9223372036854775808}"},
	{"minLength above maxLength", "minLength: 3", "minLength: 9"},
	{"negative length", "minLength: 3", "minLength: -1"},
	{"bounds of a date", "{name: day, logicalType: date,", "{name: day, logicalType: date, logicalTypeOptions: {minimum: \"2013-01-01\"},"},
	{"format that firn doesn't know", "format: uuid", "format: mail"},
	{"format of a date", "{name: day, logicalType: date,", "{name: day, logicalType: date, logicalTypeOptions: {format: yyyy-MM-dd},"},
	{"enum of numbers", "[open, paid]", "[1, paid]"},
	{"enum that is empty", "[open, paid]", "[]"},
	{"enum with a value twice", "[open, paid]", "[open, open]"},
	{"enum as a pattern", "{validValues: [open, paid]}", "{pattern: a}"},
	{"enum of a boolean", "criticalDataElement: false", "quality: [{metric: invalidValues, mustBe: 0, arguments: {validValues: [a]}}]"},
	{"key position missing", "primaryKeyPosition: 2", "primaryKeyPosition: 3"},
	{"key position twice", "primaryKeyPosition: 2", "primaryKeyPosition: 1"},
	{"key position without key", "unique: true, primaryKey: false, primaryKeyPosition: -1", "primaryKeyPosition: 3"},
	{"key that isn't required", "required: true\n        description", "required: false\n        description"},
	{"key of a double", "name: weight,", "name: weight, primaryKey: true, primaryKeyPosition: 3,"},
	{"unique json", "logicalType: array\n", "logicalType: array\n        unique: true\n"},
	{"path in a CSV contract", "{name: slot, logicalType: time}", "{name: slot, logicalType: time, customProperties: [{property: firn.path, value: /a}]}"},
	{"unknown firn property", "firn.maxRejects,", "firn.maxReject,"},
	{"firn property in the wrong place", "{name: slot, logicalType: time}", "{name: slot, logicalType: time, customProperties: [{property: firn.format, value: csv}]}"},
	{"firn property twice", "property: costCentre, value: {number: 12}", "property: firn.format, value: csv"},
	{"firn.format", "firn.format, value: csv", "firn.format, value: parquet"},
	{"firn.keyPrefix", "legacy/orders/", "/legacy/orders"},
	{"firn.delimiter", "firn.delimiter, value: ;", "firn.delimiter, value: ;;"},
	{"firn.nullValues that is no text", `[NA, "-"]`, "[NA, 0]"},
	{"firn.nullValues that is empty", `[NA, "-"]`, `[NA, "", NA]`},
	{"firn.nullValues that is no list", `[NA, "-"]`, "NA"},
	{"firn.maxRejectRatio", "0.25", "1.5"},
	{"firn.maxRejectRatio that is no number", "0.25", ".nan"},
	{"firn.maxRejects", "firn.maxRejects, value: 3", "firn.maxRejects, value: -3"},
	{"firn.maxUnique", "firn.maxUnique, value: 1000", "firn.maxUnique, value: 0"},
	{"firn.encoding", "windows-1252", "cp1252"},
	{"firn.engine", "value: glue", "value: spark"},
	{"firn.loadEvery", "90s", "20m"},
	{"firn.loadEvery without unit", "90s", "90"},
	{"firn.mode", "firn.mode, value: merge", "firn.mode, value: upsert"},
	{"order of another mode", "firn.mode, value: merge", "firn.mode, value: append"},
	{"order by no column", "[paid_at, number]", "[paid, number]"},
	{"order by a flag", "[paid_at, number]", "gift"},
	{"order by JSON", "[paid_at, number]", "[lines]"},
	{"order by a column twice", "[paid_at, number]", "[paid_at, paid_at]"},
	{"order that is no name", "[paid_at, number]", "{paid_at: desc}"},
	{"delivery of another mode", "firn.orderBy, value: [paid_at, number]", "firn.delivery, value: {files: 2}"},
	{"delivery with a marker", "firn.mode, value: merge}\n  - {property: firn.orderBy, value: [paid_at, number]}", "firn.mode, value: snapshot}\n  - {property: firn.delivery, value: {marker: _SUCCESS}}"},
	{"delivery with a manifest", "firn.mode, value: merge}\n  - {property: firn.orderBy, value: [paid_at, number]}", "firn.mode, value: snapshot}\n  - {property: firn.delivery, value: {manifest: true}}"},
	{"delivery without a name", "firn.mode, value: merge}\n  - {property: firn.orderBy, value: [paid_at, number]}", "firn.mode, value: snapshot}\n  - {property: firn.delivery, value: {key: 'orders.csv'}}"},
	{"delivery with another placeholder", "firn.mode, value: merge}\n  - {property: firn.orderBy, value: [paid_at, number]}", "firn.mode, value: snapshot}\n  - {property: firn.delivery, value: {key: '{delivery}/{date}.csv'}}"},
	{"delivery with a placeholder twice", "firn.mode, value: merge}\n  - {property: firn.orderBy, value: [paid_at, number]}", "firn.mode, value: snapshot}\n  - {property: firn.delivery, value: {key: '{delivery}/{delivery}.csv'}}"},
	{"delivery with placeholders side by side", "firn.mode, value: merge}\n  - {property: firn.orderBy, value: [paid_at, number]}", "firn.mode, value: snapshot}\n  - {property: firn.delivery, value: {key: '{delivery}{part}.csv', files: 2}}"},
	{"delivery with a star", "firn.mode, value: merge}\n  - {property: firn.orderBy, value: [paid_at, number]}", "firn.mode, value: snapshot}\n  - {property: firn.delivery, value: {key: '{delivery}/*.csv'}}"},
	{"delivery with {part} and no number of files", "firn.mode, value: merge}\n  - {property: firn.orderBy, value: [paid_at, number]}", "firn.mode, value: snapshot}\n  - {property: firn.delivery, value: {key: '{delivery}/{part}.csv'}}"},
	{"delivery with {part} and two numbers of files", "firn.mode, value: merge}\n  - {property: firn.orderBy, value: [paid_at, number]}", "firn.mode, value: snapshot}\n  - {property: firn.delivery, value: {key: '{delivery}/{part}-of-{parts}.csv', files: 2}}"},
	{"delivery of several files without {part}", "firn.mode, value: merge}\n  - {property: firn.orderBy, value: [paid_at, number]}", "firn.mode, value: snapshot}\n  - {property: firn.delivery, value: {key: '{delivery}.csv', files: 2}}"},
	{"delivery of no files", "firn.mode, value: merge}\n  - {property: firn.orderBy, value: [paid_at, number]}", "firn.mode, value: snapshot}\n  - {property: firn.delivery, value: {key: '{delivery}/{part}.csv', files: 0}}"},
	{"delivery without a key", "firn.mode, value: merge}\n  - {property: firn.orderBy, value: [paid_at, number]}", "firn.mode, value: snapshot}\n  - {property: firn.delivery, value: {files: 2}}"},
	{"firn.holdBelow", "firn.mode, value: merge}\n  - {property: firn.orderBy, value: [paid_at, number]}", "firn.mode, value: snapshot}\n  - {property: firn.holdBelow, value: 50}\n  - {property: firn.delivery, value: {key: '{delivery}.csv'}}"},
	{"firn.holdBelow of another mode", "firn.orderBy, value: [paid_at, number]", "firn.holdBelow, value: 0.5"},
	{"key position 0", "primaryKeyPosition: 2", "primaryKeyPosition: 0"},
	{"firn.duplicateContent", "firn.duplicateContent, value: refuse", "firn.duplicateContent, value: drop"},
	{"firn.onDelete", "firn.onDelete, value: withdraw", "firn.onDelete, value: drop"},
	{"firn.quotedNull", "firn.quotedNull, value: value", "firn.quotedNull, value: text"},
	{"firn.newColumns", "firn.newColumns, value: refuse", "firn.newColumns, value: add"},
	{"number of rejects of a snapshot", "firn.mode, value: merge}\n  - {property: firn.orderBy, value: [paid_at, number]}", "firn.mode, value: snapshot}"},
	{"firn.ingest of CSV", "property: costCentre, value: {number: 12}", "property: firn.ingest, value: {api: fdsn-event, url: 'https://example.org/q'}"},
	{"csv properties in NDJSON", "firn.format, value: csv", "firn.format, value: ndjson"},
}

// ingestFaults are edits of the minimal contract of NDJSON.
var ingestFaults = []struct{ name, old, new string }{
	{"ingest unknown key", "api: fdsn-event", "api: fdsn-event, urll: a"},
	{"ingest missing url", `, url: "https://example.org/query"`, ""},
	{"ingest api", "api: fdsn-event", "api: soap"},
	{"ingest url", "https://example.org/query", "https://example.org/query?format=geojson"},
	{"ingest url without host", "https://example.org/query", "file:///etc/passwd"},
	{"ingest pageSize", "api: fdsn-event", "api: fdsn-event, pageSize: 20001"},
	{"ingest of snapshots", "customProperties:\n", "customProperties:\n  - {property: firn.mode, value: snapshot}\n"},
	{"ingest schedule", "api: fdsn-event", "api: fdsn-event, schedule: hourly"},
	{"path that is no pointer", "/properties/mag", "properties.mag"},
	{"whole record that is no object", "logicalType: object", "logicalType: string"},
	{"path that is no text", `value: ""`, "value: 1"},
	{"header in NDJSON", "      - name: mag\n", "      - name: mag\n        physicalName: Mag\n"},
	{"name that differs from the folder", "name: station.event", "name: station.quake"},
	{"no columns", minimal[strings.Index(minimal, "    properties:"):], "    properties: []\n"},
	{"column that is a text", "      - name: mag\n", "      - mag\n      - name: mag\n"},
	{"document that is a list", minimal, "- a\n"},
}

func TestFaultyContractIsRefusedWithMessage(t *testing.T) {
	t.Parallel()
	var all strings.Builder
	complete := string(readFile(t, completePath))
	for _, fault := range faults {
		fmt.Fprintf(&all, "## %s\n%s\n\n", fault.name, readRefused(t, fault.name, complete, fault.old, fault.new))
	}
	for _, fault := range ingestFaults {
		fmt.Fprintf(&all, "## %s\n%s\n\n", fault.name, readRefused(t, fault.name, minimal, fault.old, fault.new))
	}
	golden(t, "testdata/faults.golden", all.String())
}

// readRefused reads the edited contract and returns the error. It fails the test for a
// valid contract.
func readRefused(t *testing.T, name, base, from, to string) string {
	t.Helper()
	if strings.Count(base, from) != 1 {
		t.Fatalf("%s: %q is %d times in the contract", name, from, strings.Count(base, from))
	}
	path := "station/event/contract.odcs.yaml"
	if base != minimal {
		path = "shop/order/contract.odcs.yaml"
	}
	_, err := contract.Read(path, []byte(strings.Replace(base, from, to, 1)))
	if err == nil {
		t.Errorf("%s: the contract was accepted", name)
		return "accepted"
	}
	return err.Error()
}
