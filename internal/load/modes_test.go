//go:build standin

package load_test

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	diff "github.com/google/go-cmp/cmp"

	"github.com/firn-data/firn/internal/contract"
	"github.com/firn-data/firn/internal/load/loadtest"
)

func merging(c *contract.Contract) { c.Mode, c.OrderBy = contract.Merge, []string{"updated"} }

// snapshots of a form of keys.
func snapshots(key string, files int) func(*contract.Contract) {
	return func(c *contract.Contract) {
		c.Mode, c.Delivery = contract.Snapshot, &contract.Delivery{Key: key, Files: files}
	}
}

const parted = "{delivery}/{part}-of-{parts}.csv"

// row is "id updated name"; "-" is no time.
func row(text string) loadtest.Value {
	words := strings.Fields(text)
	id, _ := strconv.ParseInt(words[0], 10, 64)
	value := loadtest.Value{ID: id, Name: words[2]}
	if updated, err := strconv.ParseInt(words[1], 10, 64); err == nil {
		value.Updated = &updated
	}
	return value
}

func rows(texts ...string) []loadtest.Value {
	values := []loadtest.Value{}
	for _, text := range texts {
		values = append(values, row(text))
	}
	return values
}

type delivered = loadtest.Delivery

// TestCurrentRowsOfEachMode loads one object after another, and holds the view of the current
// rows after each.
func TestCurrentRowsOfEachMode(t *testing.T) {
	t.Parallel()
	bench := laptop(t)
	type step struct {
		why  string
		load delivered
		want string
	}
	for name, test := range map[string]struct {
		mode  func(*contract.Contract)
		steps []step
	}{
		"merge": {merging, []step{
			{"two keys", delivered{Key: "a", Sequencer: "1", Values: rows("1 10 a", "2 10 b")}, "1 10 a, 2 10 b"},
			{"an older row in a newer object", delivered{Key: "b", Sequencer: "2", Values: rows("1 9 old")}, "1 10 a, 2 10 b"},
			{"a tie: the later object", delivered{Key: "c", Sequencer: "A", Values: rows("1 10 tie")}, "1 10 tie, 2 10 b"},
			{"a tie: no sequencer is the oldest", delivered{Key: "d", Values: rows("1 10 found")}, "1 10 tie, 2 10 b"},
			{"an older version of a key, late", delivered{Key: "c", Version: "v0", Sequencer: "9", Values: rows("1 99 late")}, "1 10 tie, 2 10 b"},
			{"a newer version takes rows along", delivered{Key: "c", Version: "v2", Sequencer: "B", Values: rows("3 1 c")}, "1 10 a, 2 10 b, 3 1 c"},
			{"no value is the oldest", delivered{Key: "e", Sequencer: "C", Values: rows("3 - none", "4 - alone")}, "1 10 a, 2 10 b, 3 1 c, 4  alone"},
			{"two rows of one object: the later", delivered{Key: "f", Sequencer: "D", Values: rows("5 1 first", "5 1 second")}, "1 10 a, 2 10 b, 3 1 c, 4  alone, 5 1 second"},
			{"a reload", delivered{Key: "a", Sequencer: "1", Generation: 1, Values: rows("2 3 again")}, "1 10 found, 2 3 again, 3 1 c, 4  alone, 5 1 second"},
		}},
		"merge without an order": {func(c *contract.Contract) { c.Mode = contract.Merge }, []step{
			{"one", delivered{Key: "b", Sequencer: "0A", Values: rows("1 10 a")}, "1 10 a"},
			{"a later object", delivered{Key: "a", Sequencer: "00ff", Values: rows("1 9 b")}, "1 9 b"},
			{"an earlier object", delivered{Key: "c", Sequencer: "b", Values: rows("1 11 c")}, "1 9 b"},
		}},
		"snapshot of objects": {snapshots("{delivery}", 0), []step{
			{"the first", delivered{Key: "2026-02.csv", Sequencer: "1", Values: rows("1 1 a", "2 1 b")}, "1 1 a, 2 1 b"},
			{"an older one, late", delivered{Key: "2026-01.csv", Sequencer: "2", Values: rows("1 1 old", "3 1 gone")}, "1 1 a, 2 1 b"},
			{"a newer one", delivered{Key: "2026-03.csv", Sequencer: "3", Values: rows("2 1 c")}, "2 1 c"},
			{"its own newer version", delivered{Key: "2026-03.csv", Version: "v2", Sequencer: "4", Values: rows("4 1 d")}, "4 1 d"},
			{"an empty one", delivered{Key: "2026-04.csv", Sequencer: "5", Values: rows()}, ""},
		}},
		"snapshot of parts": {snapshots(parted, 0), []step{
			{"one of one", delivered{Key: "1/1-of-1.csv", Sequencer: "1", Values: rows("1 1 a")}, "1 1 a"},
			{"one of three", delivered{Key: "2/1-of-3.csv", Sequencer: "2", Values: rows("1 2 a")}, "1 1 a"},
			{"two of three", delivered{Key: "2/3-of-3.csv", Sequencer: "3", Values: rows("3 2 c")}, "1 1 a"},
			{"the same one again", delivered{Key: "2/3-of-3.csv", Version: "v2", Sequencer: "4", Values: rows("3 2 cc")}, "1 1 a"},
			{"no part of it", delivered{Key: "2/readme.csv", Sequencer: "5", Values: rows("9 9 x")}, "1 1 a"},
			{"three of three", delivered{Key: "2/2-of-3.csv", Sequencer: "6", Values: rows("2 2 b")}, "1 2 a, 2 2 b, 3 2 cc"},
			{"a replaced part", delivered{Key: "2/1-of-3.csv", Version: "v2", Sequencer: "7", Values: rows("4 2 d")}, "2 2 b, 3 2 cc, 4 2 d"},
			{"a reload of a part", delivered{Key: "2/2-of-3.csv", Sequencer: "6", Generation: 1, Values: rows("2 2 bb", "5 2 e")}, "2 2 bb, 3 2 cc, 4 2 d, 5 2 e"},
			{"a part twice is no delivery", delivered{Key: "2/02-of-3.csv", Sequencer: "8", Values: rows("2 2 bb")}, "1 1 a"},
			{"two that count the parts otherwise", delivered{Key: "3/1-of-2.csv", Sequencer: "9", Values: rows("1 3 a")}, "1 1 a"},
			{"are none", delivered{Key: "3/2-of-3.csv", Sequencer: "A", Values: rows("2 3 b")}, "1 1 a"},
			{"parts from 0", delivered{Key: "4/0-of-2.csv", Sequencer: "B", Values: rows("1 4 a")}, "1 1 a"},
			{"to 1", delivered{Key: "4/1-of-2.csv", Sequencer: "C", Values: rows("2 4 b")}, "1 4 a, 2 4 b"},
			{"parts with a gap", delivered{Key: "5/1-of-2.csv", Sequencer: "D", Values: rows("1 5 a")}, "1 4 a, 2 4 b"},
			{"are none", delivered{Key: "5/3-of-2.csv", Sequencer: "E", Values: rows("2 5 b")}, "1 4 a, 2 4 b"},
			{"a part twice", delivered{Key: "6/1-of-3.csv", Sequencer: "F", Values: rows("1 6 a")}, "1 4 a, 2 4 b"},
			{"doesn't stand", delivered{Key: "6/01-of-3.csv", Sequencer: "10", Values: rows("1 6 a")}, "1 4 a, 2 4 b"},
			{"for the one that lacks", delivered{Key: "6/3-of-3.csv", Sequencer: "11", Values: rows("3 6 c")}, "1 4 a, 2 4 b"},
		}},
		"snapshot of keys with spaces": {snapshots("of  {delivery}.csv", 0), []step{
			{"one", delivered{Key: "of  1.csv", Sequencer: "1", Values: rows("1 1 a")}, "1 1 a"},
		}},
		"snapshot of files": {snapshots("{delivery}_{part}.csv", 2), []step{
			{"one", delivered{Key: "1_north.csv", Sequencer: "1", Values: rows("1 1 a")}, ""},
			{"both", delivered{Key: "1_south.csv", Sequencer: "2", Values: rows("2 1 b")}, "1 1 a, 2 1 b"},
			{"one of the next", delivered{Key: "2_south.csv", Sequencer: "3", Values: rows("3 2 c")}, "1 1 a, 2 1 b"},
			{"both of the next", delivered{Key: "2_north.csv", Sequencer: "4", Values: rows("4 2 d")}, "3 2 c, 4 2 d"},
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := loadtest.NewModeFixture(t, bench, test.mode)
			for _, s := range test.steps {
				w.MustHandle(t, w.Deliver(t, s.load))
				if got := strings.Join(bench.Current(t, w.Dataset), ", "); got != s.want {
					t.Errorf("%s, %s: %q, want %q", s.why, s.load.Key, got, s.want)
				}
			}
		})
	}
}

