package alert_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/firn-data/firn/internal/alert"
	"github.com/firn-data/firn/internal/batch"
	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/help"
	"github.com/firn-data/firn/internal/journal"
)

// commandOf returns the command in a mail's part for machines.
func commandOf(t *testing.T, body string) string {
	t.Helper()
	_, machines, _ := strings.Cut(body, "\n"+alert.Separator+"\n")
	var m struct{ Command string }
	if err := json.Unmarshal([]byte(machines), &m); err != nil {
		t.Fatal(err)
	}
	return m.Command
}

// TestMailOfEachCodeHasCommandOfTable sends the mail of one failed object. A code without
// a command for an object shows the state.
func TestMailOfEachCodeHasCommandOfTable(t *testing.T) {
	t.Parallel()
	for _, code := range fault.Codes() {
		t.Run(string(code), func(t *testing.T) {
			t.Parallel()
			b := newFixture(t)
			o := b.failed(landing("shop/order/day.csv"), "shop.order")
			if failed := b.alerter.Handle(t.Context(), []batch.Message{deadLetter("m", o, "shop.order", string(code))}); len(failed) != 0 {
				t.Fatal(failed)
			}
			subject := help.Subject{Dataset: "shop.order", Code: code, Objects: 1, Name: o.URI(), ID: o.ID(), Key: o.Key, InJournal: true}
			want := help.ForCode(code).Command(subject).String()
			switch {
			case code == fault.BadRequest:
				want = "firn ingest --help"
			case want == "" && code == fault.NotWithdrawn:
				want = "firn audit --dataset shop.order"
			case want == "":
				want = "firn status " + o.URI()
			}
			if got := commandOf(t, aws.ToString(b.topic.mails[0].Message)); got != want {
				t.Errorf("the mail has the command %q, want %q", got, want)
			}
		})
	}
}

// TestMailAboutDismissedObjectNeedsNothing: a person dismissed the object before the mail.
func TestMailAboutDismissedObjectNeedsNothing(t *testing.T) {
	t.Parallel()
	for state, want := range map[journal.State]string{
		journal.Dismissed: "To do       Nothing. A person dismissed the object after this failure",
		journal.Ignored:   "To do       Nothing. firn leaves the object alone on purpose",
	} {
		b := newFixture(t)
		o := landing("shop/order/day.csv")
		b.journal.add(journal.Entry{Object: o, Dataset: "shop.order", State: state})
		if failed := b.alerter.Handle(t.Context(), []batch.Message{deadLetter("m", o, "shop.order", "bad_header")}); len(failed) != 0 {
			t.Fatal(failed)
		}
		body := aws.ToString(b.topic.mails[0].Message)
		if !strings.Contains(body, want) || strings.Contains(body, "Then type") || commandOf(t, body) != "firn status "+o.URI() {
			t.Errorf("mail about an object in %s:\n%s", state, body)
		}
	}
}
