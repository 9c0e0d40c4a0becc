package event_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/firn-data/firn/internal/event"
	"github.com/firn-data/firn/internal/object"
)

// TestAnnouncedObjectDecodesLikeS3Event announces and decodes an object with any key.
// The body has only characters that SQS accepts.
func TestAnnouncedObjectDecodesLikeS3Event(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	rapid.Check(t, func(t *rapid.T) {
		o := object.Object{
			Bucket:    "landing",
			Key:       anyKey().Draw(t, "key"),
			Version:   rapid.StringMatching(`[A-Za-z0-9._]{0,32}`).Draw(t, "version"),
			ETag:      rapid.StringMatching(`[0-9a-f]{32}(-[0-9]{1,5})?`).Draw(t, "etag"),
			Size:      rapid.Int64Min(0).Draw(t, "size"),
			Sequencer: object.NormalizeSequencer(rapid.StringMatching(`[0-9A-F]{0,20}`).Draw(t, "sequencer")),
		}
		body := event.Announce(o, at)
		if strings.ContainsFunc(body, func(r rune) bool { return r < ' ' || r > '~' }) {
			t.Errorf("the body has other characters than printable ASCII: %q", body)
		}
		got, err := event.Decode(body)
		if err != nil {
			t.Fatal(err)
		}
		want := []event.Notice{{Object: o, Name: "ObjectCreated:FoundBySweep", Time: at}}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("notices (-want +got):\n%s", diff)
		}
		removal, err := event.Decode(event.AnnounceRemoval(o, at))
		if err != nil || len(removal) != 1 || removal[0].Object != o || !removal[0].IsRemoval() || removal[0].IsPermanent() {
			t.Errorf("removal: %+v, %v", removal, err)
		}
	})
}
