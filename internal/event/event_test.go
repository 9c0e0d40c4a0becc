package event_test

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/firn-data/firn/internal/event"
	"github.com/firn-data/firn/internal/object"
)

// record returns a record of an S3 event. edit holds pairs of old and new text.
func record(edit ...string) string {
	return strings.NewReplacer(edit...).Replace(`{
		"eventVersion": "2.6", "eventSource": "aws:s3", "awsRegion": "eu-central-1",
		"eventTime": "2026-11-24T10:00:00.123Z", "eventName": "ObjectCreated:Put",
		"userIdentity": {"principalId": "AWS:X"}, "requestParameters": {"sourceIPAddress": "127.0.0.1"},
		"responseElements": {"x-amz-request-id": "R"}, "somethingNew": [1, 2],
		"s3": {"s3SchemaVersion": "1.0", "configurationId": "c",
			"bucket": {"name": "landing", "ownerIdentity": {"principalId": "P"}, "arn": "arn:aws:s3:::landing"},
			"object": {"key": "shop/order/day.csv", "size": 120, "eTag": "abc",
				"versionId": "v1", "sequencer": "0055AED6DCD90281E5"}}}`)
}

func body(records ...string) string { return `{"Records": [` + strings.Join(records, ",") + `]}` }

func inEnvelope(kind, text string) string {
	envelope, err := json.Marshal(map[string]string{
		"Type": kind, "MessageId": "m", "TopicArn": "arn:aws:sns:eu-central-1:1:t", "Message": text,
	})
	if err != nil {
		panic(err)
	}
	return string(envelope)
}

const test = `{"Service": "Amazon S3", "Event": "s3:TestEvent", "Time": "2026-11-24T10:00:00.000Z", "Bucket": "landing"}`

func notice(change func(*event.Notice)) event.Notice {
	n := event.Notice{
		Object: object.Object{
			Bucket: "landing", Key: "shop/order/day.csv", Version: "v1", ETag: "abc", Size: 120,
			Sequencer: object.NormalizeSequencer("55aed6dcd90281e5"),
		},
		Name: "ObjectCreated:Put", Principal: "AWS:X",
		Time: time.Date(2026, 11, 24, 10, 0, 0, 123_000_000, time.UTC),
	}
	if change != nil {
		change(&n)
	}
	return n
}

