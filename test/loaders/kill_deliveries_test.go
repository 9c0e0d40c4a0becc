//go:build endtoend

package processes_test

import (
	"fmt"
	"net/url"
	"os"
	"slices"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/google/go-cmp/cmp"

	"github.com/firn-data/firn/internal/contract"
	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/journal"
	"github.com/firn-data/firn/internal/load"
	"github.com/firn-data/firn/internal/load/loadtest"
	"github.com/firn-data/firn/internal/object"
	"github.com/firn-data/firn/internal/work"
)

// deliveryChange is a change of a snapshot's deliveries by a process.
type deliveryChange struct {
	name string
	// requests are the requests to Snowflake without a kill, in order. awsRequests are
	// the requests to AWS, sorted, because some of them are parallel.
	requests, awsRequests []string
	prepare               func(t *testing.T) *delivering
}

// delivering is a dataset before a deliveryChange.
type delivering struct {
	*environment

	// before and after are the states that a reader of Snowflake may see.
	before, after readerState
	// input asks a process for the change.
	input func() input
	// deliveries is the state in the journal at the end, and states has the state of
	// each object.
	deliveries journal.Deliveries
	states     map[object.ID]journal.State
	// noticed are the deliveries that people must hear of.
	noticed []string
	// withoutFiles is the object without curated files at the end. Empty for none.
	withoutFiles object.ID
}

// readerState is the state that a reader of Snowflake sees.
type readerState struct {
	Rows, Rejects map[object.ID]int64
	Ledger        map[object.ID]ledgerMarks
	Ended         map[object.ID]load.EndReason
	// Current are the rows in the view.
	Current []string
}

// ledgerMarks are the marks of a ledger row.
type ledgerMarks struct {
	Generation int
	Held       bool
	AcceptedBy string
	Withdrawn  bool
}

var (
	current = ledgerMarks{}
	held    = ledgerMarks{Held: true}
)

// The requests to the journal.
const (
	getItem    = "DynamoDB_20120810.GetItem"
	query      = "DynamoDB_20120810.Query"
	updateItem = "DynamoDB_20120810.UpdateItem"
)

var deliveryChanges = []deliveryChange{
	{
		name: "hold",
		requests: []string{
			"log in", "begin", "take the lock", "read the ledger", "record ended rows", "forget", "delete rows", "delete rejects",
			"copy rows", "copy rejects", "record", "check the ledger", "read deliveries", "hold", "commit", "close",
		},
		awsRequests: []string{
			getItem, getItem, getItem, getItem, query, updateItem, updateItem, updateItem, updateItem, "S3 GET", "S3 GET",
		},
		prepare: prepareHold,
	},
	{
		name: "accept",
		requests: []string{
			"log in", "begin", "take the lock", "read the ledger", "read deliveries", "accept", "read deliveries", "release", "commit", "close",
		},
		awsRequests: []string{updateItem},
		prepare:     prepareAccept,
	},
	{
		name: "withdraw",
		requests: []string{
			"log in", "begin", "take the lock", "read the ledger", "record ended rows", "forget", "delete rows", "delete rejects",
			"record", "check the ledger", "read deliveries", "release", "commit", "close",
		},
		awsRequests: []string{getItem, query, updateItem, updateItem, "S3 GET", "S3 POST"},
		prepare:     prepareWithdraw,
	},
}

// snapshotOf creates a snapshot dataset. Each file is a delivery.
func snapshotOf(t *testing.T) *environment {
	t.Helper()
	return newEnvironment(t, loadtest.NewModeFixture(t, sharedCloud(t).laptop, func(c *contract.Contract) {
		c.Mode, c.Delivery, c.HoldBelow = contract.Snapshot, &contract.Delivery{Key: contract.DeliveryName + ".csv"}, contract.DefaultHoldBelow
	}))
}

func (d *delivering) settings() loaderSettings {
	settings := d.loaderSettings()
	settings.Contract = d.Contract
	return settings
}

// file describes the only file of a delivery, with a row for each number from 1.
func (e *environment) file(t *testing.T, delivery, sequencer string, rows int64) loadtest.Delivery {
	t.Helper()
	ids := make([]int64, rows)
	for i := range ids {
		ids[i] = int64(i + 1)
	}
	return loadtest.Delivery{
		Key: delivery + ".csv", Version: e.version(t, delivery+".csv"), Sequencer: sequencer, Values: updated(rows, ids...), Rejects: 1,
	}
}

