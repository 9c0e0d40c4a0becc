//go:build endtoend

package processes_test

import (
	"flag"
	"fmt"
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/firn-data/firn/internal/contract"
	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/journal"
	"github.com/firn-data/firn/internal/load"
	"github.com/firn-data/firn/internal/load/loadtest"
	"github.com/firn-data/firn/internal/object"
)

// expectedRequests are what the loader asks of Snowflake for the scene, in order. A
// statement that the protocol gains or loses changes this list, and is killed
// like the others.
var expectedRequests = []string{
	"log in", "begin", "take the lock", "read the ledger", "forget", "delete rows", "delete rejects",
	"copy rows", "count rows", "copy rows by force", "copy rejects", "record", "check the ledger", "commit", "close",
}

// cuts are what can happen to a statement.
var cuts = []struct {
	name string
	cut  cut
}{
	{"killed before it is sent", cut{killed: true}},
	{"killed before its answer", cut{killed: true, forwarded: true}},
	{"request cut", cut{}},
	{"answer cut", cut{forwarded: true}},
}

// scenario is a dataset in which every statement of the protocol has something to
// do: of one key a newer version, of another a reload, a third is new to the
// ledger and known to the load history.
type scenario struct {
	*environment

	// before and after are the rows that stand.
	before, after map[object.ID]int64
	// ledgerBefore and ledgerAfter are the generations that the ledger has.
	ledgerBefore, ledgerAfter map[object.ID]int
	// currentBefore and currentAfter are what the mode's view shows.
	currentBefore, currentAfter []string
	replaced                    loadtest.Delivered
	group                       []loadtest.Delivered
}

// mode is a way to say which rows of the table are the current ones. Where all
// are, the table itself is held.
type mode struct {
	name   string
	change func(c *contract.Contract)
	// current are those of the rows of these objects, newest last.
	current func(objects ...loadtest.Delivery) []string
}

var modes = []mode{
	{"merge", func(c *contract.Contract) { c.Mode, c.OrderBy = contract.Merge, []string{"updated"} }, newestByID},
	{"snapshot", func(c *contract.Contract) {
		c.Mode, c.Delivery = contract.Snapshot, &contract.Delivery{Key: contract.DeliveryName + ".csv"}
	}, ofGreatestName},
}

func newestByID(objects ...loadtest.Delivery) []string {
	newest := make(map[int64]string)
	for _, d := range objects {
		for _, v := range d.Values {
			newest[v.ID] = textOf(v)
		}
	}
	return slices.Sorted(maps.Values(newest))
}

func ofGreatestName(objects ...loadtest.Delivery) []string {
	greatest := slices.MaxFunc(objects, func(a, b loadtest.Delivery) int { return strings.Compare(a.Key, b.Key) })
	texts := make([]string, len(greatest.Values))
	for i, v := range greatest.Values {
		texts[i] = textOf(v)
	}
	slices.Sort(texts)
	return texts
}

func textOf(v loadtest.Value) string { return fmt.Sprintf("%d %d %s", v.ID, *v.Updated, v.Name) }

// updated are rows of these keys, changed at that time.
func updated(at int64, ids ...int64) []loadtest.Value {
	values := make([]loadtest.Value, len(ids))
	for i, id := range ids {
		values[i] = loadtest.Value{ID: id, Updated: &at, Name: fmt.Sprintf("at%d", at)}
	}
	return values
}

