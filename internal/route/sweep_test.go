package route_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/aws/smithy-go"
	"github.com/google/go-cmp/cmp"

	"github.com/firn-data/firn/internal/breaker"
	"github.com/firn-data/firn/internal/event"
	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/journal"
	"github.com/firn-data/firn/internal/object"
	"github.com/firn-data/firn/internal/work"
)

// scheduledSweep returns the message of the schedule.
func scheduledSweep(at time.Time) string { return fmt.Sprintf(`{"sweep":%q}`, at.Format(time.RFC3339)) }

// putVersion adds a version to the landing bucket. age is the version's age at noon.
func (b *fixture) putVersion(o object.Object, age time.Duration) object.Object {
	b.lister.versions = append(b.lister.versions, s3types.ObjectVersion{
		Key: aws.String(o.Key), VersionId: aws.String(o.Version), ETag: aws.String(`"` + o.ETag + `"`),
		Size: aws.Int64(o.Size), LastModified: aws.Time(noon.Add(-age)),
	})
	o.Sequencer = "" // the list has no sequencers
	return o
}

// takeAnnounced removes the announced objects from route's own queue.
func (b *fixture) takeAnnounced(t *testing.T) []object.Object {
	t.Helper()
	return objectsAnnouncedBy(t, b.takeOwnMessages()...)
}

func objectsAnnouncedBy(t *testing.T, bodies ...string) []object.Object {
	t.Helper()
	var all []object.Object
	for _, body := range bodies {
		notices, err := event.Decode(body)
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range notices {
			all = append(all, n.Object)
		}
	}
	return all
}

// takeOwnMessages removes and returns the messages of route to its own queue.
func (b *fixture) takeOwnMessages() []string {
	var own []string
	b.sqs.sent = slices.DeleteFunc(b.sqs.sent, func(s sentMessage) bool {
		if s.Queue == routeURL {
			own = append(own, s.Body)
		}
		return s.Queue == routeURL
	})
	return own
}

func versioned(key, version string) object.Object {
	o := landed(key)
	o.Version = version
	return o
}

func TestSweepAnnouncesWhatTheJournalDoesNotKnow(t *testing.T) {
	t.Parallel()
	known := landed("shop/order/known.csv")
	b := newFixture(t, journal.Entry{Object: known, Dataset: "shop.order", State: journal.Loaded})
	missed := b.putVersion(versioned("shop/order/a +%é.csv", "v2"), 2*time.Hour)
	older := b.putVersion(versioned("shop/order/a +%é.csv", "v1"), 3*time.Hour)
	b.putVersion(versioned("shop/order/folder/", "v1"), 2*time.Hour)
	b.lister.versions[2].Size = aws.Int64(0)
	b.putVersion(known, 2*time.Hour)
	b.putVersion(landed("shop/order/manifest/_manifest.json"), 2*time.Hour)
	unclaimed := b.putVersion(landed("unclaimed/file.csv"), 2*time.Hour)
	b.putVersion(landed("shop/order/young.csv"), time.Hour-time.Second)
	if f := b.handle(scheduledSweep(noon)); f != nil {
		t.Fatal(f)
	}
	messages := b.takeOwnMessages()
	if diff := cmp.Diff([]object.Object{missed, older, unclaimed}, objectsAnnouncedBy(t, messages...)); diff != "" {
		t.Errorf("announced (-want +got):\n%s", diff)
	}
	if !b.journal.sweptUntil.Equal(noon.Add(-time.Hour)) {
		t.Errorf("swept until %s", b.journal.sweptUntil)
	}
	for i, f := range []*fault.Fault{b.handle(messages[0]), b.handle(messages[1])} {
		if f != nil {
			t.Errorf("message %d: %v", i, f)
		}
	}
	checkFault(t, b.handle(messages[2]), fault.Permanent, fault.NoDataset)
	if len(b.sqs.sent) != 2 || b.sqs.sent[0].Queue != transformURL {
		t.Errorf("sent %+v, want two transforms", b.sqs.sent)
	}
	if f := b.handle(scheduledSweep(noon.Add(time.Hour))); f != nil || len(b.takeAnnounced(t)) != 1 { // the young version
		t.Errorf("the next sweep: %v, %+v", f, b.sqs.sent)
	}
}

// TestSweepReadsJournalOnlyForNewVersions: a sweep doesn't read the entries of versions
// that an earlier sweep listed. The exception is the overlap of the two sweeps.
func TestSweepReadsJournalOnlyForNewVersions(t *testing.T) {
	t.Parallel()
	b := newFixture(t)
	b.journal.sweptUntil = noon.Add(-2 * time.Hour)
	old := b.putVersion(landed("shop/order/old.csv"), 27*time.Hour)
	late := b.putVersion(landed("shop/order/uploaded-for-a-day.csv"), 25*time.Hour)
	if f := b.handle(scheduledSweep(noon)); f != nil {
		t.Fatal(f)
	}
	if got := b.takeAnnounced(t); len(got) != 1 || got[0].Key != late.Key || b.journal.reads[old.ID()] > 0 {
		t.Errorf("announced %+v, read the old entry %d times", got, b.journal.reads[old.ID()])
	}
	all := work.Sweep{At: noon, All: true}
	if f := b.handle(all.Encode()); f != nil || len(b.takeAnnounced(t)) != 2 {
		t.Errorf("a sweep of all: %v", f)
	}
}

