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

// snapshots makes a contract of mode snapshot with this form of keys.
func snapshots(key string, files int) func(*contract.Contract) {
	return func(c *contract.Contract) {
		c.Mode, c.Delivery = contract.Snapshot, &contract.Delivery{Key: key, Files: files}
	}
}

// holding adds firn.holdBelow to a contract of mode snapshot.
func holding(change func(*contract.Contract)) func(*contract.Contract) {
	return func(c *contract.Contract) {
		change(c)
		c.HoldBelow = 0.5
	}
}

const parted = "{delivery}/{part}-of-{parts}.csv"

// row parses "id updated name"; "-" is a row without a time.
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

// TestCurrentRowsOfEachMode loads objects step by step, and compares the view of the
// current rows after each step.
func TestCurrentRowsOfEachMode(t *testing.T) {
	t.Parallel()
	snowflake := laptop(t)
	type step struct {
		name string
		load delivered
		want string
		// accept is a delivery to accept in place of a load.
		accept string
	}
	for name, test := range map[string]struct {
		mode  func(*contract.Contract)
		steps []step
	}{
		"merge": {merging, []step{
			{"two ids", delivered{Key: "a", Sequencer: "1", Values: rows("1 10 a", "2 10 b")}, "1 10 a, 2 10 b", ""},
			{"an older row in a newer object", delivered{Key: "b", Sequencer: "2", Values: rows("1 9 old")}, "1 10 a, 2 10 b", ""},
			{"same time: the later object wins", delivered{Key: "c", Sequencer: "A", Values: rows("1 10 tie")}, "1 10 tie, 2 10 b", ""},
			{"same time: an object without a sequencer is the oldest", delivered{Key: "d", Values: rows("1 10 found")}, "1 10 tie, 2 10 b", ""},
			{"an older version comes late", delivered{Key: "c", Version: "v0", Sequencer: "9", Values: rows("1 99 late")}, "1 10 tie, 2 10 b", ""},
			{"a newer version removes the older version's rows", delivered{Key: "c", Version: "v2", Sequencer: "B", Values: rows("3 1 c")}, "1 10 a, 2 10 b, 3 1 c", ""},
			{"a row without a time is the oldest", delivered{Key: "e", Sequencer: "C", Values: rows("3 - none", "4 - alone")}, "1 10 a, 2 10 b, 3 1 c, 4  alone", ""},
			{"two rows of an object: the later row wins", delivered{Key: "f", Sequencer: "D", Values: rows("5 1 first", "5 1 second")}, "1 10 a, 2 10 b, 3 1 c, 4  alone, 5 1 second", ""},
			{"a reload", delivered{Key: "a", Sequencer: "1", Generation: 1, Values: rows("2 3 again")}, "1 10 found, 2 3 again, 3 1 c, 4  alone, 5 1 second", ""},
		}},
		"merge without orderBy": {func(c *contract.Contract) { c.Mode = contract.Merge }, []step{
			{"an object", delivered{Key: "b", Sequencer: "0A", Values: rows("1 10 a")}, "1 10 a", ""},
			{"a later object", delivered{Key: "a", Sequencer: "00ff", Values: rows("1 9 b")}, "1 9 b", ""},
			{"an earlier object", delivered{Key: "c", Sequencer: "b", Values: rows("1 11 c")}, "1 9 b", ""},
		}},
		"snapshot of objects": {snapshots("{delivery}", 0), []step{
			{"the first object", delivered{Key: "2026-02.csv", Sequencer: "1", Values: rows("1 1 a", "2 1 b")}, "1 1 a, 2 1 b", ""},
			{"an older object comes late", delivered{Key: "2026-01.csv", Sequencer: "2", Values: rows("1 1 old", "3 1 gone")}, "1 1 a, 2 1 b", ""},
			{"a newer object", delivered{Key: "2026-03.csv", Sequencer: "3", Values: rows("2 1 c")}, "2 1 c", ""},
			{"a newer version of the same key", delivered{Key: "2026-03.csv", Version: "v2", Sequencer: "4", Values: rows("4 1 d")}, "4 1 d", ""},
			{"an empty object", delivered{Key: "2026-04.csv", Sequencer: "5", Values: rows()}, "", ""},
		}},
		"snapshot of parts": {snapshots(parted, 0), []step{
			{"part 1 of 1", delivered{Key: "1/1-of-1.csv", Sequencer: "1", Values: rows("1 1 a")}, "1 1 a", ""},
			{"part 1 of 3", delivered{Key: "2/1-of-3.csv", Sequencer: "2", Values: rows("1 2 a")}, "1 1 a", ""},
			{"part 3 of 3", delivered{Key: "2/3-of-3.csv", Sequencer: "3", Values: rows("3 2 c")}, "1 1 a", ""},
			{"a newer version of the same part", delivered{Key: "2/3-of-3.csv", Version: "v2", Sequencer: "4", Values: rows("3 2 cc")}, "1 1 a", ""},
			{"part 2 of 3 completes the delivery", delivered{Key: "2/2-of-3.csv", Sequencer: "6", Values: rows("2 2 b")}, "1 2 a, 2 2 b, 3 2 cc", ""},
			{"a replaced part", delivered{Key: "2/1-of-3.csv", Version: "v2", Sequencer: "7", Values: rows("4 2 d")}, "2 2 b, 3 2 cc, 4 2 d", ""},
			{"a reload of a part", delivered{Key: "2/2-of-3.csv", Sequencer: "6", Generation: 1, Values: rows("2 2 bb", "5 2 e")}, "2 2 bb, 3 2 cc, 4 2 d, 5 2 e", ""},
			{"the same part in two objects makes the delivery invalid", delivered{Key: "2/02-of-3.csv", Sequencer: "8", Values: rows("2 2 bb")}, "1 1 a", ""},
			{"part 1 of 2 of a delivery", delivered{Key: "3/1-of-2.csv", Sequencer: "9", Values: rows("1 3 a")}, "1 1 a", ""},
			{"part 2 of 3 of the same delivery", delivered{Key: "3/2-of-3.csv", Sequencer: "A", Values: rows("2 3 b")}, "1 1 a", ""},
			{"part 0 of 2", delivered{Key: "4/0-of-2.csv", Sequencer: "B", Values: rows("1 4 a")}, "1 1 a", ""},
			{"part 1 completes part 0", delivered{Key: "4/1-of-2.csv", Sequencer: "C", Values: rows("2 4 b")}, "1 4 a, 2 4 b", ""},
			{"part 1 of 2 of the next delivery", delivered{Key: "5/1-of-2.csv", Sequencer: "D", Values: rows("1 5 a")}, "1 4 a, 2 4 b", ""},
			{"part 3 of 2 leaves a gap", delivered{Key: "5/3-of-2.csv", Sequencer: "E", Values: rows("2 5 b")}, "1 4 a, 2 4 b", ""},
			{"part 1 of 3 of the next delivery", delivered{Key: "6/1-of-3.csv", Sequencer: "F", Values: rows("1 6 a")}, "1 4 a, 2 4 b", ""},
			{"the same part again", delivered{Key: "6/01-of-3.csv", Sequencer: "10", Values: rows("1 6 a")}, "1 4 a, 2 4 b", ""},
			{"part 3 of 3, without part 2", delivered{Key: "6/3-of-3.csv", Sequencer: "11", Values: rows("3 6 c")}, "1 4 a, 2 4 b", ""},
		}},
		"snapshot of keys with spaces": {snapshots("of  {delivery}.csv", 0), []step{
			{"a key with spaces", delivered{Key: "of  1.csv", Sequencer: "1", Values: rows("1 1 a")}, "1 1 a", ""},
		}},
		"snapshot with a delivery that was cut off": {holding(snapshots("list_{delivery}.csv", 0)), []step{
			{"the whole list", delivered{Key: "list_2026-01.csv", Sequencer: "1", Values: rows("1 1 a", "2 1 b", "3 1 c")}, "1 1 a, 2 1 b, 3 1 c", ""},
			{"a list that was cut off", delivered{Key: "list_2026-02.csv", Sequencer: "2", Values: rows("1 2 a")}, "1 1 a, 2 1 b, 3 1 c", ""},
			{"a list without a row", delivered{Key: "list_2026-03.csv", Sequencer: "3", Values: rows()}, "1 1 a, 2 1 b, 3 1 c", ""},
			{"the acceptance of a held delivery", delivered{}, "1 2 a", "2026-02"},
			{"a reload keeps the acceptance", delivered{Key: "list_2026-02.csv", Sequencer: "2", Generation: 1, Values: rows("1 2 aa")}, "1 2 aa", ""},
			{"a new version of an accepted file", delivered{Key: "list_2026-02.csv", Version: "v2", Sequencer: "4", Values: rows("1 2 b")}, "1 1 a, 2 1 b, 3 1 c", ""},
			{"the complete file", delivered{Key: "list_2026-02.csv", Version: "v3", Sequencer: "5", Values: rows("1 2 a", "2 2 b")}, "1 2 a, 2 2 b", ""},
			{"an older list comes late and is larger", delivered{Key: "list_2026-01b.csv", Sequencer: "6", Values: rows("1 1 a", "2 1 b", "3 1 c", "4 1 d", "5 1 e")}, "1 1 a, 2 1 b, 3 1 c, 4 1 d, 5 1 e", ""},
		}},
		"snapshot of parts with a delivery that was cut off": {holding(snapshots(parted, 0)), []step{
			{"part 1 of 2", delivered{Key: "1/1-of-2.csv", Sequencer: "1", Values: rows("1 1 a", "2 1 b")}, "", ""},
			{"part 2 of 2", delivered{Key: "1/2-of-2.csv", Sequencer: "2", Values: rows("3 1 c")}, "1 1 a, 2 1 b, 3 1 c", ""},
			{"part 1 of 2 of a small delivery", delivered{Key: "2/1-of-2.csv", Sequencer: "3", Values: rows("1 2 a")}, "1 1 a, 2 1 b, 3 1 c", ""},
			{"part 2 of 2 of the small delivery", delivered{Key: "2/2-of-2.csv", Sequencer: "4", Values: rows()}, "1 1 a, 2 1 b, 3 1 c", ""},
			{"the acceptance", delivered{}, "1 2 a", "2"},
			{"a new version of one part", delivered{Key: "2/2-of-2.csv", Version: "v2", Sequencer: "5", Values: rows()}, "1 1 a, 2 1 b, 3 1 c", ""},
		}},
		"snapshot of files": {snapshots("{delivery}_{part}.csv", 2), []step{
			{"1 of 2 files", delivered{Key: "1_north.csv", Sequencer: "1", Values: rows("1 1 a")}, "", ""},
			{"2 of 2 files", delivered{Key: "1_south.csv", Sequencer: "2", Values: rows("2 1 b")}, "1 1 a, 2 1 b", ""},
			{"1 of 2 files of the next delivery", delivered{Key: "2_south.csv", Sequencer: "3", Values: rows("3 2 c")}, "1 1 a, 2 1 b", ""},
			{"2 of 2 files of the next delivery", delivered{Key: "2_north.csv", Sequencer: "4", Values: rows("4 2 d")}, "3 2 c, 4 2 d", ""},
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fixture := loadtest.NewModeFixture(t, snowflake, test.mode)
			for _, s := range test.steps {
				if s.accept == "" {
					fixture.MustHandle(t, fixture.Deliver(t, s.load))
				} else if _, err := accept(t, fixture, s.accept); err != nil {
					t.Errorf("%s: %v", s.name, err)
				}
				if got := strings.Join(snowflake.Current(t, fixture.Dataset), ", "); got != s.want {
					t.Errorf("%s, key %s: got %q, want %q", s.name, s.load.Key, got, s.want)
				}
			}
		})
	}
}

