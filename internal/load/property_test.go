package load_test

import (
	"fmt"
	"path"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/journal"
	"github.com/firn-data/firn/internal/load"
	"github.com/firn-data/firn/internal/load/loadtest"
	"github.com/firn-data/firn/internal/object"
)

// model is the expected content of the table: for each key the newest good or withdrawn
// version, by the order in the bucket, in the highest generation. A withdrawn version
// has no rows in any generation.
type model struct{ best map[string]goodVersion }

type goodVersion struct {
	version, generation int
	withdrawn           bool
	id                  object.ID
	rows                int64
}

func (m *model) deliver(key string, g goodVersion) {
	known, found := m.best[key]
	sameVersion := g.version == known.version && !known.withdrawn && (g.withdrawn || g.generation >= known.generation)
	if !found || g.version > known.version || sameVersion {
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

// drawnDelivery is a random delivery, with the model's steps for the acknowledgement.
type drawnDelivery struct {
	loadtest.Delivered
	settle func()
	// end marks the delivery as ended: the message needn't come back.
	end func()
}

// propertyRun is one execution of the property.
type propertyRun struct {
	t        *testing.T
	r        *rapid.T
	fake     *loadtest.Fake
	fixture  *loadtest.Fixture
	model    *model
	keys     int
	versions int
	known    map[string]drawnDelivery
	// ended has the names of the acknowledged and the failed deliveries.
	ended map[string]bool
	// mutex guards the model while several loaders return results.
	mutex sync.Mutex
	// aheadOfTable has the deliveries whose contract is newer than the table.
	aheadOfTable []drawnDelivery
	holds        *acceptances
}

// TestDeliveriesInAnyOrderMatchModel delivers versions and generations of a few keys,
// in any order and any number of times. The batches have any shape. There are up to
// three loaders, whose statements take turns in any order. Files are missing, broken or
// shorter than in the receipt. Contracts are ahead of the table, and the dataset is
// paused. Loaders crash at any statement, before or after the statement. The answer of
// a COMMIT is lost. Versions are withdrawn, before or after their load, and also
// versions without a file, as by a delete marker. Half of the datasets are snapshots: each
// key is a delivery, and a person accepts deliveries between the loads and beside them.
// The held deliveries must equal a model. The table must always equal the model,
// and the table of ended rows must equal the changes that the fake saw.
func TestDeliveriesInAnyOrderMatchModel(t *testing.T) {
	t.Parallel()
	all := loadtest.EveryBehaviour()
	rapid.Check(t, func(r *rapid.T) {
		fake := loadtest.NewFake()
		fake.UndocumentedBehaviour = all[rapid.IntRange(0, len(all)-1).Draw(r, "undocumented behaviour")]
		s := &propertyRun{
			t: t, r: r, fake: fake, fixture: loadtest.NewFixture(t, fake), known: make(map[string]drawnDelivery), ended: make(map[string]bool),
			model: &model{best: make(map[string]goodVersion)}, holds: newAcceptances(),
			keys: rapid.IntRange(1, 3).Draw(r, "keys"), versions: rapid.IntRange(1, 4).Draw(r, "versions"),
		}
		if rapid.Bool().Draw(r, "snapshot") {
			setSnapshot(s.fixture, "{delivery}.csv", 0.5)
		}
		for range rapid.IntRange(1, 6).Draw(r, "rounds") {
			s.round()
			s.checkTable()
			s.acceptBetween()
			s.checkHolds()
		}
		s.fake.Migrate(s.fixture.Dataset, "2.0.0")
		s.redeliver(s.aheadOfTable)
		s.checkTable()
		s.checkWithdrawn()
		if n := fake.OpenSessions(); n != 0 {
			r.Errorf("%d sessions were left open", n)
		}
	})
}

// checkTable compares the table with the model, and the ledger with the table.
func (s *propertyRun) checkTable() {
	if diff := cmp.Diff(s.model.want(), s.fake.Contents(s.t, s.fixture.Dataset).Rows); diff != "" {
		s.r.Fatalf("rows (-want +got):\n%s", diff)
	}
	if failures := loadtest.Failures(s.t, func(t testing.TB) { s.fixture.CheckRows(t, s.model.want()) }); len(failures) > 0 {
		s.r.Fatalf("%s", failures[0])
	}
	s.checkEnded()
	s.checkHolds()
}

// checkEnded compares the table of ended rows with the history of the ledger: the fake
// compares the ledger before and after each COMMIT.
func (s *propertyRun) checkEnded() {
	want, got := s.fake.ObservedEnds(s.fixture.Dataset), s.fake.Contents(s.t, s.fixture.Dataset).Ended
	for i := range got {
		if withdrawal := s.fixture.Withdrawal(loadtest.Delivered{}).Work.Withdraw; got[i].Reason == load.Withdrawn {
			if got[i].By != withdrawal.By || got[i].Note != withdrawal.Note {
				s.r.Fatalf("withdrawn by %q because of %q", got[i].By, got[i].Note)
			}
			got[i].By, got[i].Note = "", ""
		}
	}
	loadtest.SortEnded(want)
	loadtest.SortEnded(got)
	if diff := cmp.Diff(want, got); diff != "" {
		s.r.Fatalf("table of ended rows (-want +got):\n%s", diff)
	}
}

// checkWithdrawn checks the journal and the curated files of every withdrawn object. A
// file that arrives after its withdrawal and after a newer version is superseded.
func (s *propertyRun) checkWithdrawn() {
	for name := range s.ended {
		d := s.known[name]
		if d.Work.Withdraw == nil {
			continue
		}
		entry, err := s.fixture.Journal.Get(s.t.Context(), d.ID)
		isSuperseded := entry.State == journal.Superseded && s.model.best[keyOf(d)].id != d.ID
		if err == nil && (entry.State != journal.Withdrawn && !isSuperseded || !s.fixture.Files.Deleted(d.ID)) {
			s.r.Fatalf("%s: journal state %s, files deleted %t", name, entry.State, s.fixture.Files.Deleted(d.ID))
		}
	}
}

// round gives a batch to each of up to three loaders. The loaders take turns and may
// crash. Then round delivers the unacknowledged messages again.
func (s *propertyRun) round() {
	loaders := rapid.IntRange(1, 3).Draw(s.r, "loaders")
	paused := rapid.IntRange(0, 9).Draw(s.r, "paused") == 0
	s.fake.Pause(s.t, s.fixture.Dataset, paused)
	sched := newScheduler(s.r, s.fake, s.fixture.Dataset)
	groups := make([][]drawnDelivery, loaders)
	crashes := make([]*loadtest.Crash, loaders)
	for i := range groups {
		groups[i] = s.batch()
		crashes[i] = &loadtest.Crash{}
		if rapid.IntRange(0, 2).Draw(s.r, "crashes") == 0 {
			crashes[i].At, crashes[i].After = rapid.IntRange(1, 32).Draw(s.r, "at"), rapid.Bool().Draw(s.r, "after")
		}
		sched.crashes = append(sched.crashes, crashes[i])
	}
	left := make([][]drawnDelivery, loaders)
	for i := range groups {
		loader := crashes[i].Wrap(s.fixture.NewLoaderOn(s.unreliableWarehouse()))
		loader.Warehouse = loadtest.Intercept(loader.Warehouse, sched.interceptor(i))
		sched.start(i, func() { left[i] = s.handle(loader, crashes[i], groups[i]) })
	}
	s.startAccept(sched, loaders)
	sched.run()
	s.fake.Pause(s.t, s.fixture.Dataset, false)
	for i := range groups {
		if err := crashes[i].CloseSessions(); err != nil {
			s.r.Fatal(err)
		}
	}
	for i := range left {
		s.redeliver(left[i])
	}
}

// unreliableWarehouse returns a warehouse that may lose the answer of a COMMIT.
func (s *propertyRun) unreliableWarehouse() load.Warehouse {
	if rapid.IntRange(0, 4).Draw(s.r, "commit") != 0 {
		return s.fake
	}
	return &loadtest.LostCommit{
		Warehouse: s.fake, Applied: rapid.Bool().Draw(s.r, "applied"), CheckFails: rapid.Bool().Draw(s.r, "check fails"),
	}
}

func (s *propertyRun) batch() []drawnDelivery {
	var group []drawnDelivery
	for range rapid.IntRange(1, 5).Draw(s.r, "messages") {
		group = append(group, s.draw())
	}
	return group
}

// draw returns a new or a known delivery. Some deliveries have no sequencer, some are
// reloads, some have wrong counts or broken files, some are ahead of the table, and some
// are withdrawals.
func (s *propertyRun) draw() drawnDelivery {
	key := fmt.Sprintf("%d.csv", rapid.IntRange(1, s.keys).Draw(s.r, "key"))
	version := rapid.IntRange(1, s.versions).Draw(s.r, "version")
	if rapid.IntRange(0, 6).Draw(s.r, "withdrawal") == 0 {
		return s.drawWithdrawal(key, version)
	}
	generation := s.generation(key, version)
	name := nameOf(key, version, generation)
	if known, found := s.known[name]; found {
		return known
	}
	d := loadtest.Delivery{
		Key: key, Version: fmt.Sprintf("v%d", version), Generation: generation, Rows: rapid.Int64Range(0, 3).Draw(s.r, "rows"),
		Rejects: rapid.Int64Range(0, 1).Draw(s.r, "rejects"), Files: rapid.Int64Range(1, 2).Draw(s.r, "files"),
	}
	if s.sequenced(key, version) {
		d.Sequencer = sequencerOf(version)
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
	made := drawnDelivery{
		Delivered: delivered,
		end:       func() { s.ended[name] = true },
		settle: func() {
			if _, reloaded := s.known[nameOf(key, version, generation+1)]; !reloaded { // otherwise the message may be acknowledged without a load
				s.model.deliver(key, goodVersion{version: version, generation: generation, id: delivered.ID, rows: d.Rows})
			}
		},
	}
	s.known[name] = made
	return made
}

// drawWithdrawal returns the withdrawal of a version, with or without a file.
func (s *propertyRun) drawWithdrawal(key string, version int) drawnDelivery {
	name := nameOf(key, version, withdrawal)
	if known, found := s.known[name]; found {
		return known
	}
	o := object.Object{
		Bucket: loadtest.Landing, Key: strings.Replace(s.fixture.Dataset, ".", "/", 1) + "/" + key, Version: fmt.Sprintf("v%d", version),
	}
	if s.sequenced(key, version) {
		o.Sequencer = object.NormalizeSequencer(sequencerOf(version))
	}
	s.fixture.Versions[o.Key] = newestFirst(s.versions)
	made := drawnDelivery{
		Delivered: s.fixture.Withdrawal(loadtest.Delivered{ID: o.ID(), Object: o}),
		end:       func() { s.ended[name] = true },
		settle:    func() { s.model.deliver(key, goodVersion{version: version, withdrawn: true, id: o.ID()}) },
	}
	made.Receipt.Contract = "1.0.0"
	s.known[name] = made
	return made
}

// keyOf returns a delivery's key in the model.
func keyOf(d drawnDelivery) string { return path.Base(d.Object.Key) }

// sequencerOf returns the sequencer of a version. As text, 10 would sort before 9.
func sequencerOf(version int) string { return fmt.Sprintf("%X", 9+version) }

const generations = 3

// withdrawal is the generation of a withdrawal in the names of deliveries.
const withdrawal = -1

func nameOf(key string, version, generation int) string {
	return fmt.Sprintf("%s v%d g%d", key, version, generation)
}

// generation draws a generation of the object up to the next possible reload. An
// operator reloads an object after a load or a failure, and messages of earlier
// generations come late.
func (s *propertyRun) generation(key string, version int) int {
	next := 0
	for next < generations-1 && s.ended[nameOf(key, version, next)] {
		next++
	}
	return rapid.IntRange(0, next).Draw(s.r, "generation")
}

// sequenced reports whether a version has a sequencer. The answer is the same for all
// generations.
func (s *propertyRun) sequenced(key string, version int) bool {
	for g := withdrawal; g < generations; g++ {
		if known, found := s.known[nameOf(key, version, g)]; found {
			return known.Object.Sequencer != ""
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

// handle gives a batch to a loader, and returns the deliveries whose messages come
// back: all deliveries if the loader crashed.
func (s *propertyRun) handle(loader *load.Loader, crash *loadtest.Crash, group []drawnDelivery) (left []drawnDelivery) {
	errs := s.fixture.HandleWith(s.t, loader, deliveredOf(group)...)
	s.mutex.Lock()
	defer s.mutex.Unlock()
	for i, err := range errs {
		f := fault.As(err)
		switch {
		case crash.Crashed():
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

// isMixed reports whether a batch asks for several generations of the object. Then all
// messages for the object get the result of the highest generation. A permanent fault
// of a reload proves nothing about the earlier generation.
func isMixed(group []drawnDelivery, p drawnDelivery) bool {
	for _, other := range group {
		if other.ID == p.ID && other.Receipt.Generation != p.Receipt.Generation {
			return true
		}
	}
	return false
}

func deliveredOf(group []drawnDelivery) []loadtest.Delivered {
	delivered := make([]loadtest.Delivered, len(group))
	for i, p := range group {
		delivered[i] = p.Delivered
	}
	return delivered
}

// redeliver delivers message after message to a loader without failures. Every message
// must be acknowledged, except the messages ahead of the table.
func (s *propertyRun) redeliver(left []drawnDelivery) {
	loader := s.fixture.NewLoaderOn(s.fake)
	for _, p := range left {
		if p.Receipt.Contract != "1.0.0" && !s.migrated() {
			s.aheadOfTable = append(s.aheadOfTable, p)
			continue
		}
		if again := s.handle(loader, &loadtest.Crash{}, []drawnDelivery{p}); len(again) > 0 {
			s.r.Fatalf("a message comes back without a failure: %s", p.ID)
		}
	}
}

func (s *propertyRun) migrated() bool { return s.fake.Contract(s.fixture.Dataset) != "1.0.0" }

// scheduler lets loaders run single statements in a random order. A loader that waits
// for a lock gets no turn.
type scheduler struct {
	r       *rapid.T
	fake    *loadtest.Fake
	dataset string
	crashes []*loadtest.Crash

	all    sync.WaitGroup
	grants []chan struct{}
	events chan turnEvent
	// ready has the loaders that wait for a turn, waiting those that wait for the lock.
	// The other loaders are counted in running.
	ready, waiting map[int]bool
	running        int
}

// turnEvent: a loader asks for a turn, or has ended.
type turnEvent struct {
	loader int
	ended  bool
}

func newScheduler(r *rapid.T, fake *loadtest.Fake, dataset string) *scheduler {
	return &scheduler{r: r, fake: fake, dataset: dataset, events: make(chan turnEvent), ready: make(map[int]bool), waiting: make(map[int]bool)}
}

// interceptor returns the function around the loader's statements: each statement waits
// for a turn.
func (s *scheduler) interceptor(loader int) loadtest.Interceptor {
	return func(_ string, run func() error) error {
		s.events <- turnEvent{loader: loader}
		<-s.grants[loader]
		return run()
	}
}

// start starts a loader, whose statements get no turn before run.
func (s *scheduler) start(loader int, handle func()) {
	s.grants = append(s.grants, make(chan struct{}))
	s.running++
	s.all.Go(func() {
		handle()
		s.events <- turnEvent{loader: loader, ended: true}
	})
}

// run gives turns until all loaders have ended.
func (s *scheduler) run() {
	for {
		s.settle()
		if len(s.ready) == 0 && len(s.waiting) == 0 {
			s.all.Wait()
			return
		}
		if len(s.ready) == 0 { // crashed loaders hold the lock, and the other loaders wait
			for _, d := range s.crashes {
				if err := d.CloseSessions(); err != nil {
					s.r.Fatal(err)
				}
			}
			s.collectWoken()
			continue
		}
		var candidates []int
		for i := range s.grants {
			if s.ready[i] {
				candidates = append(candidates, i)
			}
		}
		next := rapid.SampledFrom(candidates).Draw(s.r, "turn")
		delete(s.ready, next)
		s.running++
		s.grants[next] <- struct{}{}
		select {
		case e := <-s.events:
			s.recordEvent(e)
		case <-s.fake.Waiting():
			s.running--
			s.waiting[next] = true
		}
		s.collectWoken()
	}
}

// settle waits until each running loader asks for a turn or has ended.
func (s *scheduler) settle() {
	for s.running > 0 {
		s.recordEvent(<-s.events)
	}
}

// collectWoken waits for the events of loaders that have got the lock.
func (s *scheduler) collectWoken() {
	for len(s.waiting) > s.fake.Queued(s.dataset) {
		s.recordEvent(<-s.events)
	}
}

func (s *scheduler) recordEvent(e turnEvent) {
	if s.waiting[e.loader] {
		delete(s.waiting, e.loader)
	} else {
		s.running--
	}
	if !e.ended {
		s.ready[e.loader] = true
	}
}