func newScenario(t *testing.T, m mode) *scenario {
	t.Helper()
	w := newEnvironment(t, loadtest.NewModeFixture(t, sharedCloud(t).laptop, m.change))
	first, reloaded := w.version(t, "versions.csv"), w.version(t, "reload.csv")
	earlier := []loadtest.Delivery{
		{Key: "versions.csv", Version: first, Sequencer: "1", Values: updated(1, 1, 2, 3), Rejects: 1},
		{Key: "reload.csv", Version: reloaded, Sequencer: "1", Values: updated(2, 2, 4, 5, 6)},
	}
	old := w.transformed(t, earlier...)
	w.load(t, old...)
	later := []loadtest.Delivery{
		{Key: "versions.csv", Version: w.version(t, "versions.csv"), Sequencer: "2", Values: updated(3, 1, 2, 3, 7, 8)},
		{Key: "reload.csv", Version: reloaded, Sequencer: "1", Values: updated(4, 2, 4), Rejects: 2, Generation: 1},
		{Key: "history.csv", Version: w.version(t, "history.csv"), Sequencer: "1", Values: updated(5, 1, 4, 9, 10, 11, 12)},
	}
	group := w.transformed(t, later...)
	w.addToLoadHistory(t, group[2])
	return &scenario{
		environment: w, replaced: old[0], group: group,
		currentBefore: m.current(earlier...), currentAfter: m.current(later...),
		before:       map[object.ID]int64{old[0].ID: 3, old[1].ID: 4},
		after:        map[object.ID]int64{group[0].ID: 5, group[1].ID: 2, group[2].ID: 6},
		ledgerBefore: map[object.ID]int{old[0].ID: 0, old[1].ID: 0},
		ledgerAfter:  map[object.ID]int{group[0].ID: 0, group[1].ID: 1, group[2].ID: 0},
	}
}

// addToLoadHistory puts an object's files into the load history, without their rows.
func (w *environment) addToLoadHistory(t *testing.T, d loadtest.Delivered) {
	t.Helper()
	session, err := w.laptop.Open(t.Context(), w.Dataset, "history")
	if err != nil {
		t.Fatal(err)
	}
	defer session.Close()
	if err := session.Begin(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := session.Copy(t.Context(), load.Rows, []string{d.Receipt.Data[0].Key}, false); err != nil {
		t.Fatal(err)
	}
	if err := session.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.laptop.Erase(t, w.Dataset, d.ID)
}

// checksAfterCut are held after each cut, while its transaction may still be open,
// and again at the end: what a reader must never see otherwise.
var checksAfterCut = []struct {
	name string
	hold func(s *scenario, t *testing.T)
}{
	{"rows and ledger", (*scenario).allOrNothing},
	{"current rows", (*scenario).currentOrFormer},
}

// everyKill is what `make test-loaders` asks for. A loader that is killed
// before an answer was killed before the next statement too, so without it each
// statement has one way, in one mode, and COMMIT all.
var everyKill = flag.Bool("every-kill", false, "cut each statement in every way, in every mode")

// TestKillAtAnyStatementLosesNothing kills a loader at each of its statements, and cuts each
// statement's answer, the COMMIT's too. Then another loader gets the messages
// that weren't acknowledged, until all are.
func TestKillAtAnyStatementLosesNothing(t *testing.T) {
	t.Parallel()
	for i, statement := range expectedRequests {
		for _, way := range cuts {
			if !*everyKill && statement != "commit" && way.cut != (cut{killed: true, forwarded: true}) {
				continue
			}
			for j, m := range modes {
				if !*everyKill && statement != "commit" && i%len(modes) != j {
					continue
				}
				t.Run(statement+"/"+way.name+"/"+m.name, func(t *testing.T) {
					t.Parallel()
					s := newScenario(t, m)
					c := way.cut
					c.statement = i + 1
					left := s.runWithCut(t, c)
					s.checkAlways(t)
					s.redeliver(t, left)
					s.checkAlways(t)
					s.wantAfter(t)
				})
			}
		}
	}
}

// TestLoaderSendsExpectedStatements holds the list of statements against what a loader that nothing
// happens to asks for.
func TestLoaderSendsExpectedStatements(t *testing.T) {
	t.Parallel()
	s := newScenario(t, modes[0])
	wire, p := s.startBehindWire(t, cut{})
	if failed, lives := p.handle(s.messages(s.group...)); !lives || len(failed) > 0 {
		t.Fatalf("alive %t, failed %v", lives, failed)
	}
	if diff := cmp.Diff(expectedRequests, wire.seen()); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}
	s.wantAfter(t)
}

func portOf(t testing.TB, address net.Addr) int {
	t.Helper()
	_, port, err := net.SplitHostPort(address.String())
	if err != nil {
		t.Fatal(err)
	}
	number, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	return number
}

func (s *scenario) startBehindWire(t *testing.T, c cut) (*proxy, *process) {
	t.Helper()
	o := s.loaderSettings()
	wire, port := newProxy(t, net.JoinHostPort(o.Login.Host, strconv.Itoa(o.Login.Port)), c)
	o.Login.Port = port
	p := s.start(t, o)
	wire.setKill(p.kill)
	return wire, p
}

