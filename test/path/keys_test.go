//go:build endtoend

package path_test

import (
	"testing"
	"time"

	"github.com/firn-data/firn/internal/journal"
)

// S3 form-encodes keys in its events: a space is a plus, a plus is %2B. Every
// key must come out as its owner typed it.
func TestKeysWithSpecialCharactersLoad(t *testing.T) {
	t.Parallel()
	names := map[string]string{
		"a space":       "all customers.csv",
		"a plus":        "air+lines.csv",
		"a percent":     "100%.csv",
		"an escape":     "a%20b.csv",
		"an equals":     "day=1/lines.csv",
		"an umlaut":     "Flüge.csv",
		"CJK":           "航空会社.csv",
		"an ampersand":  "a&b.csv",
		"a quote":       "it's.csv",
		"a question":    "what?.csv",
		"a hash":        "no#1.csv",
		"several kinds": "a b+c%d=é.csv",
	}
	for what, name := range names {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			o := put(t, "shop/customer/keys/"+name, customers(what, 3))
			checkState(t, awaitStopped(t, o)[0], journal.Loaded)
			if got := rowsOf(t, o); got != 3 {
				t.Errorf("%d rows, want 3", got)
			}
			newest, err := stack.operator.Status(t.Context(), o.URI())
			if err != nil || newest.ID != o.ID() {
				t.Errorf("status of %s: %s, %v", o.URI(), newest.ID, err)
			}
		})
	}
}

// S3 sends this once when a notification is set up. It is no object and no
// fault.
func TestS3TestEventIsIgnored(t *testing.T) {
	t.Parallel()
	since := time.Now()
	id := send(t, `{"Service":"Amazon S3","Event":"s3:TestEvent","Time":"2026-11-24T00:00:00.000Z","Bucket":"b","RequestId":"r","HostId":"h"}`)[0]
	eventually(t, "the test event is done", func() (bool, string) {
		for _, line := range logOf(t, "Route", since) {
			if line.ID != id {
				continue
			}
			if line.Code != "" || line.Error != "" {
				t.Fatalf("the test event was no silence: %+v", line)
			}
			if line.Message == "message done" {
				return true, ""
			}
		}
		return false, "no line"
	})
	if mails := mailsAbout(t, id); len(mails) > 0 {
		t.Errorf("it was mailed: %s", mails[0].Subject)
	}
}

func TestFoldersAndManifestsAreIgnored(t *testing.T) {
	t.Parallel()
	for _, key := range []string{keyOf(t, "") + "/", keyOf(t, "run=1/_manifest.json")} {
		o := put(t, key, nil)
		entry := awaitStopped(t, o)[0]
		checkState(t, entry, journal.Ignored)
		if entry.Reason == "" {
			t.Errorf("%s is ignored without a reason", key)
		}
	}
}
