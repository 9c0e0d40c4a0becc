//go:build endtoend

package chaos_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/firn-data/firn/internal/journal"
	"github.com/firn-data/firn/internal/object"
)

// Each letter is one version, the oldest first: a sound file (s), a broken file (b), a
// delete marker (d), and a withdrawn sound (S) or broken (B) file. The result is the
// number of the version with rows; -1 for none.
func TestOracleFindsVersionWithRows(t *testing.T) {
	t.Parallel()
	tests := []struct {
		versions       string
		kept, deletion int
	}{
		{"s", 0, 0},
		{"b", -1, -1},
		{"sss", 2, 2},
		{"ssb", 1, 1},
		{"sS", -1, -1},
		{"sB", -1, -1},
		{"Ss", 1, 1},
		{"sSb", -1, -1},
		{"sSs", 2, 2},
		{"sd", 0, -1},
		{"sdb", 0, -1},
		{"sds", 2, 2},
	}
	for _, test := range tests {
		t.Run(test.versions, func(t *testing.T) {
			t.Parallel()
			for _, d := range []struct {
				dataset *dataset
				want    int
			}{{&dataset{}, test.kept}, {&dataset{deletion: true}, test.deletion}} {
				k := keyWith(d.dataset, test.versions)
				j := newJudgement()
				newestFirst := slices.Clone(k.versions)
				slices.Reverse(newestFirst)
				j.judgeKey(k, newestFirst)
				var want []string
				if d.want >= 0 {
					want = k.versions[d.want].rows
				}
				if diff := cmp.Diff(want, j.rows[d.dataset]); diff != "" {
					t.Errorf("firn.onDelete %t: rows (-want +got):\n%s", d.dataset.deletion, diff)
				}
			}
		})
	}
}

func keyWith(d *dataset, letters string) *key {
	k := &key{dataset: d, name: "k"}
	for i, letter := range letters {
		k.versions = append(k.versions, &version{
			key: k, number: i, object: object.Object{Bucket: "b", Key: "k", Version: fmt.Sprint(i)}, rows: []string{fmt.Sprint("row of ", i)},
			sound: letter == 's' || letter == 'S', marker: letter == 'd', withdrawn: letter == 'S' || letter == 'B',
		})
	}
	return k
}

func TestOracleReportsWrongRows(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name      string
		want, got []string
		found     []string
	}{
		{"equal in another order", []string{"a", "b"}, []string{"b", "a"}, nil},
		{"a row is missing", []string{"a", "b"}, []string{"b"}, []string{"1 missing: a"}},
		{"a row twice", []string{"a"}, []string{"a", "a"}, []string{"1 too many: a"}},
		{"a row of another version", []string{"a"}, []string{"b"}, []string{"1 missing: a", "1 too many: b"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(test.found, differences(test.want, test.got)); diff != "" {
				t.Errorf("differences (-want +got):\n%s", diff)
			}
		})
	}
}

func TestOracleReportsWrongStates(t *testing.T) {
	t.Parallel()
	j := newJudgement()
	k := keyWith(&dataset{}, "sbs")
	j.judgeKey(k, []*version{k.versions[2], k.versions[1], k.versions[0]})
	older, broken, newer := k.versions[0].object.ID(), k.versions[1].object.ID(), k.versions[2].object.ID()
	tests := []struct {
		name  string
		entry journal.Entry
		wrong bool
	}{
		{"newest version loaded", journal.Entry{ID: newer, State: journal.Loaded}, false},
		{"newest version failed", journal.Entry{ID: newer, State: journal.Failed, Code: "crashed"}, true},
		{"newest version superseded", journal.Entry{ID: newer, State: journal.Superseded}, true},
		{"older version superseded", journal.Entry{ID: older, State: journal.Superseded}, false},
		{"older version loaded", journal.Entry{ID: older, State: journal.Loaded}, true},
		{"broken version failed", journal.Entry{ID: broken, State: journal.Failed, Code: "no_good_row"}, false},
		{"broken version failed without a code", journal.Entry{ID: broken, State: journal.Failed}, true},
		{"broken version on its way", journal.Entry{ID: broken, State: journal.Received}, true},
		{"broken version dismissed without a command", journal.Entry{ID: broken, State: journal.Dismissed}, true},
		{"forged version loaded", journal.Entry{ID: "forged", State: journal.Loaded}, true},
		{"forged version failed", journal.Entry{ID: "forged", State: journal.Failed, Code: "object_gone"}, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if fault := j.faultOf(test.entry); (fault != "") != test.wrong {
				t.Errorf("got the fault %q", fault)
			}
		})
	}
}

// A run of 120 objects has each action, and the migration is in the middle.
func TestPlanDependsOnlyOnSeed(t *testing.T) {
	t.Parallel()
	const objects = 120
	names := func(seed uint64) []string {
		var names []string
		for _, a := range planOf(rand.New(rand.NewPCG(seed, 0)), objects) {
			names = append(names, a.name)
		}
		return names
	}
	first := names(1)
	if diff := cmp.Diff(first, names(1)); diff != "" {
		t.Errorf("a second plan differs:\n%s", diff)
	}
	if slices.Equal(first, names(2)) {
		t.Error("another seed has the same plan")
	}
	for _, a := range actions {
		if !slices.Contains(first, a.name) {
			t.Errorf("no step has the action %q", a.name)
		}
	}
	if i := slices.Index(first, migration.name); i < len(first)/3 || i > 2*len(first)/3 {
		t.Errorf("the migration is step %d of %d", i, len(first))
	}
}
