//go:build endtoend

package path_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/firn-data/firn/internal/journal"
	"github.com/firn-data/firn/internal/object"
)

// The same event arrives five times before the first load. Loads are paused until every
// copy is routed.
func TestRepeatedEventLoadsOnce(t *testing.T) {
	var o object.Object
	withoutLandingNotifications(t, func() { o = put(t, keyOf(t, "customers.csv"), customers("five times", 7)) })
	release := pauseLoads(t)
	since := time.Now()
	event := s3Event(o, "01")
	ids := send(t, event, event, event, event, event)
	eventually(t, "all five are routed", func() (bool, string) {
		done := 0
		for _, line := range logOf(t, "Route", since) {
			if line.Message == "message done" && slices.Contains(ids, line.ID) {
				done++
			}
		}
		return done == len(ids), fmt.Sprint(done)
	})
	awaitState(t, o, journal.Transformed)
	release()
	checkState(t, awaitStopped(t, o)[0], journal.Loaded)
	if got := rowsOf(t, o); got != 7 {
		t.Errorf("%d rows, want 7", got)
	}
	if entries, rows := ledgerOf(t, o); entries != 1 || rows != 7 {
		t.Errorf("the ledger has %d entries with %d rows, want 1 with 7", entries, rows)
	}
}

// A second version of a key replaces the rows of the first version. The order of the
// events doesn't matter.
func TestNewVersionReplacesRows(t *testing.T) {
	tests := []struct {
		name string
		// order is the order of the events; 0 is the older version.
		order []int
	}{
		{"in order", []int{0, 1}},
		{"in reverse order", []int{1, 0}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			key := keyOf(t, "customers.csv")
			var versions [2]object.Object
			withoutLandingNotifications(t, func() {
				versions[0] = put(t, key, customers("older", 5))
				versions[1] = put(t, key, customers("newer", 3))
			})
			sequencers := []string{"0055AED6DCD90281E5", "0055AED6DCD90281E6"}
			for _, i := range test.order {
				send(t, s3Event(versions[i], sequencers[i]))
				awaitStopped(t, versions[i])
			}
			awaitState(t, versions[0], journal.Superseded)
			awaitState(t, versions[1], journal.Loaded)
			if got := rowsOf(t, versions[0]); got != 0 {
				t.Errorf("the older version has %d rows, want 0", got)
			}
			if got := rowsOf(t, versions[1]); got != 3 {
				t.Errorf("the newer version has %d rows, want 3", got)
			}
			newest, err := stack.operator.Status(t.Context(), versions[1].URI())
			if err != nil || newest.ID != versions[1].ID() {
				t.Errorf("status shows version %s: %v", newest.Object.Version, err)
			}
		})
	}
}

// Two versions wait for their loads at the same time. One transaction loads the newer
// version.
func TestNewestOfTwoWaitingVersionsIsLoaded(t *testing.T) {
	t.Parallel()
	release := pauseLoads(t)
	key := keyOf(t, "customers.csv")
	older := put(t, key, customers("older", 5))
	newer := put(t, key, customers("newer", 4))
	awaitState(t, older, journal.Transformed)
	awaitState(t, newer, journal.Transformed)
	release()
	awaitState(t, newer, journal.Loaded)
	awaitState(t, older, journal.Superseded)
	if replaced, kept := rowsOf(t, older), rowsOf(t, newer); replaced != 0 || kept != 4 {
		t.Errorf("%d older and %d newer rows, want 0 and 4", replaced, kept)
	}
}

// One unreadable message is among ten messages of one invocation. Nine objects are
// loaded on the first receive. The unreadable message causes a mail.
func TestUnreadableMessageFailsAlone(t *testing.T) {
	const unreadable = 4
	var objects []object.Object
	bodies := make([]string, 10)
	withoutLandingNotifications(t, func() {
		for i := range bodies {
			if i == unreadable {
				bodies[i] = `{"unreadable": "` + t.Name() + `"`
				continue
			}
			o := put(t, keyOf(t, fmt.Sprintf("%d.csv", i)), customers(fmt.Sprint("batch ", i), 2))
			objects = append(objects, o)
			bodies[i] = s3Event(o, fmt.Sprint(i+1))
		}
	})
	since := time.Now()
	ids := send(t, bodies...)
	for _, entry := range awaitStopped(t, objects...) {
		checkState(t, entry, journal.Loaded)
	}
	eventually(t, "the unreadable message causes one mail", func() (bool, string) {
		mails := mailsSoon(t, t.Name()+`"`)
		return len(mails) == 1, fmt.Sprint(len(mails), " mails")
	})
	requests := make(map[string]bool)
	for i, id := range ids {
		lines := linesAbout(logOf(t, "Route", since), id)
		if len(lines) != 1 || lines[0].Receives != 1 {
			t.Fatalf("message %d has %d log lines, want 1 of the first receive: %+v", i, len(lines), lines)
		}
		if want := map[bool]string{true: "message failed", false: "message done"}[i == unreadable]; lines[0].Message != want {
			t.Errorf("message %d has the log line %q, want %q", i, lines[0].Message, want)
		}
		requests[lines[0].Request] = true
	}
	if len(requests) != 1 {
		t.Errorf("the ten messages were in %d invocations, want 1", len(requests))
	}
}

// Thirty unreadable messages arrive at once. The first mail and the digests count each
// message once. The client may send a request twice, so the log of route has the number
// of the messages.
func TestManyUnreadableMessagesAreCountedOnce(t *testing.T) {
	const messages, batchSize, maxMails = 30, 10, 8
	before, since := len(inbox(t)), time.Now()
	for i := range messages / batchSize {
		bodies := make([]string, batchSize)
		for k := range bodies {
			bodies[k] = fmt.Sprintf("unreadable %s %d.%d", t.Name(), i, k)
		}
		send(t, bodies...)
	}
	failed, counted, mails := make(map[string]bool), 0, 0
	eventually(t, "the mails count every message", func() (bool, string) {
		counted, mails = 0, 0
		for _, m := range inbox(t)[before:] {
			var n int
			if _, err := fmt.Sscanf(m.Subject, "firn [laptop]: no dataset: %d message", &n); err == nil {
				counted, mails = counted+n, mails+1
			}
		}
		for _, line := range logOf(t, "Route", since) {
			if line.Message == messageFailed {
				failed[line.ID] = true
			}
		}
		mailsSoon(t, "a text that no mail has")
		return len(failed) >= messages && counted >= len(failed), fmt.Sprintf("%d messages failed, %d mails count %d", len(failed), mails, counted)
	})
	if counted != len(failed) || mails > maxMails {
		t.Errorf("%d mails count %d messages, want at most %d mails with %d", mails, counted, maxMails, len(failed))
	}
}

func linesAbout(lines []logLine, message string) []logLine {
	return slices.DeleteFunc(lines, func(l logLine) bool { return l.ID != message })
}
