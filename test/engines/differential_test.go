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
	differential = flag.Int("differential", 60, "how many random files both engines transform; half as many malformed ones follow")
	seed         = flag.Uint64("seed", 1, "what the random files are made from")
)

// A run of the engine on Glue takes so many files; a contract has so many.
const (
	filesPerRun      = 200
	filesPerContract = 20
	// filesForEveryRule is the number of files from which on every rule must have fired.
	filesForEveryRule = 1000
)

// TestEnginesAgreeOnRandomFiles gives both engines the same random files. Whatever differs
// is an error, and so is a rule, a type or a form that never came up.
func TestEnginesAgreeOnRandomFiles(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(*seed, 0))
	fired := expectedOccurrences()
	wellFormed := newRuns(t, r, *differential, false, fired)
	malformed := newRuns(t, r, *differential/2, true, fired)
	t.Run("batch", func(t *testing.T) {
		for i, b := range append(slices.Clone(wellFormed), malformed...) {
			t.Run(fmt.Sprint(i), b.compare)
		}
	})
	wellFormedSum, malformedSum := sum(wellFormed, fired), sum(malformed, fired)
	for _, name := range slices.Sorted(maps.Keys(fired)) {
		t.Logf("%6d %s", fired[name], name)
		if fired[name] == 0 && *differential >= filesForEveryRule {
			t.Errorf("%s never came up in %d files", name, *differential)
		}
	}
	t.Logf("seed %d: %s; malformed: %s", *seed, wellFormedSum, malformedSum)
}

// expectedOccurrences lists what must come up.
func expectedOccurrences() occurrences {
	fired := make(occurrences)
	for rule := range strings.FieldsSeq(`_row:columns _row:utf8 _row:json _row:object _row:depth _row:duplicate required unique format
		pattern enum minLength maxLength minimum maximum exclusiveMinimum exclusiveMaximum nul`) {
		fired["rule "+rule] = 0
	}
	for _, kind := range columnTypes {
		fired["rule "+string(kind)], fired["type "+string(kind)] = 0, 0
	}
	for _, form := range []string{
		"bare", "bare with a quote inside", "quoted", "quoted empty", "doubled quote", "line end in quotes", "delimiter in quotes",
		"blank line", `line end "\n"`, `line end "\r\n"`, "mark", "gzip", "accepted", "refused",
	} {
		fired[form] = 0
	}
	return fired
}

// comparisonCounts is how many files were compared, and how many differed.
type comparisonCounts struct{ files, refused, different int }

func (a comparisonCounts) String() string {
	return fmt.Sprintf("%d files, %d refused, %d differ", a.files, a.refused, a.different)
}

// runOfFiles is the files of one run of the engine on Glue, and what became of them.
type runOfFiles struct {
	groups [][]testObject
	fired  occurrences
	comparisonCounts
}

// newRuns makes the files one after the other, so that a seed says them all;
// the batches run side by side.
func newRuns(t *testing.T, r *rand.Rand, files int, malformed bool, fired occurrences) []*runOfFiles {
	t.Helper()
	var batches []*runOfFiles
	for made := 0; made < files; {
		b := &runOfFiles{fired: make(occurrences)}
		for full := made + min(filesPerRun, files-made); made < full; {
			group := newGroup(t, r, fmt.Sprintf("%t-%d", malformed, made), files, malformed, fired)
			b.groups = append(b.groups, group)
			made += len(group)
		}
		batches = append(batches, b)
	}
	return batches
}

func (b *runOfFiles) compare(t *testing.T) {
	t.Parallel()
	w := newEnvironment(t)
	for _, group := range b.groups {
		w.add(t, group...)
	}
	w.runGlue(t, interpretedSettings)
	for _, group := range b.groups {
		for _, s := range group {
			w.runLambda(t, s)
			b.add(t, w, s, b.fired)
		}
	}
}

// sum adds up what became of the batches' files, and what fired.
func sum(batches []*runOfFiles, fired occurrences) comparisonCounts {
	var total comparisonCounts
	for _, b := range batches {
		total.files += b.files
		total.refused += b.refused
		total.different += b.different
		for name, count := range b.fired {
			fired[name] += count
		}
	}
	return total
}

// newGroup makes the files of one contract.
func newGroup(t *testing.T, r *rand.Rand, name string, files int, malformed bool, fired occurrences) []testObject {
	t.Helper()
	c := newContract(r)
	var group []testObject
	for i := range max(1, min(filesPerContract, files/15)) {
		file, body := newFile(t, r, c, malformed, fired)
		group = append(group, testObject{name: fmt.Sprintf("%s-%d", name, i), file: file, contract: c, body: body})
	}
	return group
}

var ruleOf = regexp.MustCompile(`"rule":"([^"]*)"`)

func (a *comparisonCounts) add(t *testing.T, w *environment, s testObject, fired occurrences) {
	t.Helper()
	want, got := w.answer(t, lambda, s), w.answer(t, glue, s)
	a.files++
	if !compareEngines(t, s.name, want, got) {
		a.different++
		explain(t, s)
	}
	fired[string(want.receipt.Outcome)]++
	if want.receipt.Outcome == work.Refused {
		a.refused++
	}
	for _, match := range ruleOf.FindAllStringSubmatch(want.rejects, -1) {
		rule := match[1]
		if column, name, _ := strings.Cut(rule, ":"); column != "_row" {
			rule = name
		}
		fired["rule "+rule]++
	}
	for _, c := range s.contract.Columns {
		nulls := strings.Count(want.rows, fmt.Sprintf("%q:null", c.Name))
		fired["type "+string(c.Type)] += strings.Count(want.rows, "\n") - nulls
	}
}

// explain writes out what is needed to make a case of a difference.
func explain(t *testing.T, s testObject) {
	t.Helper()
	portable, err := s.contract.Portable()
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%s %s\ncontract %s\nbody %q", s.name, s.file, portable, s.body[:min(len(s.body), 4000)])
}
