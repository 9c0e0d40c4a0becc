package work_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/firn-data/firn/internal/object"
	"github.com/firn-data/firn/internal/work"
)

// isAllowed reports whether SQS accepts a character of a message (SQS API reference,
// SendMessage).
func isAllowed(r rune) bool {
	return r == '\t' || r == '\n' || r == '\r' || r >= ' ' && r <= 0xD7FF || r >= 0xE000 && r <= 0xFFFD || r >= 0x10000
}

// TestMessagesWithAnyKeyAreAcceptedBySQS has keys with any character, also the two that
// JSON allows and SQS refuses: U+FFFE and U+FFFF.
func TestMessagesWithAnyKeyAreAcceptedBySQS(t *testing.T) {
	t.Parallel()
	texts := rapid.OneOf(rapid.String(), rapid.StringOf(rapid.SampledFrom([]rune("a\uFFFE\uFFFF\uFFFD\\\"\n\x00\x1f\u2028é航😀\U0001FFFF"))))
	rapid.Check(t, func(t *rapid.T) {
		key := "k" + texts.Draw(t, "key")
		w := work.Work{Stage: work.Transform, Dataset: "shop.order", Object: object.Object{Bucket: "landing", Key: key, Version: "v1"}}
		page := work.Page{Since: time.Unix(1, 0).UTC(), Until: time.Unix(2, 0).UTC(), Key: key, Version: "v1"}
		sweep := work.Sweep{At: time.Unix(3, 0).UTC(), Page: &page}
		held := work.HeldDelivery{Dataset: "shop.order", Name: key, Before: key}
		for name, body := range map[string]string{"work": w.Encode(), "sweep": sweep.Encode(), "held delivery": held.Encode()} {
			if at := strings.IndexFunc(body, func(r rune) bool { return !isAllowed(r) }); at >= 0 {
				t.Errorf("SQS refuses the %s %q at %d", name, body, at)
			}
		}
		gotWork, err := work.Decode(w.Encode(), work.Transform)
		if err != nil {
			t.Fatal(err)
		}
		gotSweep, err := work.DecodeSweep(sweep.Encode())
		if err != nil {
			t.Fatal(err)
		}
		gotHeld, isHeld := work.DecodeHeldDelivery(held.Encode())
		if diff := cmp.Diff(w, gotWork) + cmp.Diff(sweep, gotSweep) + cmp.Diff(held, gotHeld); diff != "" || !isHeld {
			t.Errorf("decoded (-want +got):\n%s", diff)
		}
	})
}
