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

// expectedRequests lists the loader's requests to Snowflake for the scenario, in order.
// A new or removed statement of the protocol changes this list. The test kills the
// loader at every statement of the list.
var expectedRequests = []string{
	"log in", "begin", "take the lock", "read the ledger", "record ended rows", "forget", "delete rows", "delete rejects",
	"copy rows", "count rows", "copy rows by force", "copy rejects", "record", "check the ledger", "commit", "close",
}

// cuts are the possible faults of a statement.
var cuts = []struct {
	name string
	cut  cut
}{
	{"killed before the request", cut{killed: true}},
	{"killed before the answer", cut{killed: true, forwarded: true}},
	{"request lost", cut{}},
	{"answer lost", cut{forwarded: true}},
}

// scenario is a dataset in which every statement of the protocol has an effect. One key
// has a newer version, a second key has a reload. A third key is in the load history,
// but not in the ledger.
type scenario struct {
	*environment

	// before and after are the rows of each object, before and after the load.
	before, after map[object.ID]int64
	// ledgerBefore and ledgerAfter are the generations in the ledger.
	ledgerBefore, ledgerAfter map[object.ID]int
	// currentBefore and currentAfter are the rows in the mode's view.
	currentBefore, currentAfter []string
	replaced                    loadtest.Delivered
	group                       []loadtest.Delivered
}