// loaded is an object with the object's rows.
type loaded struct {
	loadtest.Delivered
	values []loadtest.Value
}

// currentVersions has the newest loaded version of each key.
type currentVersions map[string]loaded

func (s currentVersions) load(l loaded) {
	known, found := s[l.Object.Key]
	if !found || cmp.Or(cmp.Compare(l.Object.Sequencer, known.Object.Sequencer), cmp.Compare(l.Receipt.Generation, known.Receipt.Generation)) >= 0 {
		s[l.Object.Key] = l
	}
}

func (s currentVersions) mergedRows() []string {
	type place struct {
		updated           int64 // -1 for a row without a time
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
			known, found := newest[v.ID]
			if !found || cmp.Or(cmp.Compare(at.updated, known.updated), cmp.Compare(at.sequencer, known.sequencer),
				cmp.Compare(at.object, known.object), cmp.Compare(at.record, known.record)) > 0 {
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

// acceptedRows returns the rows of the newest delivery that isn't held, as deliveredRows.
func (s currentVersions) acceptedRows() []string {
	current := []string{}
	for n, accepted := 1, -1; n <= 3; n++ {
		upTo, complete := currentVersions{}, 0
		for key, l := range s {
			if int(key[strings.LastIndex(key, "/")-1]-'0') == n {
				upTo[key] = l
				complete++
			}
		}
		if size := len(upTo.deliveredRows()); complete == n && (accepted < 0 || 2*size >= accepted) {
			current, accepted = upTo.deliveredRows(), size
		}
	}
	return current
}

// deliveredRows returns the rows of the latest complete delivery: delivery n has n
// parts.
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
// groups of any size. After each group the view must equal a model. At the end the
// table has all rows of all newest versions, in every mode.
func TestModesInAnyOrderMatchModel(t *testing.T) {
	t.Parallel()
	snowflake := laptop(t)
	for name, mode := range map[string]struct {
		change func(*contract.Contract)
		key    func(r *rand.Rand) string
		want   func(currentVersions) []string
	}{
		"merge":               {merging, func(r *rand.Rand) string { return fmt.Sprintf("%d.csv", r.IntN(4)) }, currentVersions.mergedRows},
		"snapshot":            {snapshots(parted, 0), partKey, currentVersions.deliveredRows},
		"snapshot with holds": {holding(snapshots(parted, 0)), partKey, currentVersions.acceptedRows},
	} {
		for seed := range uint64(2) {
			t.Run(fmt.Sprintf("%s %d", name, seed), func(t *testing.T) {
				t.Parallel()
				r := rand.New(rand.NewPCG(seed, 1))
				fixture := loadtest.NewModeFixture(t, snowflake, mode.change)
				model := currentVersions{}
				pending := drawDeliveries(r, mode.key)
				for len(pending) > 0 {
					size := min(1+r.IntN(4), len(pending))
					var group []loadtest.Delivered
					for _, d := range pending[:size] {
						l := loaded{fixture.Deliver(t, d), d.Values}
						group = append(group, l.Delivered)
						model.load(l)
					}
					pending = pending[size:]
					fixture.MustHandle(t, group...)
					want := mode.want(model)
					slices.Sort(want)
					if d := diff.Diff(want, snowflake.Current(t, fixture.Dataset)); d != "" {
						t.Fatalf("%d deliveries are left; current rows (-model +view):\n%s", len(pending), d)
					}
				}
				all := int64(0)
				for _, n := range snowflake.Contents(t, fixture.Dataset).Rows {
					all += n
				}
				if int(all) != model.allRows() {
					t.Errorf("the table has %d rows, want %d", all, model.allRows())
				}
			})
		}
	}
}

// partKey returns the key of a part of delivery 1, 2 or 3.
func partKey(r *rand.Rand) string {
	delivery := 1 + r.IntN(3)
	return fmt.Sprintf("%d/%d-of-%d.csv", delivery, 1+r.IntN(delivery), delivery)
}

// drawDeliveries returns versions and generations of a few keys, each once, in any
// order. There are only a few ids, times and sequencers, so that most rows tie.
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