func TestDecode(t *testing.T) {
	t.Parallel()
	withKey := func(key string) []event.Notice {
		return []event.Notice{notice(func(n *event.Notice) { n.Object.Key = key })}
	}
	rawKey := func(encoded string) string { return body(record("shop/order/day.csv", encoded)) }
	tests := []struct {
		name string
		body string
		want []event.Notice
	}{
		{"raw", body(record()), []event.Notice{notice(nil)}},
		{"SNS envelope", inEnvelope("Notification", body(record())), []event.Notice{notice(nil)}},
		{"test event", test, nil},
		{"test event in an envelope", inEnvelope("Notification", test), nil},
		{"older minor version", body(record("2.6", "2.1")), []event.Notice{notice(nil)}},
		{"other event", body(record("ObjectCreated:Put", "ObjectRestore:Post")), nil},
		{"other event with the prefix", body(record("ObjectCreated:Put", "s3:ObjectAcl:Put")), nil},
		{
			"permanent deletion", body(record("ObjectCreated:Put", "ObjectRemoved:Delete")),
			[]event.Notice{notice(func(n *event.Notice) { n.Name = "ObjectRemoved:Delete" })},
		},
		{
			"delete marker", body(record("ObjectCreated:Put", "s3:ObjectRemoved:DeleteMarkerCreated")),
			[]event.Notice{notice(func(n *event.Notice) { n.Name = "ObjectRemoved:DeleteMarkerCreated" })},
		},
		{"other event without a part after the colon", body(record("ObjectCreated:Put", "ReducedRedundancyLostObject")), nil},
		{"name with the prefix", body(record("ObjectCreated:Put", "s3:ObjectCreated:Put")), []event.Notice{notice(nil)}},
		{
			"name of an event type", body(record("ObjectCreated:Put", "s3:ObjectCreated:*")),
			[]event.Notice{notice(func(n *event.Notice) { n.Name = "ObjectCreated:*" })},
		},
		{
			"several records, one of another kind",
			body(record(), record("ObjectCreated:Put", "ObjectTagging:Put"), record("v1", "v2")),
			[]event.Notice{notice(nil), notice(func(n *event.Notice) { n.Object.Version = "v2" })},
		},
		{
			"multipart upload",
			body(record("ObjectCreated:Put", "ObjectCreated:CompleteMultipartUpload", `"abc"`, `"abc-2"`)),
			[]event.Notice{notice(func(n *event.Notice) {
				n.Name, n.Object.ETag = "ObjectCreated:CompleteMultipartUpload", "abc-2"
			})},
		},
		{"quoted etag", body(record(`"abc"`, `"\"abc\""`)), []event.Notice{notice(nil)}},
		{
			"version is null", body(record(`"v1"`, `null`)),
			[]event.Notice{notice(func(n *event.Notice) { n.Object.Version = "" })},
		},
		{
			"version, etag, size, sequencer and time missing",
			body(record(`, "eTag": "abc"`, ``, `"size": 120`, `"x": 1`, `"versionId": "v1", "sequencer": "0055AED6DCD90281E5"`,
				`"y": 2`, `"eventTime": "2026-11-24T10:00:00.123Z",`, ``)),
			[]event.Notice{{
				Object: object.Object{Bucket: "landing", Key: "shop/order/day.csv"},
				Name:   "ObjectCreated:Put", Principal: "AWS:X",
			}},
		},
		{"space", rawKey("a/b+c.csv"), withKey("a/b c.csv")},
		{"space as escape", rawKey("a/b%20c.csv"), withKey("a/b c.csv")},
		{"plus", rawKey("a/b%2Bc.csv"), withKey("a/b+c.csv")},
		{"percent", rawKey("a/100%25.csv"), withKey("a/100%.csv")},
		{"encoded percent before digits", rawKey("a/b%2520c.csv"), withKey("a/b%20c.csv")},
		{"equals", rawKey("run%3D1/p.csv"), withKey("run=1/p.csv")},
		{"equals, not escaped", rawKey("run=1/p.csv"), withKey("run=1/p.csv")},
		{"non-ASCII", rawKey("a/%E6%97%A5%C3%BC.csv"), withKey("a/日ü.csv")},
		{"ampersand and semicolon", rawKey("a/b%26c;d&e.csv"), withKey("a/b&c;d&e.csv")},
		{"line break", rawKey("a/b%0Ac.csv"), withKey("a/b\nc.csv")},
		{"line break at the end", rawKey("a/b.csv%0D%0A"), withKey("a/b.csv\r\n")},
		{"control characters", rawKey("a/%09%01%1B%7F%00c.csv"), withKey("a/\t\x01\x1b\x7f\x00c.csv")},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got, err := event.Decode(test.body)
			if err != nil {
				t.Fatalf("Decode: %v", err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("notices (-want +got):\n%s", diff)
			}
		})
	}
}

func TestDecodeRefuses(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, body, want string }{
		{"empty", "", "unexpected end of JSON"},
		{"no JSON", "hello", "invalid character"},
		{"other JSON", `{"stage": "load"}`, "no Records"},
		{"array", `[1]`, "cannot unmarshal"},
		{"no records", `{"Records": []}`, "no Records"},
		{"trailing text", body(record()) + "x", "invalid character"},
		{"envelope of another type", inEnvelope("SubscriptionConfirmation", body(record())), "no Records"},
		{"envelope of plain text", inEnvelope("Notification", "hello"), "SNS envelope"},
		{"envelope in an envelope", inEnvelope("Notification", inEnvelope("Notification", body(record()))), "no Records"},
		{"other source", body(record("aws:s3", "aws:ses")), `source is "aws:ses"`},
		{"next major version", body(record("2.6", "3.0")), `version is "3.0"`},
		{"major version with the same digit", body(record("2.6", "20.1")), `version is "20.1"`},
		{"no name", body(record("ObjectCreated:Put", "")), "no event name"},
		{"the prefix alone", body(record("ObjectCreated:Put", "s3:")), "no event name"},
		{"unknown name", body(record("ObjectCreated:Put", "Object Created")), `no event with the name "Object Created"`},
		{"name in other letters", body(record("ObjectCreated:Put", "objectcreated:put")), `no event with the name "objectcreated:put"`},
		{"prefix twice", body(record("ObjectCreated:Put", "s3:s3:ObjectCreated:Put")), "no event with the name"},
		{"creation without a colon", body(record("ObjectCreated:Put", "ObjectCreated")), "no event with the name"},
		{"test event among the records", body(record("ObjectCreated:Put", "s3:TestEvent")), "no event with the name"},
		{"unknown name beside a known name", body(record(), record("ObjectCreated:Put", "ObjectRenamed:Put")), "record 2"},
		{"other event text", `{"Event": "s3:OtherEvent"}`, "no Records"},
		{"event of EventBridge", `{"source": "aws.s3", "detail-type": "Object Created", "detail": {"bucket": {"name": "landing"}}}`, "no Records"},
		{"no bucket", body(record(`"name": "landing"`, `"name": ""`)), "no bucket"},
		{"no key", body(record(`shop/order/day.csv`, ``)), "no key"},
		{"bad escape", body(record(`day.csv`, `100%.csv`)), `invalid URL escape "%.c"`},
		{"incomplete escape", body(record(`day.csv`, `day%2`)), `invalid URL escape "%2"`},
		{"not UTF-8", body(record(`day.csv`, `%FF.csv`)), "isn't UTF-8"},
		{"negative size", body(record("120", "-1")), "size is -1"},
		{"one bad record of two", body(record(), record("day.csv", "%")), "record 2"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got, err := event.Decode(test.body)
			if err == nil {
				t.Fatalf("Decode returned %v, want an error with %q", got, test.want)
			}
			if !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %q lacks %q", err, test.want)
			}
			if got != nil {
				t.Errorf("notices with an error: %v", got)
			}
		})
	}
}

