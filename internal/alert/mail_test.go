package alert_test

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/firn-data/firn/internal/alert"
	"github.com/firn-data/firn/internal/batch"
	"github.com/firn-data/firn/internal/contract"
	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/journal"
	"github.com/firn-data/firn/internal/object"
	"github.com/firn-data/firn/internal/work"
)

var update = flag.Bool("update", false, "rewrite the golden files")

const topicARN = "arn:aws:sns:eu-central-1:000000000000:alerts"

type fixture struct {
	alerter  *alert.Alerter
	digester *alert.Digester
	journal  *fakeJournal
	notices  *fakeNotices
	topic    *fakeTopic
	clock    *clock
}

// mailLimit is the hourly limit of the tests.
const mailLimit = 30

func newFixture(t *testing.T) *fixture {
	t.Helper()
	c := &clock{now: failedAt.Add(time.Second)}
	b := &fixture{journal: newJournal(), notices: newNotices(c), topic: &fakeTopic{t: t}, clock: c}
	mailer := alert.Mailer{
		Topic: b.topic, ARN: topicARN, Site: alert.Site{Environment: "test"}, Counter: b.notices, Limit: mailLimit, Now: c.read,
	}
	b.alerter = &alert.Alerter{Journal: b.journal, Notices: b.notices, Mailer: mailer, FirstDigest: 10 * time.Minute, Now: c.read}
	b.digester = &alert.Digester{Notices: b.notices, Objects: b.journal, Mailer: mailer, FirstDigest: 10 * time.Minute, Now: c.read}
	return b
}

func landing(key string) object.Object {
	return object.Object{Bucket: "firn-landing", Key: key, Version: "3HL4kqtJvjVBH40Nrjfkd", ETag: "e", Size: 70}
}

// deadLetter returns a dead letter in the form of batch.Consumer.
func deadLetter(id string, o object.Object, dataset, code string, more ...string) batch.Message {
	m := batch.Message{
		ID: id, Queue: "dead", Receives: 1, Sent: failedAt.Add(-time.Second),
		Body: work.Work{Stage: work.Transform, Dataset: dataset, Object: o}.Encode(),
		Attributes: map[string]string{
			"stage": "route", "code": code, "object_id": string(o.ID()), "subject": o.URI(), "queue": "q",
			"cause": "12 of 100 records break the contract",
		},
	}
	if dataset != "" {
		m.Attributes["dataset"] = dataset
	}
	for i := 0; i < len(more); i += 2 {
		m.Attributes[more[i]] = more[i+1]
	}
	return m
}

// heldNotice returns a notice of load about a held delivery.
func heldNotice(id, delivery string, rows int64) batch.Message {
	h := work.HeldDelivery{Dataset: "shop.customer", Name: delivery, Rows: rows, Before: "2026-01-31", RowsBefore: 3322}
	letter := work.DeadLetter{Stage: "load", Code: fault.DeliveryHeld, Cause: h.Cause(), Hint: fault.DeliveryHeld.Hint(), Dataset: h.Dataset}
	return batch.Message{ID: id, Queue: "dead", Receives: 1, Sent: failedAt, Body: h.Encode(), Attributes: letter.Encode()}
}

// columnsNotice returns a notice of load about new columns of shop.order in a file.
func columnsNotice(id, file string, names ...string) batch.Message {
	var found []work.NewColumn
	for _, name := range names {
		found = append(found, work.NewColumn{Name: name, Object: landing("shop/order/" + file).URI(), LoadedAt: failedAt})
	}
	n := work.CollectNewColumns("shop.order", nil, found)
	letter := work.DeadLetter{Stage: "load", Code: fault.ColumnNotLoaded, Cause: n.Cause(), Hint: fault.ColumnNotLoaded.Hint(), Dataset: n.Dataset}
	return batch.Message{ID: id, Queue: "dead", Receives: 1, Sent: failedAt, Body: n.Encode(), Attributes: letter.Encode()}
}

