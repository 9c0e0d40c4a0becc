package load_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/load/loadtest"
	"github.com/firn-data/firn/internal/object"
)

// model is what the table must hold: of each key, the newest version that was
// delivered in good order, by the order in which the bucket got them.
type model struct {
	best map[string]int
	ids  map[string]object.ID
	rows map[object.ID]int64
}

func (m *model) deliver(key string, version int, d loadtest.Delivered) {
	if version >= m.best[key] {
		m.best[key], m.ids[key] = version, d.ID
		m.rows[d.ID] = d.Receipt.RowsWritten
	}
}

func (m *model) want() map[object.ID]int64 {
	want := make(map[object.ID]int64)
	for _, id := range m.ids {
		if m.rows[id] > 0 {
			want[id] = m.rows[id]
		}
	}
	return want
}

// TestAnyOrder delivers versions of a few keys in any order, any number of
// times, in batches of any shape, with poison among them and COMMITs whose
// answer is lost.
func TestAnyOrder(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(r *rapid.T) {
		fake := loadtest.NewFake()
		fake.HistorySurvivesRollback = rapid.Bool().Draw(r, "history survives rollback")
		w := loadtest.NewWorld(t, fake)
		keys, versions := rapid.IntRange(1, 3).Draw(r, "keys"), rapid.IntRange(1, 4).Draw(r, "versions")
		m := &model{best: make(map[string]int), ids: make(map[string]object.ID), rows: make(map[object.ID]int64)}
		known := make(map[string]loadtest.Delivered)
		for range rapid.IntRange(1, 8).Draw(r, "batches") {
			w.Loader = w.NewLoader(fake)
			if rapid.IntRange(0, 4).Draw(r, "commit") == 0 {
				w.Loader = w.NewLoader(&loadtest.Unreliable{Warehouse: fake, Applied: rapid.Bool().Draw(r, "applied"), Deaf: rapid.Bool().Draw(r, "deaf")})
			}
			var group []loadtest.Delivered
			var settle []func()
			for range rapid.IntRange(1, 5).Draw(r, "messages") {
				key := fmt.Sprintf("%d.csv", rapid.IntRange(1, keys).Draw(r, "key"))
				version := rapid.IntRange(1, versions).Draw(r, "version")
				name := fmt.Sprintf("%s v%d", key, version)
				d, found := known[name]
				if !found {
					d = w.Deliver(t, draw(r, key, version))
					known[name] = d
					w.Versions[d.Object.Key] = newestFirst(versions)
				}
				group = append(group, d)
				settle = append(settle, func() { m.deliver(key, version, d) })
			}
			redeliver(t, w, fake, group, settle)
			if diff := cmp.Diff(m.want(), fake.Contents(t, w.Dataset).Rows); diff != "" {
				r.Fatalf("rows (-want +got):\n%s", diff)
			}
			w.WantRows(t, m.want())
		}
		if n := fake.OpenSessions(); n != 0 {
			r.Errorf("%d sessions were left open", n)
		}
	})
}

// draw makes a version: some without a sequencer, some lying or broken.
func draw(r *rapid.T, key string, version int) loadtest.Delivery {
	d := loadtest.Delivery{
		Key: key, Version: fmt.Sprintf("v%d", version), Rows: rapid.Int64Range(0, 3).Draw(r, "rows"),
		Rejects: rapid.Int64Range(0, 1).Draw(r, "rejects"), Files: rapid.Int64Range(1, 2).Draw(r, "files"),
	}
	if rapid.IntRange(0, 3).Draw(r, "sequencer") > 0 {
		d.Sequencer = fmt.Sprintf("%X", 9+version) // 9 and A, which sort otherwise than as numbers with 10
	}
	switch rapid.IntRange(0, 7).Draw(r, "fault") {
	case 0:
		d.Claimed = d.Rows + 1
	case 1:
		d.Missing = true
	case 2:
		d.Anonymous = true
	}
	return d
}

func newestFirst(versions int) []string {
	var ids []string
	for v := versions; v > 0; v-- {
		ids = append(ids, fmt.Sprintf("v%d", v))
	}
	return ids
}

// redeliver handles a batch until no message asks to come back, as SQS does:
// the first time on a warehouse that may lose answers, then on a sound one.
func redeliver(t *testing.T, w *loadtest.World, fake *loadtest.Fake, group []loadtest.Delivered, settle []func()) {
	t.Helper()
	for attempt := 0; len(group) > 0; attempt++ {
		if attempt > 2 {
			t.Fatalf("%d messages come back for ever", len(group))
		}
		var again []loadtest.Delivered
		var later []func()
		for i, err := range w.Handle(t, group...) {
			switch f := fault.As(err); {
			case f == nil:
				settle[i]()
			case f.Disposition == fault.Permanent:
			default:
				again, later = append(again, group[i]), append(later, settle[i])
			}
		}
		group, settle = again, later
		w.Loader = w.NewLoader(fake)
	}
}