// prepareHold has a delivery of 6 rows. The process loads a new version of it with 5
// rows, and a later delivery of 2 rows, which must be held.
func prepareHold(t *testing.T) *delivering {
	t.Helper()
	e := snapshotOf(t)
	first := e.file(t, "1", "1", 6)
	old := e.transformed(t, first)[0]
	d := &delivering{environment: e}
	e.loadWith(t, d.settings(), old)
	second, small := e.file(t, "1", "2", 5), e.file(t, "2", "1", 2)
	group := e.transformed(t, second, small)
	d.before = readerState{
		Rows: map[object.ID]int64{old.ID: 6}, Rejects: map[object.ID]int64{old.ID: 1},
		Ledger: map[object.ID]ledgerMarks{old.ID: current}, Ended: map[object.ID]load.EndReason{}, Current: ofGreatestName(first),
	}
	d.after = readerState{
		Rows: map[object.ID]int64{group[0].ID: 5, group[1].ID: 2}, Rejects: map[object.ID]int64{group[0].ID: 1, group[1].ID: 1},
		Ledger: map[object.ID]ledgerMarks{group[0].ID: current, group[1].ID: held},
		Ended:  map[object.ID]load.EndReason{old.ID: load.Replaced}, Current: ofGreatestName(second),
	}
	d.input = func() input { return input{Messages: e.messages(group...)} }
	d.deliveries, d.noticed = journal.Deliveries{Current: "1", Held: []work.HeldDelivery{{Dataset: e.Dataset, Name: "2", Rows: 2, Before: "1", RowsBefore: 5}}}, []string{"2"}
	d.states = map[object.ID]journal.State{old.ID: journal.Superseded, group[0].ID: journal.Loaded, group[1].ID: journal.Loaded}
	return d
}

// prepareAccept has a delivery of 6 rows, and a held delivery of 2 rows, which the
// process accepts.
func prepareAccept(t *testing.T) *delivering {
	t.Helper()
	e := snapshotOf(t)
	first, small := e.file(t, "1", "1", 6), e.file(t, "2", "1", 2)
	objects := e.transformed(t, first, small)
	d := &delivering{environment: e}
	e.loadWith(t, d.settings(), objects...)
	d.before = readerState{
		Rows: map[object.ID]int64{objects[0].ID: 6, objects[1].ID: 2}, Rejects: map[object.ID]int64{objects[0].ID: 1, objects[1].ID: 1},
		Ledger: map[object.ID]ledgerMarks{objects[0].ID: current, objects[1].ID: held}, Ended: map[object.ID]load.EndReason{}, Current: ofGreatestName(first),
	}
	d.after = d.before
	d.after.Ledger = map[object.ID]ledgerMarks{objects[0].ID: current, objects[1].ID: {AcceptedBy: acceptedBy}}
	d.after.Current = ofGreatestName(small)
	d.input = func() input { return input{Accept: "2"} }
	d.deliveries = journal.Deliveries{Current: "2"}
	d.states = map[object.ID]journal.State{objects[0].ID: journal.Loaded, objects[1].ID: journal.Loaded}
	return d
}

// prepareWithdraw has three deliveries of 3, 8 and 3 rows. The third delivery is held
// because of the second delivery. The process withdraws the second delivery, so the
// third delivery is released.
func prepareWithdraw(t *testing.T) *delivering {
	t.Helper()
	e := snapshotOf(t)
	first, wrong, third := e.file(t, "1", "1", 3), e.file(t, "2", "1", 8), e.file(t, "3", "1", 3)
	objects := e.transformed(t, first, wrong, third)
	d := &delivering{environment: e}
	e.loadWith(t, d.settings(), objects...)
	one, two, three := objects[0].ID, objects[1].ID, objects[2].ID
	d.before = readerState{
		Rows: map[object.ID]int64{one: 3, two: 8, three: 3}, Rejects: map[object.ID]int64{one: 1, two: 1, three: 1},
		Ledger: map[object.ID]ledgerMarks{one: current, two: current, three: held}, Ended: map[object.ID]load.EndReason{}, Current: ofGreatestName(wrong),
	}
	d.after = readerState{
		Rows: map[object.ID]int64{one: 3, three: 3}, Rejects: map[object.ID]int64{one: 1, three: 1},
		Ledger: map[object.ID]ledgerMarks{one: current, two: {Withdrawn: true}, three: current},
		Ended:  map[object.ID]load.EndReason{two: load.Withdrawn}, Current: ofGreatestName(third),
	}
	d.input = func() input { return input{Messages: e.messages(e.Withdrawal(objects[1]))} }
	d.deliveries, d.withoutFiles = journal.Deliveries{Current: "3"}, two
	d.states = map[object.ID]journal.State{one: journal.Loaded, two: journal.Withdrawn, three: journal.Loaded}
	return d
}

