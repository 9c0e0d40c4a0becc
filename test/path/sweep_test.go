//go:build endtoend

package path_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"golang.org/x/sync/errgroup"

	"github.com/firn-data/firn/internal/journal"
	"github.com/firn-data/firn/internal/object"
)

// unannouncedFile is a file without an event. A sweep finds the file.
var unannouncedFile = useCase{"a file without an event is loaded", func(t *testing.T) startedUseCase {
	t.Helper()
	var o object.Object
	withoutLandingNotifications(t, func() { o = put(t, keyOf(t, "un announced.csv"), customers("unannounced", 2)) })
	firn(t, "sweep", "--grace", "0s")
	return startedUseCase{done: func() (bool, string) { return inState(t, o, journal.Loaded) }}
}}

// unannouncedReceipt is a file whose receipt has no event.
var unannouncedReceipt = useCase{"a file without an event for its receipt is loaded", func(t *testing.T) startedUseCase {
	t.Helper()
	var o object.Object
	withoutNotifications(t, stack.operator.Stack.CuratedBucket, func() {
		since := time.Now()
		o = put(t, keyOf(t, "customers.csv"), customers("receipt", 2))
		awaitTransform(t, o, since)
	})
	firn(t, "sweep", "--stuck", "0s")
	return startedUseCase{done: func() (bool, string) { return inState(t, o, journal.Loaded) }}
}}

// awaitTransform waits until transform has written the object's receipt.
func awaitTransform(t *testing.T, o object.Object, since time.Time) {
	t.Helper()
	eventually(t, "the object is transformed", func() (bool, string) {
		for _, line := range logOf(t, "Transform", since) {
			if line.Message == "object transformed" && line.Object == string(o.ID()) {
				return true, ""
			}
		}
		return false, "the line is missing in the log"
	})
}

// Two versions of a key have no event. The sweep has no sequencers and uses the
// bucket's order. The next sweep changes nothing. The key has control characters, which
// the XML of a list can't have.
func TestSweepLoadsUnannouncedVersions(t *testing.T) {
	key := keyOf(t, "\x01custom\ners.csv")
	var older, newer object.Object
	withoutLandingNotifications(t, func() {
		older = put(t, key, customers("older", 2))
		newer = put(t, key, customers("newer", 3))
	})
	firn(t, "sweep", "--grace", "0s")
	awaitState(t, newer, journal.Loaded)
	awaitState(t, older, journal.Superseded)
	if replaced, kept := rowsOf(t, older), rowsOf(t, newer); replaced != 0 || kept != 3 {
		t.Errorf("%d older and %d newer rows, want 0 and 3", replaced, kept)
	}
	before := time.Now()
	firn(t, "sweep", "--grace", "0s")
	eventually(t, "the next sweep ends", func() (bool, string) {
		for _, line := range logOf(t, "Route", before) {
			if line.Message == "landing bucket swept" {
				return true, ""
			}
		}
		return false, "the line is missing in the log"
	})
	for _, line := range logOf(t, "Route", before) {
		if line.Message == "versions were not announced" {
			t.Error("the next sweep found versions without an event")
		}
	}
	if entries, rows := ledgerOf(t, newer); entries != 1 || rows != 3 {
		t.Errorf("the ledger has %d entries with %d rows, want 1 with 3", entries, rows)
	}
}

// A sweep sends a lost message again, in each state of an object.
func TestSweepSendsLostMessagesAgain(t *testing.T) {
	table, isTable := stack.journal.(*journal.Table)
	if !isTable {
		t.Fatalf("the journal has type %T", stack.journal)
	}
	setLoads(t, false)
	t.Cleanup(func() { setLoads(t, true) })
	transformed := put(t, keyOf(t, "transformed.csv"), customers("transformed", 2))
	eventually(t, "the request for the load is in the queue", func() (bool, string) {
		n := messagesIn(t, "LoadQueue")
		return n == 1, fmt.Sprint(n)
	})
	if _, err := stack.sqs.PurgeQueue(t.Context(), &sqs.PurgeQueueInput{QueueUrl: aws.String(queueURL("LoadQueue"))}); err != nil {
		t.Fatal(err)
	}
	setLoads(t, true)
	var received object.Object
	withoutLandingNotifications(t, func() { received = put(t, keyOf(t, "received.csv"), customers("received", 2)) })
	if _, err := table.Receive(t.Context(), received, customer); err != nil {
		t.Fatal(err)
	}
	firn(t, "sweep", "--stuck", "0s")
	awaitState(t, received, journal.Loaded)
	awaitState(t, transformed, journal.Loaded)
	if entry, err := stack.journal.Get(t.Context(), received.ID()); err != nil || entry.Attempts != 1 || entry.SweepCount != 0 {
		t.Errorf("unexpected entry %+v, %v", entry, err)
	}
}

