package alert_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/google/go-cmp/cmp"

	"github.com/firn-data/firn/internal/batch"
	"github.com/firn-data/firn/internal/contract"
	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/work"
)

func newColumns(names ...string) []work.NewColumn {
	columns := make([]work.NewColumn, len(names))
	for i, name := range names {
		columns[i] = work.NewColumn{Name: name, LoadedAt: failedAt}
	}
	return columns
}

const (
	oneColumn  = "firn [test]: shop.order: 1 column not loaded: column_not_loaded"
	twoColumns = "firn [test]: shop.order: 2 columns not loaded: column_not_loaded"
)

// TestNewColumnGetsOneMail handles batches one after another. A name in any notice gets
// one mail.
func TestNewColumnGetsOneMail(t *testing.T) {
	t.Parallel()
	owner := columnsNotice("m1", "1.csv", "owner")
	for name, test := range map[string]struct {
		contracts contract.Set
		batches   [][]batch.Message
		want      []string
	}{
		"a redelivered notice":        {nil, [][]batch.Message{{owner}, {owner}}, []string{oneColumn}},
		"notices of several files":    {nil, [][]batch.Message{{owner, columnsNotice("m2", "2.csv", "owner")}, {columnsNotice("m3", "3.csv", "owner")}}, []string{oneColumn}},
		"several columns in a notice": {nil, [][]batch.Message{{columnsNotice("m1", "1.csv", "owner", "state")}, {owner}}, []string{twoColumns}},
		"columns of several notices":  {nil, [][]batch.Message{{owner, columnsNotice("m2", "2.csv", "state")}}, []string{twoColumns}},
		"another column later":        {nil, [][]batch.Message{{owner}, {columnsNotice("m2", "2.csv", "owner", "state")}}, []string{oneColumn, oneColumn}},
		"the contract has the column": {contract.Set{orderContract(contract.CSV)}, [][]batch.Message{{owner}}, []string{}},
		"more columns than names": {nil, [][]batch.Message{
			{columnsNotice("m1", "1.csv", numbered(60)...)}, {columnsNotice("m2", "2.csv", numbered(60)...)}, {columnsNotice("m3", "3.csv", "other")},
		}, []string{"firn [test]: shop.order: 60 columns not loaded: column_not_loaded"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newFixture(t)
			b.alerter.Contracts = test.contracts
			for _, messages := range test.batches {
				if failed := b.alerter.Handle(t.Context(), messages); len(failed) > 0 {
					t.Fatalf("messages failed: %v", failed)
				}
			}
			if got := b.subjects(); !slices.Equal(got, test.want) {
				t.Errorf("mails %q, want %q", got, test.want)
			}
			if b.journal.claimed["shop.order"] != "" {
				t.Error("the claim is left")
			}
		})
	}
}

// TestNewColumnIsMailedAfterFault: the notice comes back, and the column gets its mail.
// Only a lost record after the mail causes a second mail.
func TestNewColumnIsMailedAfterFault(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		fail func(b *fixture, on bool)
		code fault.Code
		want []string
	}{
		"no topic": {func(b *fixture, on bool) {
			b.topic.refuse = map[string]error{"nothing": nil}
			if on {
				b.topic.refuse = map[string]error{"column_not_loaded": errors.New("no answer")}
			}
		}, fault.TopicAway, []string{oneColumn}},
		"no journal":                {func(b *fixture, on bool) { b.journal.unavailable = on }, fault.JournalAway, []string{oneColumn}},
		"a claim of another caller": {func(b *fixture, on bool) { b.journal.claimed["shop.order"] = otherClaim(on) }, fault.LockBusy, []string{oneColumn}},
		"no record after the mail":  {func(b *fixture, on bool) { b.journal.unrecorded, b.journal.claimed["shop.order"] = on, "" }, fault.JournalAway, []string{oneColumn, oneColumn}},
		"neither topic nor a record": {func(b *fixture, on bool) {
			b.topic.refuse = map[string]error{"nothing": nil}
			if on {
				b.topic.refuse = map[string]error{"column_not_loaded": errors.New("no answer")}
			}
			b.journal.unrecorded, b.journal.claimed["shop.order"] = on, ""
		}, fault.TopicAway, []string{oneColumn}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newFixture(t)
			notices := []batch.Message{columnsNotice("m1", "1.csv", "owner"), columnsNotice("m2", "2.csv", "owner")}
			test.fail(b, true)
			failed := b.alerter.Handle(t.Context(), notices)
			for _, m := range notices {
				if f := fault.As(failed[m.ID]); f == nil || f.Code != test.code || f.Disposition != fault.RetryAfter || f.Dataset != "shop.order" {
					t.Errorf("message %s: %v, want %s of shop.order, retried", m.ID, f, test.code)
				}
			}
			test.fail(b, false)
			if failed := b.alerter.Handle(t.Context(), notices); len(failed) > 0 {
				t.Errorf("messages failed again: %v", failed)
			}
			if got := b.subjects(); !slices.Equal(got, test.want) {
				t.Errorf("mails %q, want %q", got, test.want)
			}
		})
	}
}

