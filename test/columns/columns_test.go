// Package columns_test tests the mails about new columns, from the loader to the topic:
// files with the same columns, loaders and alert functions at the same time, repeated
// messages, crashes of loaders and faults of SNS.
package columns_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/firn-data/firn/internal/alert"
	"github.com/firn-data/firn/internal/batch"
	"github.com/firn-data/firn/internal/contract"
	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/journal"
	"github.com/firn-data/firn/internal/load"
	"github.com/firn-data/firn/internal/load/loadtest"
	"github.com/firn-data/firn/internal/object"
	"github.com/firn-data/firn/internal/work"
)

// deadLetterQueue is load's dead-letter queue. A message stays until a consumer deletes
// the message.
type deadLetterQueue struct {
	mutex    sync.Mutex
	sent     int
	messages []batch.Message
}

var _ load.Notices = (*deadLetterQueue)(nil)

// Held implements load.Notices.
func (q *deadLetterQueue) Held(context.Context, work.HeldDelivery) error { return nil }

// NewColumns implements load.Notices.
func (q *deadLetterQueue) NewColumns(_ context.Context, n work.NewColumns) error {
	letter := work.DeadLetter{Stage: string(work.Load), Code: fault.ColumnNotLoaded, Cause: n.Cause(), Hint: fault.ColumnNotLoaded.Hint(), Dataset: n.Dataset}
	q.mutex.Lock()
	defer q.mutex.Unlock()
	q.sent++
	q.messages = append(q.messages, batch.Message{ID: fmt.Sprint("d", q.sent), Body: n.Encode(), Attributes: letter.Encode(), Queue: "load-dead"})
	return nil
}

func (q *deadLetterQueue) receive() []batch.Message {
	q.mutex.Lock()
	defer q.mutex.Unlock()
	return slices.Clone(q.messages)
}

func (q *deadLetterQueue) remove(messages []batch.Message) {
	q.mutex.Lock()
	defer q.mutex.Unlock()
	q.messages = slices.DeleteFunc(q.messages, func(m batch.Message) bool {
		return slices.ContainsFunc(messages, func(done batch.Message) bool { return done.ID == m.ID })
	})
}

// topic records the columns of each mail.
type topic struct {
	mutex       sync.Mutex
	unavailable bool
	mails       [][]string
}

// Publish implements alert.Topic.
func (p *topic) Publish(_ context.Context, in *sns.PublishInput, _ ...func(*sns.Options)) (*sns.PublishOutput, error) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	if p.unavailable {
		return nil, errors.New("no answer")
	}
	_, machines, _ := strings.Cut(aws.ToString(in.Message), alert.Separator)
	var mail struct {
		Objects []struct{ Column string }
	}
	if err := json.Unmarshal([]byte(machines), &mail); err != nil {
		return nil, err
	}
	var columns []string
	for _, o := range mail.Objects {
		columns = append(columns, o.Column)
	}
	p.mails = append(p.mails, columns)
	return &sns.PublishOutput{}, nil
}

func (p *topic) setUnavailable(unavailable bool) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	p.unavailable = unavailable
}

// path has the loaders, the alert functions and the queues of one run.
type path struct {
	t       *testing.T
	fixture *loadtest.Fixture
	queue   *deadLetterQueue
	topic   *topic
	alerter *alert.Alerter
}

func newPath(t *testing.T) *path {
	t.Helper()
	fake := loadtest.NewFake()
	fake.LockTimeout = time.Millisecond // a killed loader keeps its lock until the end of the step
	fixture := loadtest.NewFixture(t, fake)
	fixture.Contract = loadtest.ModeContract(fixture.Dataset)
	fixture.Contract.Format = contract.CSV
	for i, column := range fixture.Contract.Columns {
		fixture.Contract.Columns[i].Header = column.Name
	}
	p := &path{t: t, fixture: fixture, queue: &deadLetterQueue{}, topic: &topic{}}
	p.alerter = &alert.Alerter{
		Journal: alertJournal{fixture.Journal}, Mailer: alert.Mailer{Topic: p.topic, ARN: "arn"}, Contracts: contract.Set{fixture.Contract},
	}
	return p
}

// alertJournal is the loader's journal with the methods for objects, which no notice
// about new columns needs.
type alertJournal struct{ *loadtest.Journal }

var errUnused = errors.New("a notice about new columns has no object")

func (alertJournal) Newest(context.Context, string, string) (journal.Entry, error) {
	return journal.Entry{}, errUnused
}

func (alertJournal) Receive(context.Context, object.Object, string) (journal.Entry, error) {
	return journal.Entry{}, errUnused
}

func (alertJournal) Fail(context.Context, *fault.Fault, string, string, string) (bool, error) {
	return false, errUnused
}

// newLoader returns a loader that crashes at a step; 0 means no crash.
func (p *path) newLoader(crashAt int) (*load.Loader, *loadtest.Crash) {
	loader := p.fixture.NewLoaderOn(p.fixture.Warehouse)
	loader.Notices = p.queue
	crash := &loadtest.Crash{At: crashAt}
	return crash.Wrap(loader), crash
}

