package route_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/google/go-cmp/cmp"

	"github.com/firn-data/firn/internal/contract"
	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/journal"
	"github.com/firn-data/firn/internal/object"
	"github.com/firn-data/firn/internal/work"
)

// removalOf returns S3's event of a deletion. The object has the deletion's sequencer.
func removalOf(o object.Object, name string) string {
	return fmt.Sprintf(`{"Records": [{"eventVersion": "2.6", "eventSource": "aws:s3", "eventName": %q, "userIdentity": {"principalId": "AWS:ANN"},
		"s3": {"bucket": {"name": %q}, "object": {"key": %q, "versionId": %q, "sequencer": "7"}}}]}`, name, o.Bucket, o.Key, o.Version)
}

// withdrawing makes the contract of shop.order withdraw deleted objects.
func withdrawing(t *testing.T, entries ...journal.Entry) *fixture {
	t.Helper()
	b := newFixture(t, entries...)
	b.router.Contracts[0].OnDelete = contract.WithdrawOnDelete
	return b
}

func TestDeletionBecomesWithdrawal(t *testing.T) {
	t.Parallel()
	loaded := landed("shop/order/day.csv")
	marker := object.Object{Bucket: landing, Key: loaded.Key, Version: "m2", Sequencer: object.NormalizeSequencer("7")}
	by := func(name string) *work.Withdrawal {
		return &work.Withdrawal{By: "AWS:ANN", Note: "deleted in S3 (" + name + ")"}
	}
	const markerCreated, deleted = "ObjectRemoved:DeleteMarkerCreated", "ObjectRemoved:Delete"
	for name, test := range map[string]struct {
		body string
		want work.Work
	}{
		// A marker needs no journal entry: its event may overtake the event of the file.
		"delete marker": {removalOf(marker, markerCreated), work.Work{Object: marker, Withdraw: by(markerCreated)}},
		// The sequencer of the journal, not of the deletion: otherwise the deletion of an
		// old version would count as newer than the current version.
		"version deleted for good": {removalOf(loaded, deleted), work.Work{Object: loaded, Generation: 2, Withdraw: by(deleted)}},
	} {
		b := withdrawing(t, journal.Entry{Object: loaded, Dataset: "shop.order", State: journal.Loaded, Generation: 2})
		if f := b.handle(test.body); f != nil {
			t.Fatalf("%s: %v", name, f)
		}
		test.want.Stage, test.want.Dataset = work.Load, "shop.order"
		if diff := cmp.Diff(map[string]work.Work{loaded.Key: test.want}, b.sqs.works(t, loadURL, work.Load)); diff != "" || b.sqs.sent[0].Delay != time.Minute {
			t.Errorf("%s: delay %s (-want +got):\n%s", name, b.sqs.sent[0].Delay, diff)
		}
	}
}

func TestDeletionWithoutWithdrawal(t *testing.T) {
	t.Parallel()
	loaded := landed("shop/order/day.csv")
	entry := journal.Entry{Object: loaded, Dataset: "shop.order", State: journal.Loaded}
	ignored := landed("shop/order/run=1/_manifest.json")
	for name, test := range map[string]struct {
		body string
		keep bool
	}{
		"firn.onDelete: keep":      {removalOf(loaded, "ObjectRemoved:DeleteMarkerCreated"), true},
		"expired":                  {removalOf(loaded, "LifecycleExpiration:DeleteMarkerCreated"), false},
		"unknown version":          {removalOf(versioned(loaded.Key, "v9"), "ObjectRemoved:Delete"), false},
		"ignored object":           {removalOf(ignored, "ObjectRemoved:DeleteMarkerCreated"), false},
		"key without a contract":   {removalOf(landed("other/day.csv"), "ObjectRemoved:DeleteMarkerCreated"), false},
		"file in another bucket":   {removalOf(object.Object{Bucket: curated, Key: loaded.Key}, "ObjectRemoved:DeleteMarkerCreated"), false},
		"dataset without onDelete": {removalOf(landed("station/event/day.csv"), "ObjectRemoved:DeleteMarkerCreated"), false},
	} {
		b := withdrawing(t, entry)
		if test.keep {
			b.router.Contracts[0].OnDelete = contract.KeepOnDelete
		}
		if f := b.handle(test.body); f != nil || len(b.sqs.sent) != 0 {
			t.Errorf("%s: fault %v, %d sent", name, f, len(b.sqs.sent))
		}
	}
	b := withdrawing(t, entry)
	b.journal.unavailable[loaded.ID()] = true
	checkFault(t, b.handle(removalOf(loaded, "ObjectRemoved:Delete")), fault.RetryAfter, fault.JournalAway)
}

