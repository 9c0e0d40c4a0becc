package main_test

import (
	"bytes"
	"errors"
	"regexp"
	"strings"
	"testing"

	command "github.com/firn-data/firn/cmd/firn"
	"github.com/firn-data/firn/internal/demo"
)

func TestStepPrintsStartAndEnd(t *testing.T) {
	t.Parallel()
	failure := errors.New("no space left")
	for name, test := range map[string]struct {
		err  error
		want string
	}{
		"success": {nil, `^deploy the stack \.\.\.\ndeploy the stack +\d+\.\d s\n$`},
		"failure": {failure, `^deploy the stack \.\.\.\ndeploy the stack +\d+\.\d s, failed\n$`},
	} {
		var out bytes.Buffer
		if err := command.RunStep(&out, "deploy the stack", func() error { return test.err }); !errors.Is(err, test.err) {
			t.Errorf("%s: RunStep = %v, want %v", name, err, test.err)
		}
		if !regexp.MustCompile(test.want).MatchString(out.String()) {
			t.Errorf("%s: output is %q, want %s", name, out.String(), test.want)
		}
	}
}

// TestDemoPrintsNextCommand prints results of sample files inside and outside the
// repository. The next command follows only a complete result.
func TestDemoPrintsNextCommand(t *testing.T) {
	t.Parallel()
	const end = "Every row is accounted for.\n\nNext: make up && build/bin/firn put "
	for _, test := range []struct {
		name   string
		result demo.Result
		want   string
	}{
		{"inside", demo.Result{Sample: "/firn/datasets/shop/order/orders.csv"}, end + "datasets/shop/order/orders.csv  (docs/laptop.md)\n"},
		{"outside", demo.Result{Sample: "/my data/shop/order/orders.csv"}, end + "'/my data/shop/order/orders.csv'  (docs/laptop.md)\n"},
		{"missing rows", demo.Result{Unaccounted: []string{"shop.order: 9 rows in the ledger, but the table has 8"}}, " s in total:\n"},
	} {
		var out bytes.Buffer
		if err := command.PrintDemo(&out, test.result, "/firn"); err != nil || !strings.HasSuffix(out.String(), test.want) {
			t.Errorf("%s: %v, output is\n%s\nwant the end\n%s", test.name, err, out.String(), test.want)
		}
	}
}
