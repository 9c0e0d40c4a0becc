package alert_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/firn-data/firn/internal/batch"
	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/journal"
	"github.com/firn-data/firn/internal/object"
	"github.com/firn-data/firn/internal/work"
)

// TestLaterMailsMatchGoldenFiles compares digests and mails about recoveries with golden
// files. Each test returns with one mail of this kind as the last mail.
func TestLaterMailsMatchGoldenFiles(t *testing.T) {
	t.Parallel()
	const orders = "shop.order"
	failMany := func(s *simulation, n int) (objects []object.Object) {
		for range n {
			objects = append(objects, s.fail(orders, "copy_refused"))
			s.clock.advance(time.Millisecond)
		}
		return objects
	}
	tests := []struct {
		name string
		run  func(s *simulation)
	}{
		{"digest_of_many", func(s *simulation) {
			failMany(s, 40)
			s.run(12 * time.Minute)
		}},
		{"digest_of_one", func(s *simulation) {
			failMany(s, 1)
			s.run(time.Minute)
			s.fail(orders, "copy_refused")
			s.run(12 * time.Minute)
		}},
		{"digest_as_first_mail", func(s *simulation) { // the hourly limit delayed the first mail
			for range mailLimit {
				s.put(heldNotice(fmt.Sprint("h", s.serial), "2026-02-28", 99))
				s.serial++
				s.handle()
			}
			failMany(s, 3)
			s.run(61 * time.Minute)
		}},
		{"digest_of_messages", func(s *simulation) {
			for range 23 {
				s.junk()
			}
			s.run(12 * time.Minute)
		}},
		{"digest_of_run", func(s *simulation) {
			for i := range 2 {
				s.put(failedRun(i))
				s.handle()
			}
			s.run(12 * time.Minute)
		}},
		{"digest_of_held_deliveries", func(s *simulation) {
			for i := range mailLimit + 3 {
				s.put(heldNotice(fmt.Sprint("h", i), fmt.Sprintf("2026-02-%02d", i+1), 99))
				s.handle()
			}
			s.run(61 * time.Minute)
		}},
		{"recovered", func(s *simulation) {
			objects := failMany(s, 3)
			s.run(25 * time.Minute)
			s.move(objects[0], journal.Loaded)
			s.move(objects[1], journal.Loaded)
			s.move(objects[2], journal.Superseded)
			s.run(2 * time.Minute)
		}},
		{"recovered_with_other_failure", func(s *simulation) {
			s.topic.refuse = map[string]error{"too_many_rejects": errAway}
			o := s.fail("", "no_dataset")
			s.run(25 * time.Minute)
			s.failAgain(o, "", "too_many_rejects")
			s.run(2 * time.Minute)
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := inMemory(t)
			test.run(s)
			if len(s.topic.mails) == 0 {
				t.Fatal("no mail")
			}
			mail := s.topic.mails[len(s.topic.mails)-1]
			golden(t, test.name, "Subject: "+aws.ToString(mail.Subject)+"\n\n"+aws.ToString(mail.Message))
		})
	}
}

// failedRun returns the dead letter of an ingestion run.
func failedRun(day int) batch.Message {
	run := fmt.Sprintf("201802%02dT000000Z-201802%02dT000000Z", day+1, day+2)
	return batch.Message{
		ID: fmt.Sprint("run", day), Body: `{"dataset":"station.event","scheduled":"2018-02-02T06:00:00Z","hop":0}`, Sent: failedAt, Receives: 1, Queue: "dead",
		Attributes: work.DeadLetter{
			Stage: "ingest", Code: fault.SourceRefused, Cause: "400 Bad Request: unknown parameter", Dataset: "station.event",
			Subject: "station.event " + run, RunID: run, Queue: "ingest",
		}.Encode(),
	}
}

// TestObjectThatMovedOnBeforeMailHasNoRecoveryMail: the first mail says that nothing is
// to do, so no second mail repeats that.
func TestObjectThatMovedOnBeforeMailHasNoRecoveryMail(t *testing.T) {
	t.Parallel()
	s := inMemory(t)
	s.move(s.fail("shop.order", "exhausted"), journal.Loaded)
	s.run(time.Hour)
	if mails := s.mails(); len(mails) != 1 || !strings.Contains(mails[0].body, "The object was loaded after this failure.") {
		t.Errorf("%d mails, want one", len(mails))
	}
	if open, err := s.store.OpenNotices(t.Context()); err != nil || len(open) != 0 {
		t.Errorf("%d notices are open: %v", len(open), err)
	}
}

