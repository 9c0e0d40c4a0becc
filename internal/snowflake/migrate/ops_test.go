//go:build standin

package migrate_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/firn-data/firn/internal/contract"
	"github.com/firn-data/firn/internal/snowflake"
	"github.com/firn-data/firn/internal/snowflake/ddl"
	"github.com/firn-data/firn/internal/snowflake/migrate"
)

// operations returns a session in a migrated database with three loads of two datasets:
// a load of two objects, a load of a newer contract, and a load without rejects.
func operations(t *testing.T) *snowflake.Session {
	t.Helper()
	database := newDatabase()
	m, r := newMigrator(t, database, "ours")
	if _, err := m.Apply(t.Context(), ownScripts(t, database)); err != nil {
		t.Fatal(err)
	}
	const ledger = `insert into raw.%s_loads (object, load_id, key, contract, engine, files, bytes,
			rows_read, rows_written, rows_rejected, rows_loaded, started_at, transformed_at, loaded_at)
		select column1, column2, column3, column4, column5, column6, column7, column8, column9, column10, column11,
			column12::timestamp_ltz, column13::timestamp_ltz, column14::timestamp_ltz from values %s`
	for _, statement := range []string{
		fmt.Sprintf(ledger, "shop_item", `
			('o1', 'l1', 'k1', '1.0.0', 'lambda', 1, 100, 10, 10, 0, 10, '2026-03-01 10:00:00', '2026-03-01 09:59:00', '2026-03-01 10:00:02.5'),
			('o2', 'l1', 'k2', '1.0.0', 'glue', 2, 250, 20, 18, 2, 18, '2026-03-01 10:00:00', '2026-03-01 09:58:00', '2026-03-01 10:00:02.5'),
			('o3', 'l2', 'k3', '1.1.0', 'lambda', 1, 50, 5, 4, 1, 4, '2026-03-02 10:00:00', '2026-03-02 09:00:00', '2026-03-02 10:00:01')`),
		fmt.Sprintf(ledger, "station_event", `
			('o4', 'l3', 'k4', '1.0.0', 'lambda', 1, 70, 7, 7, 0, 7, '2026-03-03 10:00:00', '2026-03-03 09:00:00', '2026-03-03 10:00:03')`),
		// A withdrawn object has a ledger row, but is no current object.
		`insert into raw.shop_item_loads (object, load_id, key, generation, files, rows_read, rows_written, rows_rejected, rows_loaded, started_at, loaded_at, withdrawn_at, withdrawn_by)
			select 'o9', 'l9', 'k9', 0, 0, 0, 0, 0, 0, '2026-03-09 10:00:00'::timestamp_ltz, '2026-03-09 10:00:00'::timestamp_ltz, '2026-03-09 10:00:00'::timestamp_ltz, 'ann'`,
		`insert into raw.shop_item_rejects (_firn_object, _firn_record, line, rule, raw, _firn_loaded_at)
			select column1, column2, column3, column4, column5, column6::timestamp_ltz from values
			('o2', 3, 4, 'type:stock', 'x', '2026-03-01 10:00:01'), ('o2', 4, 5, 'type:stock', 'x', '2026-03-01 10:00:01'), ('o2', 5, 6, 'required:sku', 'y', '2026-03-01 10:00:01'),
			('o3', 1, 2, 'type:stock', 'z', '2026-03-02 10:00:00')`,
		"update raw.station_event_loads set paused = true where object = '~lock'",
	} {
		if _, err := r.Exec(t.Context(), "load", statement); err != nil {
			t.Fatal(err)
		}
	}
	return r.Session
}

// rows reads a query's rows as text, one line for each row.
func rows(t *testing.T, session *snowflake.Session, query string) []string {
	t.Helper()
	result, err := session.Query(t.Context(), "read rows", query)
	if err != nil {
		t.Fatal(err)
	}
	lines := []string{}
	for _, row := range result.Rows {
		var texts []string
		for _, value := range row {
			if !value.Valid {
				value.String = "null"
			}
			texts = append(texts, value.String)
		}
		lines = append(lines, strings.Join(texts, " | "))
	}
	return lines
}

