//go:build endtoend

package engines_test

import (
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/firn-data/firn/internal/work"
)

var (
	differential = flag.Int("differential", 60, "number of random files; half as many malformed files follow")
	seed         = flag.Uint64("seed", 1, "seed of the random files")
)

// Numbers of files per run of the Glue engine and per contract.
const (
	filesPerRun      = 200
	filesPerContract = 20
	// filesForEveryRule is the number of files from which the test demands each rule,
	// type and form.
	filesForEveryRule = 1000
)

// TestEnginesAgreeOnRandomFiles transforms the same random files with both engines.
// Every difference is an error. With enough files, a rule, type or form without an
// occurrence is also an error.
func TestEnginesAgreeOnRandomFiles(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(*seed, 0))
	seen := expectedOccurrences()
	wellFormed := newRuns(t, r, *differential, false, seen)
	malformed := newRuns(t, r, *differential/2, true, seen)
	t.Run("runs", func(t *testing.T) {
		for i, run := range append(slices.Clone(wellFormed), malformed...) {
			t.Run(fmt.Sprint(i), run.compare)
		}
	})
	wellFormedSum, malformedSum := sum(wellFormed, seen), sum(malformed, seen)
	for _, name := range slices.Sorted(maps.Keys(seen)) {
		t.Logf("%6d %s", seen[name], name)
		if seen[name] == 0 && *differential >= filesForEveryRule {
			t.Errorf("%s doesn't occur in %d files", name, *differential)
		}
	}
	t.Logf("seed %d: %s; malformed: %s", *seed, wellFormedSum, malformedSum)
}

// expectedOccurrences returns the names of all rules, types and forms, with counts of
// 0.
func expectedOccurrences() occurrences {
	seen := make(occurrences)
	for rule := range strings.FieldsSeq(`_row:columns _row:utf8 _row:json _row:object _row:depth _row:duplicate required unique format
		pattern enum minLength maxLength minimum maximum exclusiveMinimum exclusiveMaximum nul`) {
		seen["rule "+rule] = 0
	}
	for _, kind := range columnTypes {
		seen["rule "+string(kind)], seen["type "+string(kind)] = 0, 0
	}
	for _, name := range []string{
		"bare", "bare with a quote inside", "quoted", "quoted empty", "doubled quote", "line end in quotes", "delimiter in quotes",
		"blank line", `line end "\n"`, `line end "\r\n"`, "mark", "gzip", "accepted", "refused", "absent column",
	} {
		seen[name] = 0
	}
	return seen
}

// comparisonCounts has the numbers of compared, refused and different files.
type comparisonCounts struct{ files, refused, different int }

func (a comparisonCounts) String() string {
	return fmt.Sprintf("%d files, %d refused, %d different", a.files, a.refused, a.different)
}

// runOfFiles has the files of one run of the Glue engine and the results of the
// comparison.
type runOfFiles struct {
	groups [][]testObject
	seen   occurrences
	comparisonCounts
}

// newRuns creates the files in sequence, so that the seed determines all files. The
// runs themselves are parallel.
func newRuns(t *testing.T, r *rand.Rand, files int, malformed bool, seen occurrences) []*runOfFiles {
	t.Helper()
	var runs []*runOfFiles
	for count := 0; count < files; {
		run := &runOfFiles{seen: make(occurrences)}
		for end := count + min(filesPerRun, files-count); count < end; {
			group := newGroup(t, r, fmt.Sprintf("%t-%d", malformed, count), files, malformed, seen)
			run.groups = append(run.groups, group)
			count += len(group)
		}
		runs = append(runs, run)
	}
	return runs
}

func (run *runOfFiles) compare(t *testing.T) {
	t.Parallel()
	e := newEnvironment(t)
	for _, group := range run.groups {
		e.add(t, group...)
	}
	e.runGlue(t, interpretedSettings)
	for _, group := range run.groups {
		for _, o := range group {
			e.runLambda(t, o)
			run.add(t, e, o, run.seen)
		}
	}
}

// sum returns the total counts of the runs, and adds the runs' occurrences to seen.
func sum(runs []*runOfFiles, seen occurrences) comparisonCounts {
	var total comparisonCounts
	for _, run := range runs {
		total.files += run.files
		total.refused += run.refused
		total.different += run.different
		for name, count := range run.seen {
			seen[name] += count
		}
	}
	return total
}

// newGroup creates the files of one contract.
func newGroup(t *testing.T, r *rand.Rand, name string, files int, malformed bool, seen occurrences) []testObject {
	t.Helper()
	c := newContract(r)
	var group []testObject
	for i := range max(1, min(filesPerContract, files/15)) {
		file, body := newFile(t, r, c, malformed, seen)
		group = append(group, testObject{name: fmt.Sprintf("%s-%d", name, i), file: file, contract: c, body: body})
	}
	return group
}

var ruleOf = regexp.MustCompile(`"rule":"([^"]*)"`)

func (a *comparisonCounts) add(t *testing.T, e *environment, o testObject, seen occurrences) {
	t.Helper()
	want, got := e.answer(t, lambda, o), e.answer(t, glue, o)
	a.files++
	if !compareEngines(t, o.name, want, got) {
		a.different++
		explain(t, o)
	}
	seen[string(want.receipt.Outcome)]++
	if want.receipt.Outcome == work.Refused {
		a.refused++
	}
	for _, match := range ruleOf.FindAllStringSubmatch(want.rejects, -1) {
		rule := match[1]
		if column, name, _ := strings.Cut(rule, ":"); column != "_row" {
			rule = name
		}
		seen["rule "+rule]++
	}
	for _, c := range o.contract.Columns {
		nulls := strings.Count(want.rows, fmt.Sprintf("%q:null", c.Name))
		seen["type "+string(c.Type)] += strings.Count(want.rows, "\n") - nulls
	}
}

// explain logs the data for a new case of the suite.
func explain(t *testing.T, o testObject) {
	t.Helper()
	portable, err := o.contract.Portable()
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%s %s\ncontract %s\nbody %q", o.name, o.file, portable, o.body[:min(len(o.body), 4000)])
}