// read returns the state that a reader sees now.
func (d *delivering) read(t *testing.T) readerState {
	t.Helper()
	contents := d.laptop.Contents(t, d.Dataset)
	state := readerState{
		Rows: contents.Rows, Rejects: contents.Rejects, Current: d.laptop.Current(t, d.Dataset),
		Ledger: make(map[object.ID]ledgerMarks), Ended: make(map[object.ID]load.EndReason),
	}
	for _, row := range contents.Ledger {
		state.Ledger[row.ID] = ledgerMarks{row.Generation, row.Held, row.AcceptedBy, row.IsWithdrawn()}
	}
	for _, end := range contents.Ended {
		if _, found := state.Ended[end.Row.ID]; found {
			t.Errorf("object %s has two ends", end.Row.ID)
		}
		state.Ended[end.Row.ID] = end.Reason
	}
	if contents.LockRows != 1 {
		t.Errorf("%d lock rows", contents.LockRows)
	}
	return state
}

// checkAllOrNothing: a reader sees the whole state before the change or the whole state
// after the change: rows, rejects, ledger with its marks, ended rows and view.
func (d *delivering) checkAllOrNothing(t *testing.T) {
	t.Helper()
	got := d.read(t)
	if !cmp.Equal(got, d.before) && !cmp.Equal(got, d.after) {
		t.Errorf("a reader sees neither the state before nor the state after\n(-before +got):\n%s\n(-after +got):\n%s", cmp.Diff(d.before, got), cmp.Diff(d.after, got))
	}
}

// checkAfter checks the end of the change: the state of a reader, the journal, the
// reports and the lock.
func (d *delivering) checkAfter(t *testing.T) {
	t.Helper()
	if diff := cmp.Diff(d.after, d.read(t)); diff != "" {
		t.Errorf("state after the change (-want +got):\n%s", diff)
	}
	for id, state := range d.states {
		d.wantState(t, id, state)
	}
	deliveries, err := d.journal.Deliveries(t.Context(), d.Dataset)
	if diff := cmp.Diff(d.deliveries, deliveries); err != nil || diff != "" {
		t.Errorf("deliveries in the journal: %v (-want +got):\n%s", err, diff)
	}
	d.wantAnnounced(t, d.laptop.Contents(t, d.Dataset).Ledger)
	d.mutex.Lock()
	for _, name := range d.noticed {
		if !d.held[name] {
			t.Errorf("nobody heard of the held delivery %s", name)
		}
	}
	d.mutex.Unlock()
	if d.withoutFiles != "" {
		d.checkNoFiles(t, d.withoutFiles)
	}
	d.wantUnlocked(t)
}

func (d *delivering) checkNoFiles(t *testing.T, id object.ID) {
	t.Helper()
	listed, err := d.store.ListObjectsV2(t.Context(), &s3.ListObjectsV2Input{
		Bucket: aws.String(d.laptop.Bucket()), Prefix: aws.String(object.AttemptsPrefix(d.Dataset, id)),
	})
	if err != nil || len(listed.Contents) > 0 {
		t.Errorf("%d curated files of the withdrawn object, %v; want none", len(listed.Contents), err)
	}
}

// repeat gives the change to a new process until the change is done, as a queue and an
// operator do. Then repeat gives it once more, because a queue may deliver twice.
func (d *delivering) repeat(t *testing.T) {
	t.Helper()
	p := d.start(t, d.settings())
	done := false
	for range maxDeliveries {
		failed, alive := p.ask(d.input())
		if !alive {
			t.Fatal("the second process died")
		}
		for id, f := range failed {
			if f.Disposition == fault.Permanent {
				t.Errorf("%s: %s", id, f.Text)
			}
		}
		if done = len(failed) == 0; done {
			break
		}
	}
	if !done {
		t.Fatalf("the change still fails after %d tries", maxDeliveries)
	}
	if failed, _ := p.ask(d.input()); len(failed) > 0 {
		t.Errorf("failed in one more try: %v", failed)
	}
}