// mode is a mode of a dataset with a view of the current rows. Mode append isn't here:
// all rows are current, and allOrNothing checks the table itself.
type mode struct {
	name   string
	change func(c *contract.Contract)
	// current returns the current rows of these objects. Newer objects are later in the
	// list.
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

// updated returns one row for each primary key, all with the same value of "updated".
func updated(at int64, ids ...int64) []loadtest.Value {
	values := make([]loadtest.Value, len(ids))
	for i, id := range ids {
		values[i] = loadtest.Value{ID: id, Updated: &at, Name: fmt.Sprintf("at%d", at)}
	}
	return values
}

func newScenario(t *testing.T, m mode) *scenario {
	t.Helper()
	e := newEnvironment(t, loadtest.NewModeFixture(t, sharedCloud(t).laptop, m.change))
	first, reloaded := e.version(t, "3-versions.csv"), e.version(t, "2-reload.csv")
	earlier := []loadtest.Delivery{
		{Key: "3-versions.csv", Version: first, Sequencer: "1", Values: updated(1, 1, 2, 3), Rejects: 1},
		{Key: "2-reload.csv", Version: reloaded, Sequencer: "1", Values: updated(2, 2, 4, 5, 6)},
	}
	old := e.transformed(t, earlier...)
	e.load(t, old...)
	later := []loadtest.Delivery{
		{Key: "3-versions.csv", Version: e.version(t, "3-versions.csv"), Sequencer: "2", Values: updated(3, 1, 2, 3, 7, 8)},
		{Key: "2-reload.csv", Version: reloaded, Sequencer: "1", Values: updated(4, 2, 4), Rejects: 2, Generation: 1},
		{Key: "1-history.csv", Version: e.version(t, "1-history.csv"), Sequencer: "1", Values: updated(5, 1, 4, 9, 10, 11, 12)},
	}
	group := e.transformed(t, later...)
	e.addToLoadHistory(t, group[2])
	return &scenario{
		environment: e, replaced: old[0], group: group,
		currentBefore: m.current(earlier...), currentAfter: m.current(later...),
		before:       map[object.ID]int64{old[0].ID: 3, old[1].ID: 4},
		after:        map[object.ID]int64{group[0].ID: 5, group[1].ID: 2, group[2].ID: 6},
		ledgerBefore: map[object.ID]int{old[0].ID: 0, old[1].ID: 0},
		ledgerAfter:  map[object.ID]int{group[0].ID: 0, group[1].ID: 1, group[2].ID: 0},
	}
}

// addToLoadHistory adds an object's files to the load history, without rows in the
// table.
func (e *environment) addToLoadHistory(t *testing.T, d loadtest.Delivered) {
	t.Helper()
	session, err := e.laptop.Open(t.Context(), e.Dataset, "history")
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
	e.laptop.Erase(t, e.Dataset, d.ID)
}

// checksAfterCut run after each cut and at the end. After the cut the transaction may
// still be open. A reader must always see a consistent state.
var checksAfterCut = []struct {
	name  string
	check func(s *scenario, t *testing.T)
}{
	{"rows and ledger", (*scenario).allOrNothing},
	{"current rows", (*scenario).currentOrFormer},
}

// everyKill is set by `make test-loaders`. Without the flag, each statement has only
// the cut "killed before the answer", in one mode; COMMIT has all cuts and modes. A
// loader killed before an answer is also killed before its next statement.
var everyKill = flag.Bool("every-kill", false, "cut each statement in all ways and in all modes")

// TestKillAtAnyStatementLosesNothing kills a loader at each statement, and cuts each
// statement's request and answer, COMMIT included. Then a second loader gets the
// unacknowledged messages until all messages are done.
func TestKillAtAnyStatementLosesNothing(t *testing.T) {
	t.Parallel()
	for i, statement := range expectedRequests {
		for _, variant := range cuts {
			if !*everyKill && statement != "commit" && variant.cut != (cut{killed: true, forwarded: true}) {
				continue
			}
			for j, m := range modes {
				if !*everyKill && statement != "commit" && i%len(modes) != j {
					continue
				}
				t.Run(statement+"/"+variant.name+"/"+m.name, func(t *testing.T) {
					t.Parallel()
					s := newScenario(t, m)
					c := variant.cut
					c.statement = i + 1
					unacknowledged := s.runWithCut(t, c)
					s.checkAlways(t)
					s.redeliver(t, unacknowledged)
					s.checkAlways(t)
					s.wantAfter(t)
				})
			}
		}
	}
}

// TestLoaderSendsExpectedStatements compares the list of statements with the requests
// of a loader without faults.
func TestLoaderSendsExpectedStatements(t *testing.T) {
	t.Parallel()
	s := newScenario(t, modes[0])
	wire, p := s.startBehindWire(t, cut{})
	if failed, alive := p.handle(s.messages(s.group...)); !alive || len(failed) > 0 {
		t.Fatalf("alive %t, failed %v", alive, failed)
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
	settings := s.loaderSettings()
	wire, port := newProxy(t, net.JoinHostPort(settings.Login.Host, strconv.Itoa(settings.Login.Port)), c)
	settings.Login.Port = port
	p := s.start(t, settings)
	wire.setKill(p.kill)
	return wire, p
}

// runWithCut runs a loader with the cut, and returns the objects of the unacknowledged
// messages.
func (s *scenario) runWithCut(t *testing.T, c cut) (unacknowledged []loadtest.Delivered) {
	t.Helper()
	wire, p := s.startBehindWire(t, c)
	messages := s.messages(s.group...)
	failed, alive := p.handle(messages)
	if wire.cutNothing() {
		t.Fatalf("statement %d was never sent, only %v", c.statement, wire.seen())
	}
	if alive == c.killed {
		t.Fatalf("the loader is alive: %t, want %t", alive, !c.killed)
	}
	if !alive {
		return s.group
	}
	for i, m := range messages {
		f, bad := failed[m.ID]
		if bad && f.Disposition == fault.Permanent {
			t.Errorf("%s: %s", m.ID, f.Text)
		}
		if bad {
			unacknowledged = append(unacknowledged, s.group[i])
		}
	}
	return unacknowledged
}

// maxDeliveries is the limit of deliveries of a message in this test. Real queues allow
// far more deliveries. A message that waits for a killed loader's lock needs few
// deliveries.
const maxDeliveries = 5

func (s *scenario) redeliver(t *testing.T, open []loadtest.Delivered) {
	t.Helper()
	p := s.start(t, s.loaderSettings())
	for range maxDeliveries {
		messages := s.messages(open...)
		failed, alive := p.handle(messages)
		if !alive {
			t.Fatal("the second loader died")
		}
		var again []loadtest.Delivered
		for i, m := range messages {
			f, bad := failed[m.ID]
			if bad && f.Disposition == fault.Permanent {
				t.Errorf("%s: %s", m.ID, f.Text)
			}
			if bad {
				again = append(again, open[i])
			}
		}
		if open = again; len(open) == 0 {
			break
		}
	}
	if len(open) > 0 {
		t.Fatalf("%d messages still fail after %d deliveries", len(open), maxDeliveries)
	}
	if failed, _ := p.handle(s.messages(s.group...)); len(failed) > 0 { // a queue may deliver a done message again
		t.Errorf("failed in one more delivery: %v", failed)
	}
}

// checkAlways runs checksAfterCut.
func (s *scenario) checkAlways(t *testing.T) {
	t.Helper()
	for _, c := range checksAfterCut {
		t.Run(c.name, func(t *testing.T) { c.check(s, t) })
	}
}

// allOrNothing: a reader sees the complete table before the load or the complete table
// after the load, with the matching ledger and the matching table of ended rows.
func (s *scenario) allOrNothing(t *testing.T) {
	t.Helper()
	got := s.laptop.Contents(t, s.Dataset)
	rows, ledger, ended := s.before, s.ledgerBefore, map[object.ID]load.EndReason{}
	if cmp.Equal(got.Rows, s.after) {
		rows, ledger = s.after, s.ledgerAfter
		ended = map[object.ID]load.EndReason{s.replaced.ID: load.Replaced, s.group[1].ID: load.Reloaded}
	}
	s.CheckRows(t, rows)
	reasons := make(map[object.ID]load.EndReason)
	for _, e := range got.Ended {
		reasons[e.Row.ID] = e.Reason
	}
	if diff := cmp.Diff(ended, reasons); diff != "" || len(got.Ended) != len(ended) {
		t.Errorf("%d ended rows (-want +got):\n%s", len(got.Ended), diff)
	}
	generations := make(map[object.ID]int)
	for _, row := range got.Ledger {
		generations[row.ID] = row.Generation
	}
	if diff := cmp.Diff(ledger, generations); diff != "" || got.LockRows != 1 {
		t.Errorf("%d lock rows; generations in the ledger (-want +got):\n%s", got.LockRows, diff)
	}
}

// currentOrFormer: the mode's view shows the current rows before the load or after the
// load, and matches the table.
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

// wantAfter checks rows, ledger, announcements, lock and journal at the end.
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
