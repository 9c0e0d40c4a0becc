package alert_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/firn-data/firn/internal/alert"
	"github.com/firn-data/firn/internal/contract"
	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/journal"
)

// fakeVolumes has the loads of one dataset.
type fakeVolumes struct{ record journal.Volumes }

func (v *fakeVolumes) Volumes(context.Context, string) (journal.Volumes, error) {
	record := v.record
	record.Loads = slices.Clone(record.Loads)
	return record, nil
}

func (v *fakeVolumes) VolumesChecked(_ context.Context, _ string, until time.Time, days ...string) error {
	if until.After(v.record.CheckedUntil) {
		v.record.CheckedUntil = until
	}
	for _, day := range days {
		delete(v.record.Rejects, day)
	}
	return nil
}

type dataFixture struct {
	*waitFixture
	volumes *fakeVolumes
	data    *alert.DataWatcher
}

func newDataFixture(t *testing.T, expect contract.Expectations) *dataFixture {
	t.Helper()
	b := &dataFixture{waitFixture: newWaitFixture(t), volumes: &fakeVolumes{}}
	c := orderContract(contract.CSV)
	c.Expect = expect
	b.data = &alert.DataWatcher{
		Contracts: contract.Set{c}, Volumes: b.volumes, Waits: b.waits, Objects: b.journal, Notices: b.notices, Mailer: b.alerter.Mailer, Now: b.clock.read,
	}
	return b
}

// load adds a loaded file and runs a check.
func (b *dataFixture) load(t *testing.T, read, rejected int64) {
	t.Helper()
	b.clock.advance(time.Hour)
	o := landing(fmt.Sprintf("shop/order/%d.csv", len(b.volumes.record.Loads)))
	b.volumes.record.Loads = append(b.volumes.record.Loads, journal.Volume{ID: o.ID(), Key: o.Key, LoadedAt: b.clock.read(), Read: read, Rejected: rejected})
	b.check(t)
}