// numbered returns n different names of columns.
func numbered(n int) []string {
	names := make([]string, n)
	for i := range names {
		names[i] = fmt.Sprintf("Column %02d", i)
	}
	return names
}

// orderContract is a contract of shop.order with the columns "number" and "owner".
func orderContract(format contract.Format) *contract.Contract {
	return &contract.Contract{Source: "shop", Entity: "order", Format: format, Columns: []contract.Column{
		{Name: "number", Header: "No.", Path: "/number"}, {Name: "owner", Header: "owner", Path: "/owner"},
	}}
}

// failed adds the object to the journal as failed.
func (b *fixture) failed(o object.Object, dataset string) object.Object {
	b.journal.add(journal.Entry{
		Object: o, Dataset: dataset, State: journal.Failed, Attempts: 1,
		Times: map[journal.State]time.Time{journal.Failed: failedAt},
	})
	return o
}

// withdrawalLetter returns the dead letter of a withdrawal that failed.
func withdrawalLetter(id, key string) batch.Message {
	o := landing(key)
	w := work.Work{Stage: work.Load, Dataset: "shop.order", Object: o, Withdraw: &work.Withdrawal{By: "AWS:ANN", Note: "deleted in S3"}}
	letter := work.DeadLetter{
		Stage: "load", Code: fault.NotWithdrawn, Cause: "ledger_broken: the ledger has 2 lock rows", Hint: fault.NotWithdrawn.Hint(),
		Dataset: w.Dataset, Subject: o.URI(), Queue: "load",
	}
	return batch.Message{ID: id, Body: w.Encode(), Queue: "load-dead", Sent: failedAt, Receives: 1, Attributes: letter.Encode()}
}