// runWithCut lets a loader meet the cut, and returns what it didn't acknowledge.
func (s *scenario) runWithCut(t *testing.T, c cut) (left []loadtest.Delivered) {
	t.Helper()
	wire, p := s.startBehindWire(t, c)
	messages := s.messages(s.group...)
	failed, lives := p.handle(messages)
	if wire.cutNothing() {
		t.Fatalf("statement %d never came: %v", c.statement, wire.seen())
	}
	if lives == c.killed {
		t.Fatalf("the loader lives: %t, killed: %t", lives, c.killed)
	}
	if !lives {
		return s.group
	}
	for i, m := range messages {
		f, bad := failed[m.ID]
		if bad && f.Disposition == fault.Permanent {
			t.Errorf("%s: %s", m.ID, f.Text)
		}
		if bad {
			left = append(left, s.group[i])
		}
	}
	return left
}

// maxDeliveries is how often a message may come back here. Real queues allow far
// more; what waits for a killed loader's lock needs few.
const maxDeliveries = 5

func (s *scenario) redeliver(t *testing.T, left []loadtest.Delivered) {
	t.Helper()
	p := s.start(t, s.loaderSettings())
	for range maxDeliveries {
		messages := s.messages(left...)
		failed, lives := p.handle(messages)
		if !lives {
			t.Fatal("the second loader died")
		}
		var again []loadtest.Delivered
		for i, m := range messages {
			f, bad := failed[m.ID]
			if bad && f.Disposition == fault.Permanent {
				t.Errorf("%s: %s", m.ID, f.Text)
			}
			if bad {
				again = append(again, left[i])
			}
		}
		if left = again; len(left) == 0 {
			break
		}
	}
	if len(left) > 0 {
		t.Fatalf("%d messages come back for ever", len(left))
	}
	if failed, _ := p.handle(s.messages(s.group...)); len(failed) > 0 { // at least once is more than once
		t.Errorf("delivered again: %v", failed)
	}
}

// checkAlways holds what must be true at any time.
func (s *scenario) checkAlways(t *testing.T) {
	t.Helper()
	for _, each := range checksAfterCut {
		t.Run(each.name, func(t *testing.T) { each.hold(s, t) })
	}
}

// allOrNothing: a reader sees the table as it was or as it is to be, and the
// ledger with it.
func (s *scenario) allOrNothing(t *testing.T) {
	t.Helper()
	got := s.laptop.Contents(t, s.Dataset)
	rows, ledger := s.before, s.ledgerBefore
	if cmp.Equal(got.Rows, s.after) {
		rows, ledger = s.after, s.ledgerAfter
	}
	s.CheckRows(t, rows)
	generations := make(map[object.ID]int)
	for _, row := range got.Ledger {
		generations[row.ID] = row.Generation
	}
	if diff := cmp.Diff(ledger, generations); diff != "" || got.LockRows != 1 {
		t.Errorf("%d lock rows; generations in the ledger (-want +got):\n%s", got.LockRows, diff)
	}
}

// currentOrFormer: the mode's view shows what it showed or is to show, as the
// table does.
func (s *scenario) currentOrFormer(t *testing.T) {
	t.Helper()
	want := s.currentBefore
	if cmp.Equal(s.laptop.Contents(t, s.Dataset).Rows, s.after) {
		want = s.currentAfter
	}
	if diff := cmp.Diff(want, s.laptop.Current(t, s.Dataset)); diff != "" {
		t.Errorf("current rows (-want +got):\n%s", diff)
	}
}

// wantAfter holds how everything ends.
func (s *scenario) wantAfter(t *testing.T) {
	t.Helper()
	got := s.CheckRows(t, s.after)
	if len(got.Ledger) != len(s.group) {
		t.Errorf("the ledger has %d rows, want %d", len(got.Ledger), len(s.group))
	}
	s.wantAnnounced(t, got.Ledger)
	s.wantUnlocked(t)
	for _, d := range s.group {
		s.wantState(t, d.ID, journal.Loaded)
	}
	s.wantState(t, s.replaced.ID, journal.Superseded)
}
