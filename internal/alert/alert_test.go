package alert_test

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/smithy-go"
	"github.com/google/go-cmp/cmp"

	"github.com/firn-data/firn/internal/batch"
	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/journal"
	"github.com/firn-data/firn/internal/object"
	"github.com/firn-data/firn/internal/work"
)

func (b *fixture) subjects() []string {
	var subjects []string
	for _, m := range b.topic.mails {
		subjects = append(subjects, aws.ToString(m.Subject))
	}
	return subjects
}

func TestOneMailForEachDatasetAndCode(t *testing.T) {
	t.Parallel()
	b := newFixture(t)
	var messages []batch.Message
	for i, kind := range []struct{ dataset, code string }{
		{"a.b", "exhausted"}, {"a.c", "exhausted"}, {"a.b", "bad_header"}, {"a.b", "exhausted"}, {"", "no_dataset"},
	} {
		o := b.failed(landing(fmt.Sprint(i)), kind.dataset)
		messages = append(messages, deadLetter(fmt.Sprint("m", i), o, kind.dataset, kind.code))
	}
	messages = append(messages, messages[0], deadLetter("again", landing("0"), "a.b", "exhausted"))
	if failed := b.alerter.Handle(context.Background(), messages); len(failed) != 0 {
		t.Fatal(failed)
	}
	want := []string{
		"firn [test]: a.b: 2 objects failed: exhausted", "firn [test]: a.c: 1 object failed: exhausted",
		"firn [test]: a.b: 1 object failed: bad_header", "firn [test]: no dataset: 1 object failed: no_dataset",
	}
	if diff := cmp.Diff(want, b.subjects()); diff != "" {
		t.Errorf("mails (-want +got):\n%s", diff)
	}
}

func TestFailedPublishReturnsItsMessagesOnly(t *testing.T) {
	t.Parallel()
	for code, wantCode := range map[string]fault.Code{"AuthorizationError": fault.AccessDenied, "Throttled": fault.TopicAway} {
		b := newFixture(t)
		b.topic.refuse = map[string]error{"a.b": &smithy.GenericAPIError{Code: code}}
		var messages []batch.Message
		for i, dataset := range []string{"a.b", "a.c", "a.b"} {
			o := b.failed(landing(fmt.Sprint(i)), dataset)
			messages = append(messages, deadLetter(fmt.Sprint("m", i), o, dataset, "exhausted"))
		}
		messages = append(messages, deadLetter("same object", landing("0"), "a.b", "exhausted"))
		failed := b.alerter.Handle(context.Background(), messages)
		for _, id := range []string{"m0", "m2", "same object"} {
			f := fault.As(failed[id])
			if f == nil || f.Disposition != fault.RetryAfter || f.Code != wantCode {
				t.Errorf("%s: %v", id, f)
			}
		}
		if len(failed) != 3 || len(b.topic.mails) != 1 {
			t.Errorf("failed %v, %d mails", failed, len(b.topic.mails))
		}
	}
}

func TestSubjectIsAlwaysLegal(t *testing.T) {
	t.Parallel()
	b := newFixture(t)
	o := b.failed(landing("k"), "")
	m := deadLetter("m", o, strings.Repeat("é\n", 80), "code")
	if failed := b.alerter.Handle(context.Background(), []batch.Message{m}); len(failed) != 0 || len(b.topic.mails) != 1 {
		t.Fatal(failed) // fakeTopic checks the subject
	}
}

func TestLongCausesFitIntoMail(t *testing.T) {
	t.Parallel()
	b := newFixture(t)
	var messages []batch.Message
	for i := range 40 {
		o := b.failed(landing(fmt.Sprint(strings.Repeat("\u0001", 900), i)), "a.b")
		messages = append(messages, deadLetter(fmt.Sprint("m", i), o, "a.b", "exhausted", "cause", strings.Repeat("\u0001日", 4000)))
	}
	if failed := b.alerter.Handle(context.Background(), messages); len(failed) != 0 || len(b.topic.mails) != 1 {
		t.Fatal(failed) // fakeTopic checks the size
	}
}

// event returns the S3 event of an object.
func event(o object.Object) string {
	return fmt.Sprintf(`{"Records": [{"eventVersion": "2.1", "eventSource": "aws:s3", "eventName": "ObjectCreated:Put",
		"s3": {"bucket": {"name": %q}, "object": {"key": %q, "size": %d, "versionId": %q, "eTag": "e"}}}]}`,
		o.Bucket, url.QueryEscape(o.Key), o.Size, o.Version)
}