func (b *dataFixture) check(t *testing.T) {
	t.Helper()
	if err := b.data.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// TestMissingFileIsMailedOnce: one mail after the expected time, and one mail after the
// next file.
func TestMissingFileIsMailedOnce(t *testing.T) {
	t.Parallel()
	b := newDataFixture(t, contract.Expectations{NewFileWithin: 26 * time.Hour})
	b.check(t) // a dataset without a load is not late
	b.load(t, 10, 0)
	b.clock.advance(26*time.Hour - time.Second)
	b.check(t)
	if len(b.topic.mails) > 0 {
		t.Fatalf("mails before the time: %q", b.shortSubjects())
	}
	for range 3 {
		b.clock.advance(time.Hour)
		b.check(t)
	}
	b.load(t, 10, 0)
	b.check(t)
	if got := b.shortSubjects(); !slices.Equal(got, []string{"shop.order: data_missing", "shop.order: usual again: data_missing"}) {
		t.Errorf("mails %q", got)
	}
	for i, name := range []string{"data_missing", "data_usual"} {
		golden(t, name, "Subject: "+aws.ToString(b.topic.mails[i].Subject)+"\n\n"+aws.ToString(b.topic.mails[i].Message))
	}
}

// TestArrivedFileIsNotMissing: an object that waits or has failed has arrived, and a run
// that waits has a mail of its own.
func TestArrivedFileIsNotMissing(t *testing.T) {
	t.Parallel()
	for name, arrive := range map[string]func(b *dataFixture){
		"waiting": func(b *dataFixture) {
			b.waits.entries = []journal.Entry{b.waiting("a.csv", fault.DatasetPaused, time.Hour)}
		},
		"run that waits": func(b *dataFixture) {
			r := b.waitingRun("r1", time.Hour)
			r.Dataset = "shop.order"
			b.waits.runs = []journal.Run{r}
		},
		"failed": func(b *dataFixture) {
			b.journal.add(journal.Entry{
				Object: landing("a.csv"), Dataset: "shop.order", State: journal.Failed, Code: string(fault.BadHeader),
				Times: map[journal.State]time.Time{journal.Failed: failedAt},
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newDataFixture(t, contract.Expectations{NewFileWithin: time.Hour})
			b.volumes.record.Loads = []journal.Volume{{LoadedAt: failedAt.Add(-time.Minute)}}
			b.clock.advance(5 * time.Hour)
			arrive(b)
			b.check(t)
			if len(b.topic.mails) > 0 {
				t.Errorf("mails %q", b.shortSubjects())
			}
		})
	}
}

// TestUnusualFileIsMailed: a file below the share of the median, or with too many
// rejects, has one mail, and the next usual file has one mail.
func TestUnusualFileIsMailed(t *testing.T) {
	t.Parallel()
	share := 0.01
	tests := []struct {
		name   string
		expect contract.Expectations
		files  [][2]int64 // records and rejects
		want   []string
	}{
		{
			"few rows",
			contract.Expectations{Rows: 0.5},
			[][2]int64{{100, 0}, {110, 0}, {90, 0}, {100, 0}, {100, 0}, {50, 0}, {49, 0}, {30, 0}, {100, 0}, {100, 0}},
			[]string{"few_rows", "usual again: few_rows"},
		},
		{"the sixth file is the first with a comparison", contract.Expectations{Rows: 0.5}, [][2]int64{{100, 0}, {1, 0}, {1, 0}, {100, 0}, {100, 0}}, nil},
		{
			"many rejects",
			contract.Expectations{Rejects: &share},
			[][2]int64{{100, 1}, {100, 2}, {100, 5}, {100, 0}, {0, 0}},
			[]string{"many_rejects", "usual again: many_rejects"},
		},
		{"no expectation", contract.Expectations{}, [][2]int64{{100, 0}, {100, 0}, {100, 0}, {100, 0}, {100, 0}, {1, 1}}, nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			b := newDataFixture(t, test.expect)
			for _, file := range test.files {
				b.load(t, file[0], file[1])
			}
			b.check(t) // nothing is compared twice
			var got []string
			for _, subject := range b.shortSubjects() {
				got = append(got, strings.TrimPrefix(subject, "shop.order: "))
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("mails %q, want %q", got, test.want)
			}
		})
	}
}

// TestRejectsOfADayAreMailedOnTheNextDay: one mail for all unreported days, and no mail
// on the same day.
func TestRejectsOfADayAreMailedOnTheNextDay(t *testing.T) {
	t.Parallel()
	b := newDataFixture(t, contract.Expectations{})
	today := b.clock.read().UTC().Format(time.DateOnly)
	b.volumes.record.Rejects = map[string]map[string]int64{today: {"number:required": 3, "number:unique": 7}}
	b.check(t)
	if len(b.topic.mails) > 0 {
		t.Fatalf("mails on the same day: %q", b.shortSubjects())
	}
	b.clock.advance(24 * time.Hour)
	b.topic.refuse = refuseAll
	if err := b.data.Check(t.Context()); !fault.Is(err, fault.TopicAway) {
		t.Errorf("error %v", err)
	}
	b.topic.refuse = nil
	b.check(t)
	b.check(t)
	if got := b.shortSubjects(); !slices.Equal(got, []string{"rejects: 10 records"}) {
		t.Fatalf("mails %q", got)
	}
	golden(t, "rejects_of_a_day", "Subject: "+aws.ToString(b.topic.mails[0].Subject)+"\n\n"+aws.ToString(b.topic.mails[0].Message))
}

// TestMailsAboveTheHourlyLimitFollow: with one mail an hour, each load is compared, and
// each deviation has its two mails in the order of the loads.
func TestMailsAboveTheHourlyLimitFollow(t *testing.T) {
	t.Parallel()
	share := 0.1
	b := newDataFixture(t, contract.Expectations{Rows: 0.5, Rejects: &share})
	b.data.Mailer.Counter, b.data.Mailer.Limit = b.notices, 1
	for range 5 {
		b.load(t, 100, 0)
	}
	for _, rejected := range []int64{0, 10, 0} { // few rows, many rejects, and a usual file in one hour
		b.clock.advance(time.Second)
		o := landing(fmt.Sprintf("shop/order/%d.csv", len(b.volumes.record.Loads)))
		read := int64(10)
		if len(b.volumes.record.Loads) > 5 {
			read = 90
		}
		b.volumes.record.Loads = append(b.volumes.record.Loads, journal.Volume{ID: o.ID(), Key: o.Key, LoadedAt: b.clock.read(), Read: read, Rejected: rejected})
	}
	for range 6 {
		b.check(t)
		b.check(t)
		b.clock.advance(time.Hour)
	}
	want := []string{
		"shop.order: few_rows", "shop.order: usual again: few_rows", "shop.order: many_rejects", "shop.order: usual again: many_rejects",
	}
	if got := b.shortSubjects(); !slices.Equal(got, want) {
		t.Errorf("mails %q, want %q", got, want)
	}
	if last := b.volumes.record.Loads[7].LoadedAt; !b.volumes.record.CheckedUntil.Equal(last) {
		t.Errorf("compared until %s, want %s", b.volumes.record.CheckedUntil, last)
	}
}

// TestMailOfAnotherCallerIsNotSentTwice: a killed tick's claim ends, and the load is
// compared again.
func TestMailOfAnotherCallerIsNotSentTwice(t *testing.T) {
	t.Parallel()
	share := 0.1
	b := newDataFixture(t, contract.Expectations{Rejects: &share})
	key := journal.NoticeKey{Kind: "data", Dataset: "shop.order", Code: string(fault.ManyRejects)}
	if _, mine, err := b.notices.OpenNotice(t.Context(), key, "killed"); err != nil || !mine {
		t.Fatal(mine, err)
	}
	o := landing("a.csv")
	b.volumes.record.Loads = []journal.Volume{{ID: o.ID(), Key: o.Key, LoadedAt: b.clock.read(), Read: 10, Rejected: 9}}
	b.check(t)
	if got := b.shortSubjects(); len(got) > 0 || !b.volumes.record.CheckedUntil.IsZero() {
		t.Fatalf("mails %q, compared until %s", got, b.volumes.record.CheckedUntil)
	}
	b.clock.advance(2 * time.Minute)
	b.check(t)
	if got := b.shortSubjects(); !slices.Equal(got, []string{"shop.order: many_rejects"}) {
		t.Errorf("mails %q", got)
	}
}

// TestManyRejectedDaysFitIntoMails: each mail stays below the limit of SNS, and each day
// is in one mail.
func TestManyRejectedDaysFitIntoMails(t *testing.T) {
	t.Parallel()
	b := newDataFixture(t, contract.Expectations{})
	b.volumes.record.Rejects = make(map[string]map[string]int64)
	for day := range 120 {
		rules := make(map[string]int64)
		for i := range 200 {
			rules[strings.Repeat("c", 250)+fmt.Sprintf("%d:required", i)] = 1
		}
		b.volumes.record.Rejects[time.Date(2025, 1, 1+day, 0, 0, 0, 0, time.UTC).Format(time.DateOnly)] = rules
	}
	for range 4 {
		b.check(t)
	}
	if len(b.topic.mails) != 3 {
		t.Fatalf("%d mails", len(b.topic.mails))
	}
	for _, m := range b.topic.mails {
		if size := len(aws.ToString(m.Message)); size > 256<<10 {
			t.Errorf("a mail has %d bytes", size)
		}
	}
}