// The laptop's cloud is killed during loads. After the restart the journal entries and
// messages of the last seconds are missing. The bucket has the files, and the ledger
// has the loads. A sweep loads the other objects, and no row is loaded twice.
func TestSweepAndReloadRestoreKilledStandIn(t *testing.T) {
	if !*outage { // the test kills the cloud of the other tests
		t.Skip("the test needs `make test-outage`")
	}
	const files, rows, writers = 60, 2, 8
	awaitSnapshot(t) // so that the stand-in loses all later changes
	objects := make([]object.Object, files)
	writing, ctx := errgroup.WithContext(t.Context())
	writing.SetLimit(writers)
	for i := range objects {
		writing.Go(func() (err error) {
			objects[i], err = upload(ctx, keyOf(t, fmt.Sprintf("%02d.csv", i)), customers(fmt.Sprint("killed", i), rows))
			return err
		})
	}
	if err := writing.Wait(); err != nil {
		t.Fatal(err)
	}
	fromLedger := " from RAW.SHOP_CUSTOMER_LOADS where KEY like '" + keyOf(t, "%") + "'"
	eventually(t, "some object is loaded", func() (bool, string) {
		n := queryNumber(t, "select count(*) as n"+fromLedger)
		return n > 0, fmt.Sprint(n)
	})
	for _, server := range []string{"aws", "snowflake"} { // otherwise the killed loader's lock would last for minutes, as on an account
		if err := stack.cloud.Kill(server); err != nil {
			t.Fatal(err)
		}
	}
	if err := stack.cloud.StartServers(context.WithoutCancel(t.Context()), "aws"); err != nil {
		t.Fatal(err)
	}
	startSnowflake(t)
	lost := 0
	for _, o := range objects {
		if _, err := stack.journal.Get(t.Context(), o.ID()); errors.Is(err, journal.ErrNotFound) {
			lost++
		}
	}
	t.Logf("%d of %d objects have no journal entry, %d are loaded", lost, files, queryNumber(t, "select count(*) as n"+fromLedger))
	if lost == 0 {
		t.Fatal("the stand-in lost no journal entry, so the test proves nothing")
	}
	firn(t, "sweep", "--grace", "0s", "--stuck", "0s")
	for _, o := range objects {
		awaitState(t, o, journal.Loaded)
		if entries, loaded := ledgerOf(t, o); entries != 1 || loaded != rows || rowsOf(t, o) != rows {
			t.Errorf("%s: the ledger has %d entries with %d rows, the table %d; want 1 with %d", o.Key, entries, loaded, rowsOf(t, o), rows)
		}
	}
}

// awaitSnapshot waits until the AWS stand-in has saved its state.
func awaitSnapshot(t *testing.T) {
	t.Helper()
	newest := func() (last time.Time) {
		err := filepath.WalkDir(filepath.Join(stack.cloud.Directory, "aws", "state"), func(_ string, entry fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			info, err := entry.Info()
			if err == nil && info.ModTime().After(last) {
				last = info.ModTime()
			}
			return err
		})
		if err != nil && !errors.Is(err, fs.ErrNotExist) { // the stand-in replaces its files
			t.Fatal(err)
		}
		return last
	}
	before := newest()
	put(t, keyOf(t, "_marker"), nil) // a change to save
	eventually(t, "the stand-in saves the state", func() (bool, string) {
		now := newest()
		return now.After(before), now.String()
	})
}
