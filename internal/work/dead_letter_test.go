package work_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/object"
	"github.com/firn-data/firn/internal/work"
)

// TestDeadLetterEncode compares the names of the attributes, because alarms and people
// read these names.
func TestDeadLetterEncode(t *testing.T) {
	t.Parallel()
	const longest = 8 << 10
	tests := []struct {
		name   string
		letter work.DeadLetter
		want   map[string]string
	}{
		{"every attribute", work.DeadLetter{
			Stage: "load", Code: fault.ReceiptMismatch, Cause: "a cause", Hint: "a hint", ObjectID: "id", Dataset: "shop.order",
			Subject: "s3://b/k", QueryID: "01b", RunID: "r1", Queue: "load-queue",
		}, map[string]string{
			"stage": "load", "code": "receipt_mismatch", "cause": "a cause", "hint": "a hint", "object_id": "id", "dataset": "shop.order",
			"subject": "s3://b/k", "query_id": "01b", "run_id": "r1", "queue": "load-queue",
		}},
		{"empty values have no attribute", work.DeadLetter{Code: fault.Undecodable}, map[string]string{"code": "undecodable_message"}},
		{"characters that SQS refuses", work.DeadLetter{Code: "c", Cause: "a\x00b\x1bc\tä\n\uFFFE\uFFFF."}, map[string]string{"code": "c", "cause": "abc\tä\n."}},
		{"only characters that SQS refuses", work.DeadLetter{Code: "c", Cause: "\x00\x01"}, map[string]string{"code": "c"}},
		{"a long value", work.DeadLetter{Code: "c", Cause: strings.Repeat("x", longest+1)}, map[string]string{"code": "c", "cause": strings.Repeat("x", longest)}},
		{"a cut within a character", work.DeadLetter{Code: "c", Cause: strings.Repeat("x", longest-1) + "ä"}, map[string]string{"code": "c", "cause": strings.Repeat("x", longest-1)}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(test.want, test.letter.Encode()); diff != "" {
				t.Errorf("attributes (-want +got):\n%s", diff)
			}
		})
	}
}

// TestDecodeDeadLetterOfNoStage decodes messages without a code: SQS moved such
// messages.
func TestDecodeDeadLetterOfNoStage(t *testing.T) {
	t.Parallel()
	for _, attributes := range []map[string]string{nil, {}, {"stage": "load"}, {"code": ""}} {
		if l, ok := work.DecodeDeadLetter(attributes); ok {
			t.Errorf("%v decodes as %+v", attributes, l)
		}
	}
}

// TestDeadLetterRoundTrip encodes and decodes a letter. Legible values stay equal.
// Other values lose the illegible characters once, and every attribute is acceptable to
// SQS.
func TestDeadLetterRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		text := func(name string) string { return rapid.String().Draw(t, name) }
		drawn := work.DeadLetter{
			Stage: text("stage"), Code: fault.Code("x" + text("code")), Cause: text("cause"), Hint: text("hint"),
			ObjectID: object.ID(text("object")), Dataset: text("dataset"), Subject: text("subject"),
			QueryID: text("query"), RunID: text("run"), Queue: text("queue"),
		}
		sent := drawn.Encode()
		for name, value := range sent {
			if value == "" || len(value) > 8<<10 || !utf8.ValidString(value) || strings.ContainsAny(value, "\x00\x1b\uFFFE\uFFFF") {
				t.Errorf("invalid attribute %s=%q", name, value)
			}
		}
		received, ok := work.DecodeDeadLetter(sent)
		if !ok {
			t.Fatal("DecodeDeadLetter returned false")
		}
		again, _ := work.DecodeDeadLetter(received.Encode())
		if diff := cmp.Diff(received, again); diff != "" {
			t.Errorf("sent again (-want +got):\n%s", diff)
		}
		if !strings.ContainsFunc(drawn.Cause, func(r rune) bool { return r < 0x20 || r >= 0xFFFE }) && received.Cause != drawn.Cause {
			t.Errorf("got the cause %q, want %q", received.Cause, drawn.Cause)
		}
	})
}