// startBehind starts a process behind a proxy in front of Snowflake and a proxy in front
// of AWS.
func (d *delivering) startBehind(t *testing.T, snowflakeCut, awsCut cut) (p *process, snowflake, inFrontOfAWS *proxy) {
	t.Helper()
	settings := d.settings()
	target := fmt.Sprintf("%s:%d", settings.Login.Host, settings.Login.Port)
	snowflake, settings.Login.Port = newProxy(t, target, snowflakeCut)
	endpoint, err := url.Parse(os.Getenv("AWS_ENDPOINT_URL"))
	if err != nil {
		t.Fatal(err)
	}
	inFrontOfAWS, settings.AWSEndpoint = newAWSProxy(t, endpoint.Host, awsCut)
	p = d.start(t, settings)
	snowflake.setKill(p.kill)
	inFrontOfAWS.setKill(p.kill)
	return p, snowflake, inFrontOfAWS
}

// kill runs the change in a process that is killed at a request.
func (d *delivering) kill(t *testing.T, snowflakeCut, awsCut cut) {
	t.Helper()
	p, snowflake, inFrontOfAWS := d.startBehind(t, snowflakeCut, awsCut)
	if failed, alive := p.ask(d.input()); alive {
		t.Fatalf("the process is alive: %v; requests %v and %v", failed, snowflake.seen(), inFrontOfAWS.seen())
	}
	if snowflakeCut != (cut{}) && snowflake.cutNothing() || awsCut != (cut{}) && inFrontOfAWS.cutNothing() {
		t.Fatalf("the process died before the request: requests %v and %v", snowflake.seen(), inFrontOfAWS.seen())
	}
}

// kills are the two moments of a kill.
var kills = []struct {
	name string
	cut  cut
}{
	{"killed before the request", cut{killed: true}},
	{"killed before the answer", cut{killed: true, forwarded: true}},
}

// TestKillAtAnyRequestKeepsDeliveries kills a process that holds a delivery, accepts a
// delivery or withdraws a delivery: before and after each request to Snowflake, and
// before and after each request to AWS. The view keeps the accepted delivery until the
// change is committed, and a second process completes the change.
func TestKillAtAnyRequestKeepsDeliveries(t *testing.T) {
	t.Parallel()
	for _, change := range deliveryChanges {
		for _, moment := range kills {
			if !*everyKill && !moment.cut.forwarded {
				continue
			}
			for service, requests := range map[string][]string{"Snowflake": change.requests, "AWS": change.awsRequests} {
				for i := range requests {
					t.Run(fmt.Sprintf("%s/%s/%s", change.name, requestName(service, requests, i), moment.name), func(t *testing.T) {
						t.Parallel()
						d := change.prepare(t)
						at := moment.cut
						at.statement = i + 1
						cuts := map[string]cut{service: at}
						d.kill(t, cuts["Snowflake"], cuts["AWS"])
						d.checkAllOrNothing(t)
						d.repeat(t)
						d.checkAfter(t)
					})
				}
			}
		}
	}
}

// requestName returns the number of a request, and for Snowflake its name. The order of
// the requests to AWS isn't fixed.
func requestName(service string, requests []string, i int) string {
	if service == "Snowflake" {
		return fmt.Sprintf("Snowflake %d %s", i+1, requests[i])
	}
	return fmt.Sprintf("%s %d of %d", service, i+1, len(requests))
}

// TestDeliveryChangesSendExpectedRequests compares the lists of requests with the
// requests of a process without a kill.
func TestDeliveryChangesSendExpectedRequests(t *testing.T) {
	t.Parallel()
	for _, change := range deliveryChanges {
		t.Run(change.name, func(t *testing.T) {
			t.Parallel()
			d := change.prepare(t)
			if diff := cmp.Diff(d.before, d.read(t)); diff != "" {
				t.Fatalf("state before the change (-want +got):\n%s", diff)
			}
			p, snowflake, inFrontOfAWS := d.startBehind(t, cut{}, cut{})
			if failed, alive := p.ask(d.input()); !alive || len(failed) > 0 {
				t.Fatalf("alive %t, failed %v", alive, failed)
			}
			if diff := cmp.Diff(change.requests, snowflake.seen()); diff != "" {
				t.Errorf("requests to Snowflake (-want +got):\n%s", diff)
			}
			sent := inFrontOfAWS.seen()
			slices.Sort(sent)
			if diff := cmp.Diff(change.awsRequests, sent); diff != "" {
				t.Errorf("requests to AWS (-want +got):\n%s", diff)
			}
			d.checkAfter(t)
		})
	}
}