// TestColumnsAreReadAfterClaim: between the first read and the claim another invocation
// reports one of two columns.
func TestColumnsAreReadAfterClaim(t *testing.T) {
	t.Parallel()
	b := newFixture(t)
	b.journal.beforeClaim = func() {
		b.journal.columns["shop.order"] = work.CollectNewColumns("shop.order", nil, newColumns("owner"))
	}
	for _, names := range [][]string{{"owner", "state"}, {"owner", "state"}} {
		if failed := b.alerter.Handle(t.Context(), []batch.Message{columnsNotice("m1", "1.csv", names...)}); len(failed) > 0 {
			t.Fatal(failed)
		}
	}
	if got := b.subjects(); !slices.Equal(got, []string{oneColumn}) || !strings.Contains(aws.ToString(b.topic.mails[0].Message), "\n1. column state\n") {
		t.Errorf("mails %q, want one about state", got)
	}
	b.journal.columns["shop.order"] = work.NewColumns{}
	if failed := b.alerter.Handle(t.Context(), []batch.Message{columnsNotice("m1", "1.csv", "owner")}); len(failed) > 0 || len(b.topic.mails) > 1 || b.journal.claimed["shop.order"] != "" {
		t.Errorf("the other invocation reported the only column: %d mails, claim left %q, %v", len(b.topic.mails), b.journal.claimed["shop.order"], failed)
	}
}

// TestLargestMailAboutNewColumns: the fake topic refuses a message above the limit of
// SNS.
func TestLargestMailAboutNewColumns(t *testing.T) {
	t.Parallel()
	b := newFixture(t)
	b.alerter.Contracts = contract.Set{orderContract(contract.CSV)}
	var names []string
	for _, name := range numbered(60) {
		names = append(names, name+strings.Repeat("\U000E0001", 190))
	}
	if failed := b.alerter.Handle(t.Context(), []batch.Message{columnsNotice("m1", strings.Repeat("\x01", 1000), names...)}); len(failed) > 0 || len(b.topic.mails) != 1 {
		t.Errorf("%d mails, %v", len(b.topic.mails), failed)
	}
}

// TestUnreadableNoticeIsMailed: a dead letter with the code and another body is reported
// like any other dead letter.
func TestUnreadableNoticeIsMailed(t *testing.T) {
	t.Parallel()
	b := newFixture(t)
	notice := columnsNotice("m1", "1.csv", "owner")
	notice.Body = "no notice"
	if failed := b.alerter.Handle(t.Context(), []batch.Message{notice}); len(failed) > 0 {
		t.Fatal(failed)
	}
	if got, want := b.subjects(), []string{"firn [test]: shop.order: 1 message failed: column_not_loaded"}; !slices.Equal(got, want) {
		t.Errorf("mails %q, want %q", got, want)
	}
}

// otherClaim is the claim of another invocation, or no claim.
func otherClaim(on bool) string {
	if on {
		return "other"
	}
	return ""
}

// TestRecordOfLateMailKeepsNewerRecord: the mail takes longer than the claim, and another
// invocation has claimed and recorded meanwhile. The other record stays.
func TestRecordOfLateMailKeepsNewerRecord(t *testing.T) {
	t.Parallel()
	b := newFixture(t)
	newer := work.CollectNewColumns("shop.order", nil, newColumns("size"))
	b.journal.beforeRecord = func() {
		b.journal.claimed["shop.order"], b.journal.columns["shop.order"] = "other", newer
	}
	failed := b.alerter.Handle(t.Context(), []batch.Message{columnsNotice("m1", "1.csv", "owner")})
	if len(failed) > 0 || len(b.topic.mails) != 1 || b.journal.claimed["shop.order"] != "other" {
		t.Errorf("%d mails, claim %q, %v", len(b.topic.mails), b.journal.claimed["shop.order"], failed)
	}
	if diff := cmp.Diff(newer, b.journal.columns["shop.order"]); diff != "" {
		t.Errorf("record (-want +got):\n%s", diff)
	}
}

// TestNewColumnsAboveTheHourlyLimitComeBack: the announcement returns to its queue without
// a counted attempt, and its mail follows in the next hour.
func TestNewColumnsAboveTheHourlyLimitComeBack(t *testing.T) {
	t.Parallel()
	b := newFixture(t)
	b.alerter.Mailer.Limit = 1
	first, second := columnsNotice("m1", "1.csv", "owner"), columnsNotice("m2", "2.csv", "state")
	if failed := b.alerter.Handle(t.Context(), []batch.Message{first}); len(failed) > 0 {
		t.Fatalf("the first announcement failed: %v", failed)
	}
	for range 2 {
		failed := b.alerter.Handle(t.Context(), []batch.Message{second})
		f := fault.As(failed["m2"])
		if f == nil || f.Code != fault.TopicAway || f.Disposition != fault.RetryAfter || f.After <= 0 || f.After > time.Hour {
			t.Fatalf("above the limit: fault %+v, want %s until the next hour", f, fault.TopicAway)
		}
	}
	b.clock.advance(time.Hour)
	if failed := b.alerter.Handle(t.Context(), []batch.Message{second}); len(failed) > 0 {
		t.Fatalf("in the next hour: %v", failed)
	}
	if got, want := b.subjects(), []string{oneColumn, oneColumn}; !slices.Equal(got, want) {
		t.Errorf("mails %q, want %q", got, want)
	}
}