// TestSweepContinuesPageByPage sweeps a bucket with many messages, and each message
// lists one page.
func TestSweepContinuesPageByPage(t *testing.T) {
	t.Parallel()
	b := newFixture(t)
	var put []string
	for i := range 9 {
		put = append(put, b.putVersion(landed(fmt.Sprintf("shop/order/%d.csv", i)), 5*time.Hour).Key)
	}
	b.lister.listed = func() { b.now = b.now.Add(11 * time.Second) }
	_, announced, messages := b.sweepAll(t, func(work.Sweep) {
		if !b.journal.sweptUntil.IsZero() {
			t.Error("the end of the sweep was recorded too early")
		}
	})
	var got []string
	for _, o := range announced {
		got = append(got, o.Key)
	}
	if diff := cmp.Diff(put, got); diff != "" || messages != 5 {
		t.Errorf("%d messages announced (-want +got):\n%s", messages, diff)
	}
	if !b.journal.sweptUntil.Equal(noon.Add(-time.Hour)) {
		t.Errorf("swept until %s", b.journal.sweptUntil)
	}
}

// TestFailedSweepStartsAgain: a sweep with an unsent message is repeated.
func TestFailedSweepStartsAgain(t *testing.T) {
	t.Parallel()
	for name, breaks := range map[string]func(*fixture){
		"S3 is unavailable":  func(b *fixture) { b.lister.err = &smithy.GenericAPIError{Code: "SlowDown"} },
		"SQS is unavailable": func(b *fixture) { b.sqs.unavailable = map[string]error{routeURL: fmt.Errorf("no answer")} },
		"SQS refuses the second message": func(b *fixture) {
			b.sqs.refuse = map[string]sqstypes.BatchResultErrorEntry{"second": {Code: aws.String("InternalError")}}
		},
		"the journal is unavailable": func(b *fixture) { b.journal.unavailable[landed("shop/order/first.csv").ID()] = true },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newFixture(t)
			b.putVersion(landed("shop/order/first.csv"), 2*time.Hour)
			b.putVersion(landed("shop/order/second.csv"), 2*time.Hour)
			breaks(b)
			if f := b.handle(scheduledSweep(noon)); f == nil || f.Disposition != fault.RetryAfter || !b.journal.sweptUntil.IsZero() {
				t.Errorf("got %v, swept until %s", f, b.journal.sweptUntil)
			}
		})
	}
}

// TestSweepSendsStuckObjects expects messages for stuck objects only.
func TestSweepSendsStuckObjects(t *testing.T) {
	t.Parallel()
	entry := func(name string, state journal.State, since time.Duration) journal.Entry {
		return journal.Entry{
			Object: landed("shop/order/" + name), Dataset: "shop.order", State: state, Generation: 2,
			Times: map[journal.State]time.Time{state: noon.Add(-since)},
		}
	}
	seen := entry("seen.csv", journal.Received, 30*time.Hour)
	seen.LastSweepAt = noon.Add(-5 * time.Hour)
	tried := entry("tried.csv", journal.Transformed, 50*time.Hour) // paused: the message comes back every 15 minutes
	tried.Delay = &journal.Delay{Code: fault.DatasetPaused, Last: noon.Add(-10 * time.Minute)}
	silent := entry("silent.csv", journal.Received, 50*time.Hour) // the message is lost since the last try
	silent.Delay = &journal.Delay{Code: fault.StoreAway, Last: noon.Add(-7 * time.Hour)}
	retried := entry("retried.csv", journal.Transforming, 10*time.Minute) // a new try is no progress
	retried.Progressed = noon.Add(-50 * time.Hour)
	entries := []journal.Entry{
		tried, silent, retried,
		entry("received.csv", journal.Received, 7*time.Hour), entry("transforming.csv", journal.Transforming, 7*time.Hour),
		entry("transformed.csv", journal.Transformed, 7*time.Hour), seen,
		entry("young.csv", journal.Received, 5*time.Hour), entry("failed.csv", journal.Failed, 70*time.Hour),
		entry("loaded.csv", journal.Loaded, 70*time.Hour),
	}
	younger := work.Seconds(4 * time.Hour)
	tests := []struct {
		name   string
		sweep  work.Sweep
		outage bool
		want   string
	}{
		{"defaults", work.Sweep{At: noon}, false, "received silent transformed transforming"},
		{"during an outage of Snowflake", work.Sweep{At: noon}, true, "received silent transforming"},
		{"younger objects", work.Sweep{At: noon, Stuck: &younger}, false, "received seen silent transformed transforming young"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			b := newFixture(t, entries...)
			b.journal.outage = breaker.Outage{Open: test.outage}
			if f := b.handle(test.sweep.Encode()); f != nil {
				t.Fatal(f)
			}
			var names []string
			for key, w := range b.sqs.works(t, routeURL, work.Route) {
				names = append(names, strings.TrimSuffix(strings.TrimPrefix(key, "shop/order/"), ".csv"))
				if w.Generation != 2 || w.Dataset != "shop.order" {
					t.Errorf("work %+v", w)
				}
			}
			slices.Sort(names)
			if got := strings.Join(names, " "); got != test.want {
				t.Errorf("stuck messages for %q, want %q", got, test.want)
			}
		})
	}
}