// TestUnreportedDeadLetterIsRecordedInJournal has messages from SQS itself. No stage
// recorded the failure in the journal, so alert must record the failure with the
// message for a redrive.
func TestUnreportedDeadLetterIsRecordedInJournal(t *testing.T) {
	t.Parallel()
	o := landing("shop/order/day.csv")
	attempt := object.Attempt{Dataset: "shop.order", Object: o.ID(), Name: "a1"}
	receipt := object.Object{Bucket: "firn-curated", Key: attempt.Receipt(), Version: "c"}
	bodies := map[string]string{
		"transform": work.Work{Stage: work.Transform, Dataset: "shop.order", Object: o}.Encode(),
		"load": work.Work{
			Stage: work.Load, Dataset: "shop.order", Object: o, Receipt: &work.Location{Bucket: "b", Key: "k"},
		}.Encode(),
		"landing": event(o), "receipt": event(receipt),
	}
	const crashed = "firn [test]: shop.order: 1 object failed: crashed"
	tests := []struct {
		body, state journal.State
		subject     string
		stage       string
	}{
		{"transform", journal.Transforming, crashed, "transform"},
		{"transform", journal.Received, crashed, "transform"},
		{"transform", "", crashed, "transform"},
		{"transform", journal.Transformed, "", ""},
		{"transform", journal.Loaded, "", ""},
		{"transform", journal.Dismissed, "", ""},
		{"load", journal.Transformed, crashed, "load"},
		{"load", journal.Superseded, "", ""},
		{"landing", journal.Received, crashed, "route"},
		{"landing", "", "firn [test]: no dataset: 1 object failed: crashed", "route"},
		{"landing", journal.Transforming, "", ""},
		{"landing", journal.Ignored, "", ""},
		{"receipt", journal.Transforming, crashed, "route"},
		{"receipt", journal.Transformed, crashed, "route"},
		{"receipt", journal.Loaded, "", ""},
	}
	for _, test := range tests {
		t.Run(string(test.body+" "+test.state), func(t *testing.T) {
			t.Parallel()
			b := newFixture(t)
			if test.state != "" {
				b.journal.add(journal.Entry{Object: o, Dataset: "shop.order", State: test.state})
			}
			m := batch.Message{ID: "m", Body: bodies[string(test.body)], Receives: 1000, Queue: "dead"}
			if failed := b.alerter.Handle(context.Background(), []batch.Message{m}); len(failed) != 0 {
				t.Fatal(failed)
			}
			if got := strings.Join(b.subjects(), ";"); got != test.subject {
				t.Fatalf("mails %q, want %q", got, test.subject)
			}
			e := b.journal.entries[o.ID()]
			if test.subject == "" {
				if e.State != test.state {
					t.Errorf("journal has %+v", e)
				}
				return
			}
			if e.State != journal.Failed || e.Code != "crashed" || e.Stage != test.stage || e.Message != m.Body {
				t.Errorf("journal has %+v", e)
			}
			if mail := aws.ToString(b.topic.mails[0].Message); !strings.Contains(mail, "\nThen type   firn redrive "+o.URI()+"\n") {
				t.Errorf("mail lacks its command:\n%s", mail)
			}
		})
	}
}

// TestUnreportedDeadLetterOfEarlierGenerationFailsNothing: the message of the reload
// continues the object.
func TestUnreportedDeadLetterOfEarlierGenerationFailsNothing(t *testing.T) {
	t.Parallel()
	o := landing("shop/order/day.csv")
	of := func(generation int) []string {
		attempt := object.Attempt{Dataset: "shop.order", Object: o.ID(), Name: object.AttemptName(generation, 1, "a")}
		w := work.Work{Stage: work.Transform, Dataset: "shop.order", Object: o, Generation: generation}
		return []string{w.Encode(), event(object.Object{Bucket: "firn-curated", Key: attempt.Receipt(), Version: "c"})}
	}
	for generation, want := range []int{0, 1} {
		for _, body := range of(generation) {
			b := newFixture(t)
			b.journal.add(journal.Entry{Object: o, Dataset: "shop.order", State: journal.Transforming, Generation: 1})
			m := batch.Message{ID: "m", Body: body, Receives: 1000, Queue: "dead"}
			if failed := b.alerter.Handle(t.Context(), []batch.Message{m}); len(failed) != 0 {
				t.Fatal(failed)
			}
			if got := len(b.subjects()); got != want {
				t.Errorf("generation %d: %d mails, want %d: %s", generation, got, want, body)
			}
		}
	}
}

