package load_test

import (
	"fmt"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/load"
	"github.com/firn-data/firn/internal/load/loadtest"
	"github.com/firn-data/firn/internal/object"
)

// model is what the table must hold: of each key, the newest version that was
// delivered in good order, by the order in which the bucket got them, and of
// that the newest generation.
type model struct{ best map[string]goodVersion }

type goodVersion struct {
	version, generation int
	id                  object.ID
	rows                int64
}

func (m *model) deliver(key string, g goodVersion) {
	had, found := m.best[key]
	if !found || g.version > had.version || g.version == had.version && g.generation >= had.generation {
		m.best[key] = g
	}
}

func (m *model) want() map[object.ID]int64 {
	want := make(map[object.ID]int64)
	for _, g := range m.best {
		if g.rows > 0 {
			want[g.id] = g.rows
		}
	}
	return want
}

// drawn is one drawn delivery, with the model's steps for its acknowledgement.
type drawn struct {
	loadtest.Delivered
	settle func()
	// end tells that it needn't come again.
	end func()
}

// sequence is one run of the property.
type sequence struct {
	t        *testing.T
	r        *rapid.T
	fake     *loadtest.Fake
	fixture  *loadtest.Fixture
	model    *model
	keys     int
	versions int
	known    map[string]drawn
	// ended are the names of those that were acknowledged, or failed.
	ended map[string]bool
	// mutex keeps the loaders of a round apart, once they have answers.
	mutex sync.Mutex
	// aheadOfTable are those that wait for the table.
	aheadOfTable []drawn
}

// TestDeliveriesInAnyOrderMatchModel delivers versions and generations of a few keys in any order,
// any number of times, in batches of any shape, to one loader or to several
// whose statements take turns in any order. Files are missing, broken or fewer
// than the receipt says; contracts are ahead of the table; the dataset is
// paused; loaders die at any statement, before it or before its answer; the
// answer of a COMMIT is lost. Whatever the order, the table is the model's.
func TestDeliveriesInAnyOrderMatchModel(t *testing.T) {
	t.Parallel()
	all := loadtest.EveryBehaviour()
	rapid.Check(t, func(r *rapid.T) {
		fake := loadtest.NewFake()
		fake.UndocumentedBehaviour = all[rapid.IntRange(0, len(all)-1).Draw(r, "harshness")]
		s := &sequence{
			t: t, r: r, fake: fake, fixture: loadtest.NewFixture(t, fake), known: make(map[string]drawn), ended: make(map[string]bool),
			model: &model{best: make(map[string]goodVersion)},
			keys:  rapid.IntRange(1, 3).Draw(r, "keys"), versions: rapid.IntRange(1, 4).Draw(r, "versions"),
		}
		for range rapid.IntRange(1, 6).Draw(r, "rounds") {
			s.round()
			s.checkTable()
		}
		s.fake.Migrate(s.fixture.Dataset, "2.0.0")
		s.redeliver(s.aheadOfTable)
		s.checkTable()
		if n := fake.OpenSessions(); n != 0 {
			r.Errorf("%d sessions were left open", n)
		}
	})
}

// checkTable holds the table against the model, and the ledger against the table.
func (s *sequence) checkTable() {
	if diff := cmp.Diff(s.model.want(), s.fake.Contents(s.t, s.fixture.Dataset).Rows); diff != "" {
		s.r.Fatalf("rows (-want +got):\n%s", diff)
	}
	if said := loadtest.Failures(s.t, func(t testing.TB) { s.fixture.CheckRows(t, s.model.want()) }); len(said) > 0 {
		s.r.Fatalf("%s", said[0])
	}
}

// round gives one to three loaders a batch each, lets them take turns and
// perhaps die, and delivers again what wasn't acknowledged.
func (s *sequence) round() {
	loaders := rapid.IntRange(1, 3).Draw(s.r, "loaders")
	paused := rapid.IntRange(0, 9).Draw(s.r, "paused") == 0
	s.fake.Pause(s.t, s.fixture.Dataset, paused)
	turns := newScheduler(s.r, s.fake, s.fixture.Dataset)
	groups := make([][]drawn, loaders)
	lives := make([]*loadtest.Crash, loaders)
	for i := range groups {
		groups[i] = s.batch()
		lives[i] = &loadtest.Crash{}
		if rapid.IntRange(0, 2).Draw(s.r, "dies") == 0 {
			lives[i].At, lives[i].After = rapid.IntRange(1, 24).Draw(s.r, "at"), rapid.Bool().Draw(s.r, "after")
		}
		turns.crashes = append(turns.crashes, lives[i])
	}
	left := make([][]drawn, loaders)
	for i := range groups {
		loader := lives[i].Wrap(s.fixture.NewLoaderOn(s.unreliableWarehouse()))
		loader.Warehouse = loadtest.Intercept(loader.Warehouse, turns.interceptor(i))
		turns.start(i, func() { left[i] = s.handle(loader, lives[i], groups[i]) })
	}
	turns.run()
	s.fake.Pause(s.t, s.fixture.Dataset, false)
	for i := range groups {
		if err := lives[i].CloseSessions(); err != nil {
			s.r.Fatal(err)
		}
	}
	for i := range left {
		s.redeliver(left[i])
	}
}

