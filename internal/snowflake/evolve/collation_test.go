package evolve_test

import (
	"context"
	"database/sql"
	"strings"
	"testing"

	"github.com/firn-data/firn/internal/contract"
	"github.com/firn-data/firn/internal/snowflake"
	"github.com/firn-data/firn/internal/snowflake/ddl"
	"github.com/firn-data/firn/internal/snowflake/evolve"
)

// collatedTables is a session on the tables of a contract. The account had a default
// collation when the tables were made.
type collatedTables struct {
	contract  *contract.Contract
	collation string
}

func (s collatedTables) Exec(context.Context, string, string, ...any) (snowflake.Result, error) {
	return snowflake.Result{}, nil
}

func (s collatedTables) Query(_ context.Context, _, statement string, args ...any) (snowflake.Result, error) {
	if !strings.Contains(statement, "information_schema") {
		return snowflake.Result{Columns: []string{"contract", "paused"}, Rows: [][]sql.NullString{{text(s.contract.Version), text("false")}}}, nil
	}
	result := snowflake.Result{Columns: []string{"column_name", "data_type", "numeric_precision", "numeric_scale", "collation_name"}}
	add := func(name, kind string) {
		collation := sql.NullString{}
		if kind == "varchar" {
			kind, collation = "text", text(s.collation)
		}
		result.Rows = append(result.Rows, []sql.NullString{text(name), text(kind), text("38"), text("0"), collation})
	}
	if args[1] == strings.ToUpper(strings.TrimPrefix(ddl.LedgerName(s.contract), "raw.")) {
		for _, column := range ddl.LedgerColumns() {
			add(column.Name, column.Type)
		}
		return result, nil
	}
	for _, column := range s.contract.Columns {
		add(column.Name, strings.TrimSuffix(ddl.SQLType(column), "(38, 0)"))
	}
	return result, nil
}

func text(s string) sql.NullString { return sql.NullString{String: s, Valid: true} }

func TestTableWithCollationIsRefused(t *testing.T) {
	t.Parallel()
	c := &contract.Contract{Source: "shop", Entity: "order", Version: "1.0.0", Columns: []contract.Column{
		{Name: "code", Type: contract.String, PrimaryKey: 1}, {Name: "note", Type: contract.String},
	}}
	for collation, refused := range map[string]bool{"": false, "utf8": false, "en-ci": true} {
		e := evolve.Evolver{Session: collatedTables{contract: c, collation: collation}}
		change, err := e.Plan(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		all := strings.Join(change.Refusals, "\n")
		hasRow, hasLedger := strings.Contains(all, "columns of the table have a collation: code (en-ci). Two"), strings.Contains(all, "key (en-ci), ")
		if hasRow != refused || hasLedger != refused || strings.Contains(all, " note (") {
			t.Errorf("collation %q: %v", collation, change.Refusals)
		}
	}
}
