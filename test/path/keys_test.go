//go:build endtoend

package path_test

import (
	"testing"
	"time"

	"github.com/firn-data/firn/internal/journal"
)

// S3 form-encodes keys in events: a space is a plus, and a plus is %2B. The decoded key
// must be the uploaded key. Keys may have control characters (AmazonS3 userguide,
// object-keys).
func TestKeysWithSpecialCharactersLoad(t *testing.T) {
	t.Parallel()
	names := map[string]string{
		"space":         "all customers.csv",
		"plus":          "air+lines.csv",
		"percent sign":  "100%.csv",
		"escape":        "a%20b.csv",
		"equals sign":   "day=1/lines.csv",
		"umlaut":        "Flüge.csv",
		"CJK":           "航空会社.csv",
		"ampersand":     "a&b.csv",
		"quote":         "it's.csv",
		"question mark": "what?.csv",
		"hash sign":     "no#1.csv",
		"several kinds": "a b+c%d=é.csv",
		"line break":    "line\nbreak.csv",
		"return":        "line\r\nbreak.csv",
		"tab":           "tab\t.csv",
		"low control":   "\x01\x02.csv",
		"escape code":   "\x1b[31mred.csv",
		"delete":        "\x7f\u0085.csv",
		"noncharacters": "\uFFFE and \uFFFF.csv",
	}
	for kind, name := range names {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			o := put(t, "shop/customer/2026-01-31 keys/"+name, customers(kind, 3))
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

// S3 sends this event once for a new notification. The event is neither an object nor a
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
				t.Fatalf("the test event caused a fault: %+v", line)
			}
			if line.Message == "message done" {
				return true, ""
			}
		}
		return false, "no line"
	})
	if mails := mailsAbout(t, id); len(mails) > 0 {
		t.Errorf("the test event caused a mail: %s", mails[0].Subject)
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