// anyKey draws the keys that S3 accepts: UTF-8, from 1 to 1,024 bytes. Half of the
// characters are control characters or have a meaning in the form encoding.
func anyKey() *rapid.Generator[string] {
	controls := []rune{' ', '+', '%', '&', '=', '/', '\x7F', '\u0085', '\u2028', '\uFEFF'}
	for r := range ' ' {
		controls = append(controls, r)
	}
	return rapid.StringOfN(rapid.OneOf(rapid.Rune(), rapid.SampledFrom(controls)), 1, -1, 1024)
}

// TestDecodeKeepsAnyKey decodes every key that S3 accepts: UTF-8, not empty.
func TestDecodeKeepsAnyKey(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		key := anyKey().Draw(t, "key")
		encoded, err := json.Marshal(url.QueryEscape(key))
		if err != nil {
			t.Fatal(err)
		}
		text := body(record(`"shop/order/day.csv"`, string(encoded)))
		if rapid.Bool().Draw(t, "envelope") {
			text = inEnvelope("Notification", text)
		}
		got, err := event.Decode(text)
		if err != nil {
			t.Fatal(err)
		}
		if len(got) != 1 || got[0].Object.Key != key {
			t.Fatalf("key %q became %v", key, got)
		}
	})
}

// TestLaterSequencerIsGreater decodes two versions of a key whose sequencers differ in
// length and case.
func TestLaterSequencerIsGreater(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		earlier := rapid.Uint64Range(0, 1<<62).Draw(t, "earlier")
		later := earlier + rapid.Uint64Range(1, 1<<62).Draw(t, "step")
		sequencer := func(n uint64, name string) string {
			width := rapid.IntRange(1, 24).Draw(t, name+" width")
			if rapid.Bool().Draw(t, name+" upper") {
				return fmt.Sprintf("%0*X", width, n)
			}
			return fmt.Sprintf("%0*x", width, n)
		}
		got, err := event.Decode(body(
			record("0055AED6DCD90281E5", sequencer(earlier, "earlier")),
			record("0055AED6DCD90281E5", sequencer(later, "later"))))
		if err != nil {
			t.Fatal(err)
		}
		if got[0].Object.Sequencer >= got[1].Object.Sequencer {
			t.Fatalf("%q isn't before %q", got[0].Object.Sequencer, got[1].Object.Sequencer)
		}
	})
}

func FuzzDecode(f *testing.F) {
	f.Add(body(record()))
	f.Add(body(record("day.csv", "%E6%97%A5+%2B"), record("v1", "")))
	f.Add(inEnvelope("Notification", body(record())))
	f.Add(test)
	f.Add(`{"Records":[{"eventVersion":"2.1","eventSource":"aws:s3","eventName":"ObjectCreated:Put"}]}`)
	f.Fuzz(func(t *testing.T, text string) {
		got, err := event.Decode(text)
		if err != nil && got != nil {
			t.Fatalf("error %v with notices %v", err, got)
		}
		for _, n := range got {
			if n.Object.Bucket == "" || n.Object.Key == "" || n.Object.Size < 0 {
				t.Fatalf("incomplete object %+v", n.Object)
			}
		}
	})
}