func TestOpsViewsShowLoads(t *testing.T) {
	t.Parallel()
	session := operations(t)
	for _, test := range []struct {
		name, query string
		want        []string
	}{
		{"objects", "select dataset, object, load_id, bytes, rows_loaded from ops.objects order by object", []string{
			"shop.item | o1 | l1 | 100 | 10",
			"shop.item | o2 | l1 | 250 | 18",
			"shop.item | o3 | l2 | 50 | 4",
			"station.event | o4 | l3 | 70 | 7",
		}},
		{"loads", `select dataset, load_id, objects, files, bytes, rows_read, rows_written, rows_rejected, rows_loaded,
			seconds::number(9, 1) as seconds, started_at, loaded_at, contracts, engines from ops.loads order by load_id`, []string{
			"shop.item | l1 | 2 | 3 | 350 | 30 | 28 | 2 | 28 | 2.5 | 2026-03-01T10:00:00Z | 2026-03-01T10:00:02.5Z | 1.0.0 | glue, lambda",
			"shop.item | l2 | 1 | 1 | 50 | 5 | 4 | 1 | 4 | 1.0 | 2026-03-02T10:00:00Z | 2026-03-02T10:00:01Z | 1.1.0 | lambda",
			"station.event | l3 | 1 | 1 | 70 | 7 | 7 | 0 | 7 | 3.0 | 2026-03-03T10:00:00Z | 2026-03-03T10:00:03Z | 1.0.0 | lambda",
		}},
		{"rejects", "select dataset, rule, row_count, objects, first_loaded_at, last_loaded_at from ops.rejects_by_rule order by rule", []string{
			"shop.item | required:sku | 1 | 1 | 2026-03-01T10:00:01Z | 2026-03-01T10:00:01Z",
			"shop.item | type:stock | 3 | 2 | 2026-03-01T10:00:01Z | 2026-03-02T10:00:00Z",
		}},
		{"freshness", `select dataset, last_loaded_at, newest_object_at, objects, paused, contract from ops.freshness
			where dataset in ('shop.item', 'shop.order', 'station.event') order by dataset`, []string{
			"shop.item | 2026-03-02T10:00:01Z | 2026-03-02T09:00:00Z | 3 | false | 1.0.0",
			"shop.order | null | null | 0 | false | 1.0.0",
			"station.event | 2026-03-03T10:00:03Z | 2026-03-03T09:00:00Z | 1 | true | 1.0.0",
		}},
		{"freshness of each dataset", "select count(*) = 5, count(age_minutes), min(age_minutes) > 0 from ops.freshness", []string{"true | 2 | true"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, rows(t, session, test.query)); diff != "" {
				t.Errorf("%s (-want +got):\n%s", test.query, diff)
			}
		})
	}
}

// TestNewColumnsLeaveViewWithContract: the contract of the script decides, not the
// contract of the load. The column "stock" came into the contract after the load of o2.
// A withdrawn object, a text that isn't JSON, and a contract with a column for the whole
// record have no new column.
func TestNewColumnsLeaveViewWithContract(t *testing.T) {
	t.Parallel()
	session := operations(t)
	for _, statement := range []string{
		`update raw.shop_item_loads set extra_columns = '["owner","a\u003cb \u00e9''s"]' where object = 'o1'`,
		`update raw.shop_item_loads set extra_columns = '["owner","stock","OWNER"]', contract = '0.9.0' where object = 'o2'`,
		`update raw.shop_item_loads set extra_columns = '["owner"]' where object = 'o3'`,
		`update raw.shop_item_loads set extra_columns = '["withdrawn"]' where object = 'o9'`,
		`update raw.station_event_loads set extra_columns = '["owner"]' where object = 'o4'`,
		`insert into raw.shop_order_loads (object, key, loaded_at, extra_columns)
			select 'o5', 'k5', '2026-03-05 10:00:00'::timestamp_ltz, 'no list'`,
		`insert into raw.shop_visit_loads (object, key, loaded_at, extra_columns)
			select 'o6', 'k6', '2026-03-06 10:00:00'::timestamp_ltz, '["owner"]'`,
	} {
		if _, err := session.Exec(t.Context(), "load", statement); err != nil {
			t.Fatal(err)
		}
	}
	want := []string{
		"shop.item | OWNER | 2026-03-01T10:00:02.5Z | 2026-03-01T10:00:02.5Z | 1 | k2 | k2",
		"shop.item | a<b é's | 2026-03-01T10:00:02.5Z | 2026-03-01T10:00:02.5Z | 1 | k1 | k1",
		"shop.item | owner | 2026-03-01T10:00:02.5Z | 2026-03-02T10:00:01Z | 3 | k1 | k3",
		"shop.visit | owner | 2026-03-06T10:00:00Z | 2026-03-06T10:00:00Z | 1 | k6 | k6",
	}
	got := rows(t, session, `select dataset, column_name, first_loaded_at, last_loaded_at, objects, first_key, last_key
		from ops.new_columns order by dataset, column_name`)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("new columns (-want +got):\n%s", diff)
	}
}