// loaded is an object with its rows.
type loaded struct {
	loadtest.Delivered
	values []loadtest.Value
}

// currentVersions is the newest version of each key that was loaded.
type currentVersions map[string]loaded

func (s currentVersions) load(l loaded) {
	had, found := s[l.Object.Key]
	if !found || cmp.Or(cmp.Compare(l.Object.Sequencer, had.Object.Sequencer), cmp.Compare(l.Receipt.Generation, had.Receipt.Generation)) >= 0 {
		s[l.Object.Key] = l
	}
}

func (s currentVersions) mergedRows() []string {
	type place struct {
		updated           int64 // -1 for none
		sequencer, object string
		record            int
		text              string
	}
	newest := map[int64]place{}
	for _, l := range s {
		for i, v := range l.values {
			at := place{-1, l.Object.Sequencer, string(l.ID), i, text(v)}
			if v.Updated != nil {
				at.updated = *v.Updated
			}
			had, found := newest[v.ID]
			if !found || cmp.Or(cmp.Compare(at.updated, had.updated), cmp.Compare(at.sequencer, had.sequencer),
				cmp.Compare(at.object, had.object), cmp.Compare(at.record, had.record)) > 0 {
				newest[v.ID] = at
			}
		}
	}
	current := []string{}
	for _, at := range newest {
		current = append(current, at.text)
	}
	return current
}