// TestRecoveryWaitsForObjectsInProgress: a redriven object isn't recovered before its
// load.
func TestRecoveryWaitsForObjectsInProgress(t *testing.T) {
	t.Parallel()
	s := inMemory(t)
	o := s.fail("shop.order", "copy_refused")
	s.run(time.Hour)
	for _, state := range []journal.State{journal.Received, journal.Transforming, journal.Transformed} {
		s.move(o, state)
		s.run(time.Hour)
		if got := len(s.mails()); got != 1 {
			t.Fatalf("%d mails while the object is %s", got, state)
		}
	}
	s.move(o, journal.Withdrawn)
	s.run(2 * time.Minute)
	if mails := s.mails(); len(mails) != 2 || !mails[1].recovered {
		t.Errorf("%d mails, want a second about the recovery", len(mails))
	}
}

// TestUnavailableJournalSendsNoMail: without the notice, a flood would have no limit.
// The dead letter returns, and a later delivery sends the mail.
func TestUnavailableJournalSendsNoMail(t *testing.T) {
	t.Parallel()
	s := inMemory(t)
	away := true
	s.store.(fakeStore).fault = func(string) error {
		if away {
			return errAway
		}
		return nil
	}
	s.fail("shop.order", "copy_refused")
	s.run(5 * time.Minute)
	if len(s.mails()) != 0 || len(s.queue) != 1 {
		t.Fatalf("%d mails, %d messages in the queue", len(s.mails()), len(s.queue))
	}
	away = false
	s.run(time.Minute)
	if len(s.mails()) != 1 || len(s.queue) != 0 {
		t.Errorf("%d mails, %d messages in the queue", len(s.mails()), len(s.queue))
	}
}

// TestFailureDuringRecoveryIsNotLost: an object fails between the check of the index and
// the end of the notice.
func TestFailureDuringRecoveryIsNotLost(t *testing.T) {
	t.Parallel()
	for _, operation := range []string{"recover", "close"} {
		t.Run(operation, func(t *testing.T) {
			t.Parallel()
			s := inMemory(t)
			s.move(s.fail("shop.order", "copy_refused"), journal.Received)
			s.failAgain(object.Object{Bucket: "firn-landing", Key: "shop.order/1.csv", Version: "v", ETag: "e", Size: 70}, "shop.order", "copy_refused")
			s.run(20 * time.Minute)
			before := len(s.mails())
			notices, failed := s.store.(fakeStore).fakeNotices, false
			notices.fault = func(current string) error {
				if current == operation && !failed {
					failed = true
					notices.mutex.Unlock()
					s.fail("shop.order", "copy_refused")
					s.handle()
					notices.mutex.Lock()
				}
				return nil
			}
			s.move(object.Object{Bucket: "firn-landing", Key: "shop.order/1.csv", Version: "v", ETag: "e", Size: 70}, journal.Loaded)
			s.run(time.Hour)
			if got := sum(s.mails()[before:]); !failed || got != 1 {
				t.Errorf("the mails after the recovery count %v failures, want the sum 1", counts(s.mails()[before:]))
			}
		})
	}
}

// TestFailureMissingInIndexIsNotLost: the index has the last failure twenty seconds
// late, after the check for a recovery.
func TestFailureMissingInIndexIsNotLost(t *testing.T) {
	t.Parallel()
	s := inMemory(t)
	s.store.(fakeStore).lag = 20 * time.Second
	o := s.fail("shop.order", "copy_refused")
	s.run(30 * time.Minute)
	s.move(o, journal.Loaded)
	s.fail("shop.order", "copy_refused")
	s.handle()
	if failed := s.tick(); len(failed) != 0 {
		t.Fatal(failed)
	}
	s.run(time.Hour)
	if got := counts(s.mails()); len(got) != 2 || got[1] != 1 {
		t.Errorf("the mails count %v failures, want two with one failure each", got)
	}
}
