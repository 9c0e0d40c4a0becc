// Package changes_test compares the verdict of `firn contract diff` with the engine: files
// of the old contract run under the new contract, and files of the new contract under the
// old contract.
package changes_test

import (
	"flag"
	"os"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/firn-data/firn/internal/contract"
	"github.com/firn-data/firn/internal/snowflake/evolve"
	"github.com/firn-data/firn/internal/transform"
)

// A draw takes milliseconds. With this number of draws for each kind of change, the tests
// take seconds. The flag -rapid.checks on the command line has priority.
const draws = "30"

// mostRounds is the number of rounds of draws in the search for a file that shows a
// breaking change. The rarest such file needs a draw in twenty.
const mostRounds = 20

func TestMain(m *testing.M) {
	if err := flag.Set("rapid.checks", draws); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

// compare returns the verdict for two contracts.
func compare(t *rapid.T, older, newer *contract.Contract) evolve.Difference {
	d, err := evolve.Diff(older, newer)
	if err != nil {
		t.Fatal(err)
	}
	if d.Compatible != (len(d.Refusals)+len(d.OlderFiles)+len(d.NewerFiles) == 0) {
		t.Fatalf("the verdict contradicts its reasons: %+v", d)
	}
	return d
}

// checkFiles runs a file of each contract under the other contract. Without a reason in
// the verdict, the file must load with the same values. checkFiles returns true if one of
// the files doesn't.
func checkFiles(tb testing.TB, t *rapid.T, older, newer *contract.Contract, d evolve.Difference) (broken bool) {
	tb.Helper()
	for _, direction := range []struct {
		name           string
		writer, reader *contract.Contract
		reasons        []string
	}{
		{"a file of the old contract under the new one", older, newer, d.OlderFiles},
		{"a file of the new contract under the old one", newer, older, d.NewerFiles},
	} {
		f, ok := drawFile(tb, t, direction.writer, direction.reader)
		if !ok {
			continue
		}
		failure := loadsUnder(tb, direction.writer, direction.reader, f)
		broken = broken || failure != ""
		if failure != "" && len(direction.reasons) == 0 {
			t.Fatalf("%s: %s\nfile %q\nold contract %+v\nnew contract %+v\nverdict %+v", direction.name, failure, f.body, older, newer, d)
		}
	}
	return broken
}

// TestCompatibleMeansThatFilesLoad makes every kind of change. A compatible change
// breaks no file. For a breaking change, the reasons about files aren't empty caution: at
// least one of the files really doesn't load.
func TestCompatibleMeansThatFilesLoad(t *testing.T) {
	t.Parallel()
	for _, k := range kinds {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			broken, reasons := 0, 0
			check := func(r *rapid.T) {
				older := drawContract(r, k.format)
				if k.prepare != nil {
					k.prepare(r, older)
				}
				newer := clone(older)
				newer.Version = "1.1.0"
				k.change(r, newer)
				d := compare(r, older, newer)
				if k.want == compatible && !d.Compatible || k.want == breaking && d.Compatible {
					r.Fatalf("compatible is %t\nold contract %+v\nnew contract %+v\nverdict %+v", d.Compatible, older, newer, d)
				}
				reasons += len(d.OlderFiles) + len(d.NewerFiles)
				if checkFiles(t, r, older, newer, d) {
					broken++
				}
			}
			for round := 0; round == 0 || round < mostRounds && k.want == breaking && reasons > 0 && broken == 0; round++ {
				rapid.Check(t, check)
			}
			if k.want == breaking && reasons > 0 && broken == 0 {
				t.Error("no file shows why the change isn't compatible")
			}
		})
	}
}

// TestCompatibleMeansThatFilesLoadAfterSeveralChanges makes up to four changes at once.
func TestCompatibleMeansThatFilesLoadAfterSeveralChanges(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(r *rapid.T) {
		format := rapid.SampledFrom([]contract.Format{contract.CSV, contract.NDJSON}).Draw(r, "format")
		older := drawContract(r, format)
		newer := clone(older)
		newer.Version = "1.1.0"
		for range rapid.IntRange(1, 4).Draw(r, "changes") {
			k := rapid.SampledFrom(kinds).Draw(r, "kind")
			if k.format != "" && k.format != format || target(newer) == nil {
				continue
			}
			if k.prepare != nil && rapid.Bool().Draw(r, "prepared") {
				k.prepare(r, newer)
			}
			k.change(r, newer)
		}
		if hasTwice(newer) || transform.Check(contract.Set{newer}) != nil {
			return
		}
		checkFiles(t, r, older, newer, compare(r, older, newer))
	})
}

// hasTwice reports whether two columns have one name or one header. No contract has.
func hasTwice(c *contract.Contract) bool {
	for i, column := range c.Columns {
		if slices.ContainsFunc(c.Columns[:i], func(other contract.Column) bool {
			return other.Name == column.Name || other.Header == column.Header
		}) {
			return true
		}
	}
	return false
}