func TestMailsMatchGoldenFiles(t *testing.T) {
	t.Parallel()
	const orders = "shop.order"
	tests := []struct {
		name     string
		messages func(b *fixture) []batch.Message
	}{
		{"one_object", func(b *fixture) []batch.Message {
			o := b.failed(landing("shop/order/day.csv"), orders)
			return []batch.Message{deadLetter("m1", o, orders, "too_many_rejects",
				"cause", "12 of 100 records (12.0 %) break the contract, above both limits of 10 records and 5.0 %; 12 break amount:decimal; "+
					"100 records were read, 12 rejected, none is loaded; first rejects: record 3 (line 4) amount:decimal")}
		}},
		{"several_objects", func(b *fixture) []batch.Message {
			var all []batch.Message
			for i := range 3 {
				o := b.failed(landing(fmt.Sprintf("shop/order/%d.csv", i)), orders)
				all = append(all, deadLetter(fmt.Sprint("m", i), o, orders, "too_many_rejects"))
			}
			all[1].Attributes["hint"] = "Look at record 3."
			return all
		}},
		{"more_than_ten", func(b *fixture) []batch.Message {
			var all []batch.Message
			for i := range 12 {
				o := b.failed(landing(fmt.Sprintf("shop/order/%02d.csv", i)), orders)
				all = append(all, deadLetter(fmt.Sprint("m", i), o, orders, "copy_refused", "stage", "load", "query_id", "01b2-0001",
					"cause", "100038 (22018): Numeric value 'x' is not recognized"))
			}
			return all
		}},
		{"loaded_rows_differ", func(b *fixture) []batch.Message {
			o := landing("shop/order/day.csv")
			b.journal.add(journal.Entry{
				Object: o, Dataset: orders, State: journal.Failed, Attempts: 2, RowsRead: 100, RowsWritten: 98, RowsRejected: 2,
				Times: map[journal.State]time.Time{journal.Failed: failedAt},
			})
			return []batch.Message{deadLetter("m1", o, orders, "receipt_mismatch", "stage", "load", "query_id", "01b2-0002",
				"cause", "COPY counted 97 rows of file data-00001.parquet, but the receipt counts 98; the load was rolled back")}
		}},
		{"reload_failed", func(b *fixture) []batch.Message {
			o := landing("shop/order/day.csv")
			b.journal.add(journal.Entry{
				Object: o, Dataset: orders, State: journal.Failed, Attempts: 1, Generation: 2, LoadID: "load-7", RowsLoaded: 98,
				Times: map[journal.State]time.Time{journal.Failed: failedAt},
			})
			return []batch.Message{deadLetter("m1", o, orders, "too_many_rejects")}
		}},
		{"key_to_quote", func(b *fixture) []batch.Message {
			o := b.failed(landing("shop/order/it's $5 100% é.csv"), orders)
			return []batch.Message{deadLetter("m1", o, orders, "too_many_rejects")}
		}},
		{"key_that_cant_be_typed", func(b *fixture) []batch.Message {
			o := b.failed(landing("shop/order/a\nb.csv"), orders)
			return []batch.Message{deadLetter("m1", o, orders, "too_many_rejects")}
		}},
		{"older_version", func(b *fixture) []batch.Message {
			o := b.failed(landing("shop/order/day.csv"), orders)
			newer := o
			newer.Version = "newer"
			b.journal.add(journal.Entry{Object: newer, Dataset: orders, State: journal.Loaded})
			return []batch.Message{deadLetter("m1", o, orders, "too_many_rejects")}
		}},
		{"not_withdrawn", func(*fixture) []batch.Message {
			return []batch.Message{withdrawalLetter("m1", "shop/order/it's deleted.csv")}
		}},
		{"not_withdrawn_two", func(*fixture) []batch.Message {
			return []batch.Message{withdrawalLetter("m1", "shop/order/1.csv"), withdrawalLetter("m2", "shop/order/2.csv")}
		}},
		{"new_file_needed", func(b *fixture) []batch.Message {
			o := b.failed(landing("shop/order/day.csv"), orders)
			return []batch.Message{deadLetter("m1", o, orders, "bad_quoting", "cause", "record 7 (line 8): its quote is never closed")}
		}},
		{"object_gone", func(b *fixture) []batch.Message {
			o := b.failed(landing("shop/order/day.csv"), orders)
			return []batch.Message{deadLetter("m1", o, orders, "object_gone", "stage", "transform", "cause", "NoSuchVersion")}
		}},
		{"no_dataset_one", func(b *fixture) []batch.Message {
			o := b.failed(landing("unknown/day.csv"), "")
			return []batch.Message{deadLetter("m1", o, "", "no_dataset", "cause", `no contract's firn.keyPrefix matches the key "unknown/day.csv"`)}
		}},
		{"no_dataset_two", func(b *fixture) []batch.Message {
			return []batch.Message{
				deadLetter("m1", b.failed(landing("unknown/1.csv"), ""), "", "no_dataset", "cause", `no contract's firn.keyPrefix matches the key "unknown/1.csv"`),
				deadLetter("m2", b.failed(landing("unknown/2.csv"), ""), "", "no_dataset", "cause", `no contract's firn.keyPrefix matches the key "unknown/2.csv"`),
			}
		}},
		{"undecodable", func(*fixture) []batch.Message {
			return []batch.Message{{ID: "m1", Body: "{\"hello\":\n \"world\"}", Sent: failedAt, Attributes: map[string]string{
				"stage": "route", "code": "undecodable_message", "cause": "decode event: the body has no Records, so S3 isn't the sender", "queue": "q",
			}}}
		}},
		{"ingest_run", func(*fixture) []batch.Message {
			return []batch.Message{{ID: "m1", Body: `{"dataset":"station.event","scheduled":"2018-02-02T06:00:00Z","hop":0}`, Sent: failedAt, Attributes: map[string]string{
				"stage": "ingest", "code": "source_refused", "cause": "https://source.example/query?format=geojson returned 400 Bad Request: unknown parameter", "dataset": "station.event",
				"subject": "station.event 20180201T000000Z-20180202T000000Z", "run_id": "20180201T000000Z-20180202T000000Z", "queue": "q",
			}}}
		}},
		{"bad_request", func(*fixture) []batch.Message {
			return []batch.Message{{ID: "m1", Body: `{"dataset":"station.event"}`, Sent: failedAt, Attributes: map[string]string{
				"stage": "ingest", "code": "bad_request", "cause": "the request needs start and end, or scheduled", "dataset": "station.event", "queue": "q",
			}}}
		}},
		{"held_delivery", func(*fixture) []batch.Message {
			return []batch.Message{heldNotice("m1", "2026-02-28", 99), heldNotice("m2", "2026-02-28", 99)}
		}},
		{"held_deliveries", func(*fixture) []batch.Message {
			return []batch.Message{heldNotice("m1", "2026-02-28", 99), heldNotice("m2", "2026-03-31", 100)}
		}},
		{"new_column", func(b *fixture) []batch.Message {
			b.alerter.Contracts = contract.Set{orderContract(contract.CSV)}
			return []batch.Message{columnsNotice("m1", "1.csv", "state", "owner"), columnsNotice("m2", "2.csv", "state")}
		}},
		{"new_columns", func(b *fixture) []batch.Message {
			b.alerter.Contracts = contract.Set{orderContract(contract.CSV)}
			return []batch.Message{
				columnsNotice("m1", "it's 1.csv", "Owner", "Paid on: \"day\" #1", "a\x00\u202eb", ""),
				columnsNotice("m2", "2.csv", "Owner", "select", strings.Repeat("long ", 60)),
			}
		}},
		{"new_members", func(b *fixture) []batch.Message {
			b.alerter.Contracts = contract.Set{orderContract(contract.NDJSON)}
			return []batch.Message{columnsNotice("m1", "1.ndjson", "state", "paidOn/at")}
		}},
		{"new_columns_without_contract", func(*fixture) []batch.Message {
			return []batch.Message{columnsNotice("m1", "1.csv", "state", "owner")}
		}},
		{"many_new_columns", func(b *fixture) []batch.Message {
			b.alerter.Contracts = contract.Set{orderContract(contract.CSV)}
			return []batch.Message{columnsNotice("m1", "1.csv", numbered(60)...)}
		}},
		{"new_columns_beyond_limit", func(b *fixture) []batch.Message {
			b.alerter.Contracts = contract.Set{orderContract(contract.CSV)}
			b.journal.columns["shop.order"] = work.CollectNewColumns("shop.order", nil, newColumns(numbered(50)...))
			return []batch.Message{columnsNotice("m1", "1.csv", "one", "two")}
		}},
		{"panic", func(b *fixture) []batch.Message {
			o := b.failed(landing("shop/order/day.csv"), orders)
			return []batch.Message{deadLetter("m1", o, orders, "crashed", "cause", "panic: index out of range\ngoroutine 1 [running]:\nmain.main()")}
		}},
		{"loaded_since", func(b *fixture) []batch.Message {
			o := landing("shop/order/day.csv")
			b.journal.add(journal.Entry{Object: o, Dataset: orders, State: journal.Loaded})
			return []batch.Message{deadLetter("m1", o, orders, "exhausted", "stage", "transform", "cause", "unexpected EOF")}
		}},
		{"superseded_since", func(b *fixture) []batch.Message {
			o := landing("shop/order/day.csv")
			b.journal.add(journal.Entry{Object: o, Dataset: orders, State: journal.Superseded})
			return []batch.Message{deadLetter("m1", o, orders, "exhausted", "stage", "transform", "cause", "unexpected EOF")}
		}},
		{"redriven_since", func(b *fixture) []batch.Message {
			o := landing("shop/order/day.csv")
			b.journal.add(journal.Entry{Object: o, Dataset: orders, State: journal.Transforming, Attempts: 1})
			return []batch.Message{deadLetter("m1", o, orders, "too_many_rejects")}
		}},
		{"several_settled", func(b *fixture) []batch.Message {
			var all []batch.Message
			for i, state := range []journal.State{journal.Loaded, journal.Transformed} {
				o := landing(fmt.Sprintf("shop/order/%d.csv", i))
				b.journal.add(journal.Entry{Object: o, Dataset: orders, State: state})
				all = append(all, deadLetter(fmt.Sprint("m", i), o, orders, "exhausted", "stage", "transform", "cause", "unexpected EOF"))
			}
			return all
		}},
		{"load_crashed", func(b *fixture) []batch.Message {
			o := b.failed(landing("shop/order/day.csv"), orders)
			return []batch.Message{deadLetter("m1", o, orders, "crashed", "stage", "load", "cause", "signal: killed")}
		}},
		{"journal_unavailable", func(b *fixture) []batch.Message {
			b.journal.unavailable = true
			return []batch.Message{deadLetter("m1", landing("shop/order/day.csv"), orders, "too_many_rejects")}
		}},
		{"journal_without_entry", func(*fixture) []batch.Message {
			return []batch.Message{deadLetter("m1", landing("shop/order/day.csv"), orders, "receipt_missing",
				"cause", "s3://firn-curated/shop/order/a/receipt.json was deleted before route read the receipt")}
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			b := newFixture(t)
			if failed := b.alerter.Handle(context.Background(), test.messages(b)); len(failed) != 0 {
				t.Fatalf("messages failed: %v", failed)
			}
			if len(b.topic.mails) != 1 {
				t.Fatalf("%d mails, want one", len(b.topic.mails))
			}
			mail := b.topic.mails[0]
			golden(t, test.name, "Subject: "+aws.ToString(mail.Subject)+"\n\n"+aws.ToString(mail.Message))
			checkMachinePart(t, aws.ToString(mail.Message))
		})
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name+".golden")
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatalf("%v (run with -update)", err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("mail (-want +got):\n%s", diff)
	}
}

