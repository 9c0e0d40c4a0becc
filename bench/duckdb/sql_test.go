package duckdb_test

import (
	"flag"
	"os"
	"testing"

	"github.com/firn-data/firn/bench/duckdb"
	"github.com/firn-data/firn/internal/contract"
)

var update = flag.Bool("update", false, "write the SQL files")

func TestSQLFollowsFromTheContract(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile("../orders.odcs.yaml")
	if err != nil {
		t.Fatal(err)
	}
	c, err := contract.Read("orders.odcs.yaml", data)
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		"../duckdb_good.sql": duckdb.AcceptedSQL(c), "../duckdb_both.sql": duckdb.AcceptedAndRejectedSQL(c), "../duckdb_once.sql": duckdb.OnePassSQL(c),
	} {
		if *update {
			if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		got, err := os.ReadFile(path)
		if err != nil || string(got) != want {
			t.Errorf("%s differs from the contract's SQL (error %v): run this test with -update", path, err)
		}
	}
}