// handle gives a batch to each loader, all at the same time. A batch returns to its queue
// unless each of its messages succeeds.
func (p *path) handle(batches [][]loadtest.Delivered, crashAt []int) (left []loadtest.Delivered) {
	errs := make([][]error, len(batches))
	var crashes []*loadtest.Crash
	var group sync.WaitGroup
	for i, deliveries := range batches {
		loader, crash := p.newLoader(crashAt[i])
		crashes = append(crashes, crash)
		group.Go(func() { errs[i] = p.fixture.HandleWith(p.t, loader, deliveries...) })
	}
	group.Wait()
	for i, deliveries := range batches {
		if err := crashes[i].CloseSessions(); err != nil {
			p.t.Error(err)
		}
		for j, d := range deliveries {
			if errs[i][j] != nil || crashes[i].Crashed() {
				left = append(left, d)
			}
		}
	}
	return left
}

// mail gives all dead letters to each of the alert functions, at the same time. It deletes
// the letters that every function has done. With redelivered they come back once.
func (p *path) mail(functions int, redelivered bool) {
	messages := p.queue.receive()
	failed := make([]map[string]error, functions)
	var group sync.WaitGroup
	for i := range functions {
		group.Go(func() { failed[i] = p.alerter.Handle(p.t.Context(), messages) })
	}
	group.Wait()
	if redelivered {
		return
	}
	p.queue.remove(slices.DeleteFunc(messages, func(m batch.Message) bool {
		return slices.ContainsFunc(failed, func(errs map[string]error) bool { return errs[m.ID] != nil })
	}))
}

// drain handles all dead letters. In the first round one function sends the mail about all
// letters, and in the second round no function waits for another.
func (p *path) drain(t interface{ Fatalf(string, ...any) }, pending []loadtest.Delivered) {
	for range 2 {
		p.mail(2, false)
	}
	if letters := p.queue.receive(); len(pending)+len(letters) > 0 {
		t.Fatalf("%d files and %d dead letters are left", len(pending), len(letters))
	}
}

// TestEachNewColumnIsInOneMail: for any order of the steps, each column of the files is in
// exactly one mail.
func TestEachNewColumnIsInOneMail(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(r *rapid.T) {
		p := newPath(t)
		var pending []loadtest.Delivered
		want := make(map[string]int)
		for i := range rapid.IntRange(1, 8).Draw(r, "files") {
			extra := rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"owner", "state", "color", "name"}), 0, 3, rapid.ID[string]).Draw(r, "columns")
			for _, name := range extra {
				if name != "name" { // the contract has this column by now
					want[name] = 1
				}
			}
			pending = append(pending, p.fixture.Deliver(t, loadtest.Delivery{Key: fmt.Sprintf("%d.csv", i), Rows: 1, Extra: extra}))
		}
		for range rapid.IntRange(0, 6).Draw(r, "steps") {
			if rapid.Bool().Draw(r, "load") && len(pending) > 0 {
				n := rapid.IntRange(1, len(pending)).Draw(r, "group")
				batches := [][]loadtest.Delivered{pending[:n], pending[n-1:]} // both have one file
				crashAt := rapid.SliceOfN(rapid.IntRange(0, 30), 2, 2).Draw(r, "crashes")
				pending = p.handle(batches, crashAt)
				continue
			}
			p.topic.setUnavailable(rapid.IntRange(0, 3).Draw(r, "SNS") == 0)
			p.mail(rapid.IntRange(1, 3).Draw(r, "functions"), rapid.Bool().Draw(r, "redelivered"))
		}
		p.topic.setUnavailable(false)
		if len(pending) > 0 {
			pending = p.handle([][]loadtest.Delivered{pending}, []int{0})
		}
		p.drain(r, pending)
		got := make(map[string]int)
		for _, columns := range p.topic.mails {
			for _, name := range columns {
				got[name]++
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			r.Fatalf("mails about each column (-want +got):\n%s", diff)
		}
	})
}

// TestClaimOfKilledFunctionEnds: the notice comes back after the end of the claim.
func TestClaimOfKilledFunctionEnds(t *testing.T) {
	t.Parallel()
	p := newPath(t)
	if left := p.handle([][]loadtest.Delivered{{p.fixture.Deliver(t, loadtest.Delivery{Rows: 1, Extra: []string{"owner"}})}}, []int{0}); len(left) > 0 {
		t.Fatal("the file isn't loaded")
	}
	if claimed, err := p.fixture.Journal.ClaimNewColumns(t.Context(), p.fixture.Dataset, "killed"); err != nil || !claimed {
		t.Fatalf("claim of the function before its kill: %t, %v", claimed, err)
	}
	p.mail(2, false)
	if len(p.topic.mails) > 0 || len(p.queue.receive()) != 1 {
		t.Errorf("mails %v during the claim, %d dead letters", p.topic.mails, len(p.queue.receive()))
	}
	p.fixture.Journal.EndClaim(p.fixture.Dataset)
	p.drain(t, nil)
	if diff := cmp.Diff([][]string{{"owner"}}, p.topic.mails); diff != "" {
		t.Errorf("mails (-want +got):\n%s", diff)
	}
}