// unreliableWarehouse is a warehouse that may lose the answer of a COMMIT.
func (s *sequence) unreliableWarehouse() load.Warehouse {
	if rapid.IntRange(0, 4).Draw(s.r, "commit") != 0 {
		return s.fake
	}
	return &loadtest.LostCommit{
		Warehouse: s.fake, Applied: rapid.Bool().Draw(s.r, "applied"), CheckFails: rapid.Bool().Draw(s.r, "deaf"),
	}
}

func (s *sequence) batch() []drawn {
	var group []drawn
	for range rapid.IntRange(1, 5).Draw(s.r, "messages") {
		group = append(group, s.draw())
	}
	return group
}

// draw makes a version of a key, or delivers one again: some without a
// sequencer, some reloaded, some lying or broken, some ahead of the table.
func (s *sequence) draw() drawn {
	key := fmt.Sprintf("%d.csv", rapid.IntRange(1, s.keys).Draw(s.r, "key"))
	version := rapid.IntRange(1, s.versions).Draw(s.r, "version")
	generation := s.generation(key, version)
	name := nameOf(key, version, generation)
	if had, found := s.known[name]; found {
		return had
	}
	d := loadtest.Delivery{
		Key: key, Version: fmt.Sprintf("v%d", version), Generation: generation, Rows: rapid.Int64Range(0, 3).Draw(s.r, "rows"),
		Rejects: rapid.Int64Range(0, 1).Draw(s.r, "rejects"), Files: rapid.Int64Range(1, 2).Draw(s.r, "files"),
	}
	if s.sequenced(key, version) {
		d.Sequencer = fmt.Sprintf("%X", 9+version) // 9 and A, which sort otherwise than as numbers with 10
	}
	switch rapid.IntRange(0, 8).Draw(s.r, "fault") {
	case 0:
		d.Claimed = d.Rows + 1
	case 1:
		d.Missing = true
	case 2:
		d.Anonymous = true
	case 3:
		d.Contract = "1.1.0"
	}
	delivered := s.fixture.Deliver(s.t, d)
	s.fixture.Versions[delivered.Object.Key] = newestFirst(s.versions)
	made := drawn{
		Delivered: delivered,
		end:       func() { s.ended[name] = true },
		settle: func() {
			if _, reloaded := s.known[nameOf(key, version, generation+1)]; !reloaded { // else it may be acknowledged unread
				s.model.deliver(key, goodVersion{version: version, generation: generation, id: delivered.ID, rows: d.Rows})
			}
		},
	}
	s.known[name] = made
	return made
}

const generations = 3

func nameOf(key string, version, generation int) string {
	return fmt.Sprintf("%s v%d g%d", key, version, generation)
}

// generation draws one that the object has, or its next: an operator reloads an
// object once it was loaded or has failed, and what is left of its earlier
// generations comes late.
func (s *sequence) generation(key string, version int) int {
	next := 0
	for next < generations-1 && s.ended[nameOf(key, version, next)] {
		next++
	}
	return rapid.IntRange(0, next).Draw(s.r, "generation")
}

// sequenced tells whether a version has a sequencer, in all its generations.
func (s *sequence) sequenced(key string, version int) bool {
	for g := range generations {
		if had, found := s.known[nameOf(key, version, g)]; found {
			return had.Object.Sequencer != ""
		}
	}
	return rapid.IntRange(0, 3).Draw(s.r, "sequencer") > 0
}

func newestFirst(versions int) []string {
	var ids []string
	for v := versions; v > 0; v-- {
		ids = append(ids, fmt.Sprintf("v%d", v))
	}
	return ids
}

// handle gives a loader one batch and returns what comes back: nothing that a
// dead one says counts.
func (s *sequence) handle(loader *load.Loader, life *loadtest.Crash, group []drawn) (left []drawn) {
	errs := s.fixture.HandleWith(s.t, loader, deliveredOf(group)...)
	s.mutex.Lock()
	defer s.mutex.Unlock()
	for i, err := range errs {
		f := fault.As(err)
		switch {
		case life.Crashed():
			left = append(left, group[i])
		case f == nil:
			group[i].settle()
			group[i].end()
		case f.Disposition != fault.Permanent, isMixed(group, group[i]):
			left = append(left, group[i])
		default:
			group[i].end()
		}
	}
	return left
}