// TestUnreportedDeadLetterKeepsRecordedCause: the stage recorded the failure in the
// journal, but didn't send a dead letter.
func TestUnreportedDeadLetterKeepsRecordedCause(t *testing.T) {
	t.Parallel()
	b := newFixture(t)
	o := landing("shop/order/day.csv")
	b.journal.add(journal.Entry{
		Object: o, Dataset: "shop.order", State: journal.Failed, Stage: "transform",
		Code: "bad_header", Cause: "no column year", Hint: "h", Message: "first",
	})
	m := batch.Message{ID: "m", Body: work.Work{Stage: work.Transform, Dataset: "shop.order", Object: o}.Encode()}
	if failed := b.alerter.Handle(context.Background(), []batch.Message{m}); len(failed) != 0 {
		t.Fatal(failed)
	}
	if diff := cmp.Diff([]string{"firn [test]: shop.order: 1 object failed: bad_header"}, b.subjects()); diff != "" {
		t.Fatalf("mails (-want +got):\n%s", diff)
	}
	if !strings.Contains(aws.ToString(b.topic.mails[0].Message), "no column year") || b.journal.entries[o.ID()].Message != "first" {
		t.Error("the first failure was overwritten")
	}
}

func TestUnreportedDeadLetterWithoutObjectSendsMail(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, body, subject, words string }{
		{
			"ingest", `{"dataset":"station.event","start":"2018-02-01T00:00:00Z","end":"2018-02-02T00:00:00Z","hop":1}`,
			"firn [test]: station.event: 1 message failed: crashed",
			"Then type   firn ingest station.event --start 2018-02-01T00:00:00Z --end 2018-02-02T00:00:00Z\n",
		},
		{
			"withdrawal", work.Work{
				Stage: work.Load, Dataset: "a.b", Object: landing("k"), Withdraw: &work.Withdrawal{By: "S3"},
			}.Encode(), "firn [test]: a.b: 1 message failed: not_withdrawn", "Then type   firn withdraw " + landing("k").URI() + " --reason 'deleted in S3'\n",
		},
		{"text", "hello", "firn [test]: no dataset: 1 message failed: undecodable_message", "message     hello"},
		{"receipt of an unknown object", event(object.Object{Bucket: "c", Key: object.Attempt{
			Dataset: "a.b", Object: landing("k").ID(), Name: "a",
		}.Receipt()}), "firn [test]: a.b: 1 object failed: crashed", "Then type   firn sweep\n"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			b := newFixture(t)
			if failed := b.alerter.Handle(context.Background(), []batch.Message{{ID: "m", Body: test.body, Receives: 3}}); len(failed) != 0 {
				t.Fatal(failed)
			}
			if diff := cmp.Diff([]string{test.subject}, b.subjects()); diff != "" {
				t.Fatalf("mails (-want +got):\n%s", diff)
			}
			if mail := aws.ToString(b.topic.mails[0].Message); !strings.Contains(mail, test.words) {
				t.Errorf("mail lacks %q:\n%s", test.words, mail)
			}
			if len(b.journal.entries) != 0 {
				t.Error("an entry was created")
			}
		})
	}
}

func TestDeadLetterWithoutFailureSendsNoMail(t *testing.T) {
	t.Parallel()
	b := newFixture(t)
	failed := b.alerter.Handle(context.Background(), []batch.Message{{ID: "m", Body: `{"Event": "s3:TestEvent"}`}})
	if len(failed) != 0 || len(b.topic.mails) != 0 {
		t.Errorf("failed %v, mails %v", failed, b.subjects())
	}
}

// TestUnavailableJournalDelaysOnlyUnreportedLetters: an unrecorded failure waits for
// the journal, and a recorded failure is mailed.
func TestUnavailableJournalDelaysOnlyUnreportedLetters(t *testing.T) {
	t.Parallel()
	b := newFixture(t)
	b.journal.unavailable = true
	failed := b.alerter.Handle(context.Background(), []batch.Message{
		{ID: "unreported", Body: event(landing("k"))}, deadLetter("reported", landing("l"), "a.b", "exhausted"),
	})
	var f *fault.Fault
	if !errors.As(failed["unreported"], &f) || f.Disposition != fault.RetryAfter || f.Code != fault.JournalAway {
		t.Errorf("unreported: %v", failed["unreported"])
	}
	if len(failed) != 1 || len(b.topic.mails) != 1 {
		t.Errorf("failed %v, %d mails", failed, len(b.topic.mails))
	}
}

func TestPanicFailsOnlyItsMessage(t *testing.T) {
	t.Parallel()
	b := newFixture(t)
	b.alerter.Journal = nil
	failed := b.alerter.Handle(context.Background(), []batch.Message{
		{ID: "bad", Body: event(landing("k"))},
		{ID: "good", Body: "x", Attributes: map[string]string{"code": "undecodable_message"}},
	})
	if failed["bad"] == nil || failed["good"] != nil || len(b.topic.mails) != 1 {
		t.Errorf("failed %v, %d mails", failed, len(b.topic.mails))
	}
}