// checkMachinePart compares the JSON part with the text.
func checkMachinePart(t *testing.T, body string) {
	t.Helper()
	text, rest, found := strings.Cut(body, "\n"+alert.Separator+"\n")
	if !found {
		t.Fatal("there is no part for machines")
	}
	var m struct {
		Schema, Command string
		Count           int
		Objects         []struct {
			MessageID string `json:"message_id"`
		}
	}
	if err := json.Unmarshal([]byte(rest), &m); err != nil {
		t.Fatal(err)
	}
	if m.Schema != "firn.alert/1" || m.Command == "" || m.Count < len(m.Objects) || m.Objects[0].MessageID == "" {
		t.Errorf("machine part is %+v", m)
	}
	if !strings.Contains(text, m.Command+"\n") {
		t.Errorf("the text lacks the command %q", m.Command)
	}
}

// TestShellReadsCommandOfAnyKey passes the command of any key to a real shell. The
// shell must read three words, and the last word must name the object.
func TestShellReadsCommandOfAnyKey(t *testing.T) {
	t.Parallel()
	shell, err := exec.LookPath("sh")
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(rt *rapid.T) {
		key := rapid.OneOf(rapid.StringN(1, 40, 200), rapid.SampledFrom([]string{"a\uFFFE", "\uFFFF", "\x01\uFFFE.csv"})).Draw(rt, "key")
		b := newFixture(t)
		o := b.failed(landing("shop/order/"+key), "shop.order")
		if failed := b.alerter.Handle(context.Background(), []batch.Message{deadLetter("m", o, "shop.order", "exhausted")}); len(failed) != 0 {
			rt.Fatal(failed)
		}
		_, rest, _ := strings.Cut(aws.ToString(b.topic.mails[0].Message), "\nThen type   ")
		command, _, _ := strings.Cut(rest, "\n")
		if strings.ContainsRune(key, 0) && !strings.Contains(command, string(o.ID())) {
			rt.Fatalf("a NUL can't be typed: %q", command)
		}
		out, err := exec.Command(shell, "-c", "set -f; printf '%s\\n' "+command).Output()
		if err != nil {
			rt.Fatalf("%s: %v", command, err)
		}
		words := strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
		if len(words) != 3 || words[2] != o.URI() && words[2] != string(o.ID()) {
			rt.Fatalf("the shell sees %q", words)
		}
	})
}