// isMixed reports whether a batch asks for an object in more than one
// generation: then the last one's verdict is that of all, and a bad reload says
// nothing of what it was to replace.
func isMixed(group []drawn, p drawn) bool {
	for _, other := range group {
		if other.ID == p.ID && other.Receipt.Generation != p.Receipt.Generation {
			return true
		}
	}
	return false
}

func deliveredOf(group []drawn) []loadtest.Delivered {
	delivered := make([]loadtest.Delivered, len(group))
	for i, p := range group {
		delivered[i] = p.Delivered
	}
	return delivered
}

// redeliver delivers one by one, to a loader that nothing happens to, until no
// message comes back but those that wait for the table.
func (s *sequence) redeliver(left []drawn) {
	loader := s.fixture.NewLoaderOn(s.fake)
	for _, p := range left {
		if p.Receipt.Contract != "1.0.0" && !s.migrated() {
			s.aheadOfTable = append(s.aheadOfTable, p)
			continue
		}
		if again := s.handle(loader, &loadtest.Crash{}, []drawn{p}); len(again) > 0 {
			s.r.Fatalf("a message comes back though nothing is wrong: %s", p.ID)
		}
	}
}

func (s *sequence) migrated() bool { return s.fake.Contract(s.fixture.Dataset) != "1.0.0" }

// scheduler lets loaders run one statement at a time, in an order that is drawn. A
// loader that waits for a lock has no turn until it gets it.
type scheduler struct {
	r       *rapid.T
	fake    *loadtest.Fake
	dataset string
	crashes []*loadtest.Crash

	all    sync.WaitGroup
	grants []chan struct{}
	events chan turnEvent
	// ready wait for a turn, waiting for the lock; running counts the others.
	ready, waiting map[int]bool
	running        int
}

// turnEvent is a loader that asks for a turn, or has ended.
type turnEvent struct {
	loader int
	ended  bool
}

func newScheduler(r *rapid.T, fake *loadtest.Fake, dataset string) *scheduler {
	return &scheduler{r: r, fake: fake, dataset: dataset, events: make(chan turnEvent), ready: make(map[int]bool), waiting: make(map[int]bool)}
}

// interceptor is what stands around the loader's statements.
func (t *scheduler) interceptor(loader int) loadtest.Interceptor {
	return func(_ string, run func() error) error {
		t.events <- turnEvent{loader: loader}
		<-t.grants[loader]
		return run()
	}
}

// start starts a loader; it gets no turn before run.
func (t *scheduler) start(loader int, handle func()) {
	t.grants = append(t.grants, make(chan struct{}))
	t.running++
	t.all.Go(func() {
		handle()
		t.events <- turnEvent{loader: loader, ended: true}
	})
}

// run gives turns until every loader has ended.
func (t *scheduler) run() {
	for {
		t.settle()
		if len(t.ready) == 0 && len(t.waiting) == 0 {
			t.all.Wait()
			return
		}
		if len(t.ready) == 0 { // the dead hold what the others wait for
			for _, d := range t.crashes {
				if err := d.CloseSessions(); err != nil {
					t.r.Fatal(err)
				}
			}
			t.collectWoken()
			continue
		}
		var able []int
		for i := range t.grants {
			if t.ready[i] {
				able = append(able, i)
			}
		}
		next := rapid.SampledFrom(able).Draw(t.r, "turn")
		delete(t.ready, next)
		t.running++
		t.grants[next] <- struct{}{}
		select {
		case e := <-t.events:
			t.recordEvent(e)
		case <-t.fake.Waiting():
			t.running--
			t.waiting[next] = true
		}
		t.collectWoken()
	}
}

// settle waits until every loader that runs asks for a turn, or has ended.
func (t *scheduler) settle() {
	for t.running > 0 {
		t.recordEvent(<-t.events)
	}
}

// collectWoken waits for those that have got the lock.
func (t *scheduler) collectWoken() {
	for len(t.waiting) > t.fake.Queued(t.dataset) {
		t.recordEvent(<-t.events)
	}
}

func (t *scheduler) recordEvent(e turnEvent) {
	if t.waiting[e.loader] {
		delete(t.waiting, e.loader)
	} else {
		t.running--
	}
	if !e.ended {
		t.ready[e.loader] = true
	}
}