// deliveredRows are those of the greatest n whose n parts are there.
func (s currentVersions) deliveredRows() []string {
	parts := map[int][]loadtest.Value{}
	files := map[int]int{}
	for key, l := range s {
		n := int(key[strings.LastIndex(key, "/")-1] - '0')
		parts[n], files[n] = append(parts[n], l.values...), files[n]+1
	}
	for n := 3; n > 0; n-- {
		if files[n] == n {
			current := []string{}
			for _, v := range parts[n] {
				current = append(current, text(v))
			}
			return current
		}
	}
	return []string{}
}

func (s currentVersions) allRows() int {
	sum := 0
	for _, l := range s {
		sum += len(l.values)
	}
	return sum
}

func text(v loadtest.Value) string {
	updated := ""
	if v.Updated != nil {
		updated = strconv.FormatInt(*v.Updated, 10)
	}
	return fmt.Sprintf("%d %s %s", v.ID, updated, v.Name)
}

// TestModesInAnyOrderMatchModel loads versions, generations and ties in any order, in
// groups of any size, and holds the view against a model after each group, and
// the table: that holds all rows of all newest versions, in every mode.
func TestModesInAnyOrderMatchModel(t *testing.T) {
	t.Parallel()
	bench := laptop(t)
	for name, mode := range map[string]struct {
		change func(*contract.Contract)
		key    func(r *rand.Rand) string
		want   func(currentVersions) []string
	}{
		"merge": {merging, func(r *rand.Rand) string { return fmt.Sprintf("%d.csv", r.IntN(4)) }, currentVersions.mergedRows},
		"snapshot": {snapshots(parted, 0), func(r *rand.Rand) string {
			delivery := 1 + r.IntN(3)
			return fmt.Sprintf("%d/%d-of-%d.csv", delivery, 1+r.IntN(delivery), delivery)
		}, currentVersions.deliveredRows},
	} {
		for seed := range uint64(2) {
			t.Run(fmt.Sprintf("%s %d", name, seed), func(t *testing.T) {
				t.Parallel()
				r := rand.New(rand.NewPCG(seed, 1))
				w := loadtest.NewModeFixture(t, bench, mode.change)
				model := currentVersions{}
				pending := drawDeliveries(r, mode.key)
				for len(pending) > 0 {
					size := min(1+r.IntN(4), len(pending))
					var group []loadtest.Delivered
					for _, d := range pending[:size] {
						l := loaded{w.Deliver(t, d), d.Values}
						group = append(group, l.Delivered)
						model.load(l)
					}
					pending = pending[size:]
					w.MustHandle(t, group...)
					want := mode.want(model)
					slices.Sort(want)
					if d := diff.Diff(want, bench.Current(t, w.Dataset)); d != "" {
						t.Fatalf("%d are left, current rows (-model +view):\n%s", len(pending), d)
					}
				}
				all := int64(0)
				for _, n := range bench.Contents(t, w.Dataset).Rows {
					all += n
				}
				if int(all) != model.allRows() {
					t.Errorf("the table has %d rows, want all %d", all, model.allRows())
				}
			})
		}
	}
}

// drawDeliveries are versions and generations of a few keys, each once, in any
// order. There are few ids, times and sequencers, so that most rows tie.
func drawDeliveries(r *rand.Rand, key func(*rand.Rand) string) []loadtest.Delivery {
	var all []loadtest.Delivery
	drawn := map[string]bool{}
	for range 12 {
		version := r.IntN(2)
		d := loadtest.Delivery{
			Key: key(r), Version: fmt.Sprintf("v%d", version), Sequencer: fmt.Sprintf("%X", 9+version), Generation: r.IntN(2),
			Values: []loadtest.Value{},
		}
		name := fmt.Sprint(d.Key, d.Version, d.Generation)
		if drawn[name] {
			continue
		}
		drawn[name] = true
		for i := range r.IntN(4) {
			v := loadtest.Value{ID: int64(r.IntN(2)), Name: fmt.Sprintf("%s%s%d%d", d.Key, d.Version, d.Generation, i)}
			if updated := int64(r.IntN(2)); updated > 0 {
				v.Updated = &updated
			}
			d.Values = append(d.Values, v)
		}
		all = append(all, d)
	}
	return all
}
