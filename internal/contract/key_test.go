package contract_test

import (
	"strings"
	"testing"

	"github.com/firn-data/firn/internal/contract"
)

// primaryKeyOf returns the primary key of the minimal contract with the properties added
// to the columns id and net.
func primaryKeyOf(t *testing.T, id, net string) (string, error) {
	t.Helper()
	text := strings.NewReplacer(
		"        primaryKey: true\n", "        primaryKey: true\n"+id,
		"      - name: mag\n", "      - name: net\n        logicalType: string\n"+net+"      - name: mag\n",
	).Replace(minimal)
	c, err := contract.Read("station/event/contract.odcs.yaml", []byte(text))
	if err != nil {
		return "", err
	}
	var names []string
	for _, column := range c.PrimaryKeyColumns() {
		names = append(names, column.Name)
	}
	return strings.Join(names, " "), nil
}

// TestPrimaryKeyPosition: -1 is the default of ODCS and means no position.
func TestPrimaryKeyPosition(t *testing.T) {
	t.Parallel()
	const key, notPositive = "        primaryKey: true\n", "must be a decimal number from 1, or -1 for no position"
	position := func(n string) string { return "        primaryKeyPosition: " + n + "\n" }
	for name, test := range map[string]struct{ id, net, want, wantErr string }{
		"one column without a position":     {"", "", "id", ""},
		"one column with the default":       {position("-1"), "", "id", ""},
		"two columns without a position":    {"", key, "id net", ""},
		"two columns with the default":      {position("-1"), key + position("-1"), "id net", ""},
		"two columns in another order":      {position("2"), key + position("1"), "net id", ""},
		"a position and none":               {position("1"), key, "", "must number all 2 columns of the primary key from 1, each number once, or none of them"},
		"zero":                              {position("0"), "", "", notPositive},
		"a negative number":                 {position("-2"), "", "", notPositive},
		"a hexadecimal number":              {position("0x10"), "", "", notPositive},
		"a column that isn't part of a key": {"", position("0"), "", "the column isn't part of the primary key"},
		"the default outside of a key":      {"", position("-1"), "id", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := primaryKeyOf(t, test.id, test.net)
			if got != test.want || (err == nil) != (test.wantErr == "") || err != nil && !strings.Contains(err.Error(), test.wantErr) {
				t.Errorf("primary key %q, %v; want %q, %q", got, err, test.want, test.wantErr)
			}
		})
	}
}