// TestNewColumnsViewKnowsAnyName makes the view of a contract whose names in files have
// quotes, backslashes, line ends and opening Jinja tags.
func TestNewColumnsViewKnowsAnyName(t *testing.T) {
	t.Parallel()
	session := operations(t)
	odd := []string{"it's", "{{ x }} {{{% {#", `a\b\`, "a;\tb", "a\nb\r", "é", "", " two  spaces ", "-- $$ /*"}
	c := &contract.Contract{Source: "shop", Entity: "item", Format: contract.CSV}
	for _, name := range odd {
		c.Columns = append(c.Columns, contract.Column{Header: name})
	}
	script, err := migrate.Parse("R__ops_views.sql", ddl.Ops(contract.Set{c}), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, statement := range migrate.Split(script.Rendered) {
		if _, err := session.Query(t.Context(), "make views", statement); err != nil {
			t.Fatal(err)
		}
	}
	found, err := json.Marshal(append(odd, "other", "it''s", "{ { x }}"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := session.Exec(t.Context(), "load", "update raw.shop_item_loads set extra_columns = ? where object = 'o1'", string(found)); err != nil {
		t.Fatal(err)
	}
	got := rows(t, session, "select column_name from ops.new_columns order by column_name")
	if diff := cmp.Diff([]string{"it''s", "other", "{ { x }}"}, got); diff != "" {
		t.Errorf("new columns (-want +got):\n%s", diff)
	}
}

// TestCostByDayAddsUpToMeteredCost meters two days. The cost without a query is idle
// cost, and the rows of a day add up to the metered cost.
func TestCostByDayAddsUpToMeteredCost(t *testing.T) {
	t.Parallel()
	session := operations(t)
	const usage = "select to_timestamp_ltz(column1), to_timestamp_ltz(column1), column2, column3"
	for _, statement := range []string{
		"insert into snowflake.account_usage.warehouse_metering_history (start_time, end_time, warehouse_name, credits_used) " + usage + ` from values
			('2026-03-01 10:00:00', 'FIRN_LOAD', 0.5), ('2026-03-01 23:00:00', 'FIRN_LOAD', 0.25), ('2026-03-01 10:00:00', 'OTHER', 9),
			('2026-03-02 10:00:00', 'FIRN_TRANSFORM', 1)`,
		"insert into snowflake.account_usage.query_attribution_history (start_time, end_time, warehouse_name, query_tag, credits_attributed_compute) " + usage + `, column4 from values
			('2026-03-01 10:00:01', 'FIRN_LOAD', 'firn load shop.item 11', 0.125), ('2026-03-01 10:00:02', 'FIRN_LOAD', 'firn load shop.item 12', 0.125),
			('2026-03-01 10:00:03', 'FIRN_LOAD', 'firn load station.event 13', 0.0625), ('2026-03-01 23:00:00', 'FIRN_LOAD', 'firn operator', 0.0625),
			('2026-03-01 10:00:01', 'OTHER', 'firn load shop.item 11', 8), ('2026-03-02 10:00:00', 'FIRN_TRANSFORM', 'firn dbt', 0.75),
			('2026-03-02 10:00:00', 'FIRN_TRANSFORM', null, 0.125)`,
	} {
		if _, err := session.Exec(t.Context(), "insert costs", statement); err != nil {
			t.Fatal(err)
		}
	}
	want := []string{
		"2026-03-01 | FIRN_LOAD | idle | null | null | 0.375",
		"2026-03-01 | FIRN_LOAD | load | shop.item | 2 | 0.25",
		"2026-03-01 | FIRN_LOAD | load | station.event | 1 | 0.0625",
		"2026-03-01 | FIRN_LOAD | operator | null | 1 | 0.0625",
		"2026-03-02 | FIRN_TRANSFORM | dbt | null | 1 | 0.75",
		"2026-03-02 | FIRN_TRANSFORM | idle | null | null | 0.125",
		"2026-03-02 | FIRN_TRANSFORM | other | null | 1 | 0.125",
	}
	got := rows(t, session, "select to_varchar(day, 'YYYY-MM-DD') as day, warehouse, purpose, dataset, queries, credits from ops.cost_by_day order by day, purpose, dataset")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("costs (-want +got):\n%s", diff)
	}
	sum := rows(t, session, "select sum(credits) from ops.cost_by_day")
	if diff := cmp.Diff([]string{"1.75"}, sum); diff != "" {
		t.Errorf("sum of the credits (-want +got):\n%s", diff)
	}
}