// TestSweepAnnouncesLostDeletion: the sweep finds a delete marker without an event, also
// before a newer version that isn't loaded. The message withdraws the key.
func TestSweepAnnouncesLostDeletion(t *testing.T) {
	t.Parallel()
	const key = "shop/order/day.csv"
	older, newer, marker := landed(key), versioned(key, "v3"), object.Object{Bucket: landing, Key: key, Version: "m2"}
	// A case has the newest version in the journal, the time since the marker, and the
	// time since the newer version; 0 for none.
	for name, test := range map[string]struct {
		newest  object.Object
		state   journal.State
		dataset string
		deleted time.Duration
		newer   time.Duration
		want    bool
	}{
		"deleted":                      {older, journal.Loaded, "shop.order", 2 * time.Hour, 0, true},
		"deleted before the load":      {older, journal.Transformed, "shop.order", 2 * time.Hour, 0, true},
		"withdrawn":                    {older, journal.Withdrawn, "shop.order", 2 * time.Hour, 0, false},
		"too young":                    {older, journal.Loaded, "shop.order", time.Minute, 0, false},
		"swept before":                 {older, journal.Loaded, "shop.order", 4 * time.Hour, 0, false},
		"firn.onDelete: keep":          {landed("station/event/kept.csv"), journal.Loaded, "station.event", 2 * time.Hour, 0, false},
		"unknown key":                  {landed("shop/order/other.csv"), journal.Loaded, "shop.order", 2 * time.Hour, 0, false},
		"newer version loaded":         {newer, journal.Loaded, "shop.order", 3 * time.Hour, 2 * time.Hour, false},
		"newer version failed":         {newer, journal.Failed, "shop.order", 3 * time.Hour, 2 * time.Hour, true},
		"newer version on its way":     {newer, journal.Transforming, "shop.order", 3 * time.Hour, time.Minute, true},
		"newer version withdrawn":      {newer, journal.Withdrawn, "shop.order", 3 * time.Hour, 2 * time.Hour, false},
		"newer version not in journal": {older, journal.Loaded, "shop.order", 3 * time.Hour, time.Minute, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := withdrawing(t, journal.Entry{
				Object: test.newest, Dataset: test.dataset, State: test.state, Times: map[journal.State]time.Time{test.state: noon},
			})
			b.journal.sweptUntil = noon.Add(-3 * time.Hour)
			marked := marker
			if test.dataset != "shop.order" {
				marked.Key = test.newest.Key
			}
			b.lister.markers = []s3types.DeleteMarkerEntry{{
				Key: aws.String(marked.Key), VersionId: aws.String(marked.Version), IsLatest: aws.Bool(test.newer == 0), LastModified: aws.Time(noon.Add(-test.deleted)),
			}}
			if test.newer > 0 {
				b.putVersion(newer, test.newer)
			}
			if f := b.handle(scheduledSweep(noon)); f != nil {
				t.Fatal(f)
			}
			messages := b.takeOwnMessages()
			if !test.want {
				if len(messages) > 0 {
					t.Fatalf("announced %q", messages)
				}
				return
			}
			if diff := cmp.Diff([]object.Object{marker}, objectsAnnouncedBy(t, messages...)); diff != "" {
				t.Fatalf("announced (-want +got):\n%s", diff)
			}
			if f := b.handle(messages[0]); f != nil {
				t.Fatal(f)
			}
			want := work.Work{
				Stage: work.Load, Dataset: "shop.order", Object: marker, Withdraw: &work.Withdrawal{By: "S3", Note: "deleted in S3 (ObjectRemoved:FoundBySweep)"},
			}
			if diff := cmp.Diff(map[string]work.Work{marker.Key: want}, b.sqs.works(t, loadURL, work.Load)); diff != "" {
				t.Errorf("work (-want +got):\n%s", diff)
			}
		})
	}
}