// sweepAll handles a sweep and its continuations, and calls check with each continuation
// before its handling. It returns the names of the stuck objects in the order of the
// messages, the announced objects and the number of handled messages.
func (b *fixture) sweepAll(t *testing.T, check func(work.Sweep)) (stuck []string, announced []object.Object, messages int) {
	t.Helper()
	for pending := []string{scheduledSweep(noon)}; len(pending) > 0; messages++ {
		message := pending[0]
		pending = pending[1:]
		if f := b.handle(message); f != nil {
			t.Fatal(f)
		}
		for _, body := range b.takeOwnMessages() {
			if s, err := work.DecodeSweep(body); err == nil {
				check(s)
				pending = append(pending, body)
			} else if w, err := work.Decode(body, work.Route); err == nil {
				stuck = append(stuck, strings.TrimSuffix(strings.TrimPrefix(w.Object.Key, "shop/order/"), ".csv"))
			} else {
				announced = append(announced, objectsAnnouncedBy(t, body)...)
			}
		}
	}
	return stuck, announced, messages
}

// continuesSearch returns a check that a continuation is of the search for stuck objects.
func continuesSearch(t *testing.T) func(work.Sweep) {
	t.Helper()
	return func(s work.Sweep) {
		if !s.At.Equal(noon) || s.StuckPlace == nil {
			t.Errorf("the next message is %s", s.Encode())
		}
	}
}

// TestLongSearchForStuckObjectsContinuesInAnotherMessage reads one page in each message.
func TestLongSearchForStuckObjectsContinuesInAnotherMessage(t *testing.T) {
	t.Parallel()
	var entries []journal.Entry
	for i := range 9 {
		state := []journal.State{journal.Received, journal.Transforming, journal.Transformed}[i/3]
		entries = append(entries, journal.Entry{
			Object: landed(fmt.Sprintf("shop/order/%d.csv", i)), Dataset: "shop.order", State: state,
			Times: map[journal.State]time.Time{state: noon.Add(-100*time.Hour + time.Duration(i)*time.Minute)},
		})
	}
	b := newFixture(t, entries...)
	unannounced := b.putVersion(landed("shop/order/lost.csv"), 2*time.Hour)
	b.journal.stuckPage = 2
	b.journal.pageRead = func() {
		if !b.journal.sweptUntil.IsZero() {
			t.Error("the bucket was swept before the end of the search for stuck objects")
		}
		b.now = b.now.Add(20 * time.Second)
	}
	stuck, announced, messages := b.sweepAll(t, continuesSearch(t))
	if diff := cmp.Diff(strings.Split("0 1 2 3 4 5 6 7 8", " "), stuck); diff != "" || messages != 6 {
		t.Errorf("%d messages sent (-want +got):\n%s", messages, diff)
	}
	if len(announced) != 1 || announced[0].Key != unannounced.Key || b.journal.sweptUntil.IsZero() {
		t.Errorf("announced %+v, swept until %s", announced, b.journal.sweptUntil)
	}
}

// TestPausedObjectsDoNotStarveStuckObject has one stuck object behind 100,000 objects
// of a paused dataset, whose messages come back every 15 minutes. A message has 15
// seconds, and each page takes a tenth of a second.
func TestPausedObjectsDoNotStarveStuckObject(t *testing.T) {
	t.Parallel()
	const paused = 100_000
	entries := make([]journal.Entry, 0, paused+1)
	for i := range paused {
		entries = append(entries, journal.Entry{
			Object: landed(fmt.Sprintf("shop/order/%d.csv", i)), Dataset: "shop.order", State: journal.Transformed,
			Progressed: noon.Add(-100 * time.Hour), Times: map[journal.State]time.Time{journal.Transformed: noon.Add(-100 * time.Hour)},
			Delay: &journal.Delay{Code: fault.DatasetPaused, Last: noon.Add(-10 * time.Minute)},
		})
	}
	entries = append(entries, journal.Entry{
		Object: landed("shop/order/stuck.csv"), Dataset: "shop.order", State: journal.Transformed,
		Times: map[journal.State]time.Time{journal.Transformed: noon.Add(-7 * time.Hour)},
	})
	b := newFixture(t, entries...)
	pages := 0
	b.journal.pageRead = func() { pages++; b.now = b.now.Add(100 * time.Millisecond) }
	stuck, _, messages := b.sweepAll(t, continuesSearch(t))
	if diff := cmp.Diff([]string{"stuck"}, stuck); diff != "" || messages < 2 || pages > paused/500+3 {
		t.Errorf("%d messages with %d pages sent (-want +got):\n%s", messages, pages, diff)
	}
}
