//go:build endtoend

package processes_test

import (
	"bytes"
	"context"
	"encoding/json"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"golang.org/x/sync/errgroup"

	"github.com/firn-data/firn/internal/batch"
	"github.com/firn-data/firn/internal/journal"
	"github.com/firn-data/firn/internal/laptop/laptoptest"
	"github.com/firn-data/firn/internal/load"
	"github.com/firn-data/firn/internal/load/loadtest"
	"github.com/firn-data/firn/internal/object"
)

// cloud is what all tests share: the stage is one.
type cloud struct {
	config  aws.Config
	store   *s3.Client
	laptop  *loadtest.Snowflake
	journal *journal.Table
}

var (
	shared cloud
	once   sync.Once
)

const stackName = "Processes"

func sharedCloud(t testing.TB) cloud {
	t.Helper()
	once.Do(func() {
		cfg, err := config.LoadDefaultConfig(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if err := laptoptest.Deploy(t.Context(), cfg, stackName); err != nil {
			t.Fatal(err)
		}
		outputs, err := laptoptest.Outputs(t.Context(), cfg, stackName)
		if err != nil {
			t.Fatal(err)
		}
		shared.config = cfg
		shared.store = s3.NewFromConfig(cfg, func(o *s3.Options) { o.UsePathStyle = true })
		address := net.JoinHostPort(os.Getenv("SNOWFLAKE_HOST"), os.Getenv("SNOWFLAKE_PORT"))
		shared.laptop = loadtest.NewLaptop(t, address, shared.store)
		if err := landing(t.Context(), shared.store); err != nil {
			t.Fatal(err)
		}
		shared.journal = &journal.Table{Client: dynamodb.NewFromConfig(cfg), Name: outputs["JournalTable"], Now: time.Now}
	})
	if shared.journal == nil {
		t.Fatal("the cloud that the tests share isn't there")
	}
	return shared
}

// landing makes the bucket that objects come to.
func landing(ctx context.Context, store *s3.Client) error {
	if _, err := store.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: aws.String(loadtest.Landing)}); err != nil {
		return err
	}
	_, err := store.PutBucketVersioning(ctx, &s3.PutBucketVersioningInput{
		Bucket: aws.String(loadtest.Landing), VersioningConfiguration: &types.VersioningConfiguration{Status: types.BucketVersioningStatusEnabled},
	})
	return err
}

// version puts a version of a key into the landing bucket, and returns its id.
func (w *environment) version(t testing.TB, key string) string {
	t.Helper()
	name := strings.Replace(w.Dataset, ".", "/", 1) + "/" + key
	output, err := w.store.PutObject(t.Context(), &s3.PutObjectInput{
		Bucket: aws.String(loadtest.Landing), Key: &name, Body: strings.NewReader(key),
	})
	if err != nil {
		t.Fatal(err)
	}
	return aws.ToString(output.VersionId)
}

// environment is one dataset, with receipts and journal where other processes find
// them.
type environment struct {
	*loadtest.Fixture
	cloud

	mutex sync.Mutex
	// announced are the loads that were published.
	announced map[string]bool
}

func newEnvironment(t testing.TB, of *loadtest.Fixture) *environment {
	t.Helper()
	return &environment{Fixture: of, cloud: sharedCloud(t), announced: make(map[string]bool)}
}

// loaderSettings are a loader's, straight to Snowflake.
func (w *environment) loaderSettings() loaderSettings {
	return loaderSettings{Login: w.laptop.Config, Bucket: w.laptop.Bucket(), Journal: w.journal.Name}
}

// recordAnnouncement notes what a loader published.
func (w *environment) recordAnnouncement(n load.Announcement) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	w.announced[n.LoadID] = true
}

func (w *environment) start(t testing.TB, o loaderSettings) *process {
	return start(t, o, w.recordAnnouncement)
}

// transformed makes objects as a transform leaves them: files and receipts in
// the bucket, and the journal's entries.
func (w *environment) transformed(t testing.TB, deliveries ...loadtest.Delivery) []loadtest.Delivered {
	t.Helper()
	delivered := make([]loadtest.Delivered, len(deliveries))
	var shares errgroup.Group
	shares.SetLimit(8)
	for i, d := range deliveries {
		made := w.Deliver(t, d)
		at := *made.Work.Receipt
		at.Bucket = w.laptop.Bucket()
		made.Work.Receipt = &at
		delivered[i] = made
		shares.Go(func() error { return w.storeForLoaders(t.Context(), made) })
	}
	if err := shares.Wait(); err != nil {
		t.Fatal(err)
	}
	return delivered
}

// storeForLoaders writes receipt and journal entry where other processes find them.
func (w *environment) storeForLoaders(ctx context.Context, d loadtest.Delivered) error {
	at := *d.Work.Receipt
	body, err := json.Marshal(d.Receipt)
	if err != nil {
		return err
	}
	if _, err := w.store.PutObject(ctx, &s3.PutObjectInput{Bucket: &at.Bucket, Key: &at.Key, Body: bytes.NewReader(body)}); err != nil {
		return err
	}
	if _, err := w.journal.Receive(ctx, d.Object, w.Dataset); err != nil {
		return err
	}
	_, err = w.journal.Transformed(ctx, d.Receipt, at)
	return err
}

// messages are one each for the objects.
func (w *environment) messages(delivered ...loadtest.Delivered) []batch.Message {
	messages := make([]batch.Message, len(delivered))
	for i, d := range delivered {
		messages[i] = w.Message(d)
	}
	return messages
}

// load loads the objects in this process, as a loader that nothing happens to.
func (w *environment) load(t testing.TB, delivered ...loadtest.Delivered) {
	t.Helper()
	for id, err := range newLoader(w.config, w.loaderSettings(), publisher(w.recordAnnouncement)).Handle(t.Context(), w.messages(delivered...)) {
		t.Fatalf("message %s: %v", id, err)
	}
}

// wantState holds the journal's state of an object.
func (w *environment) wantState(t testing.TB, id object.ID, want journal.State) {
	t.Helper()
	entry, err := w.journal.Get(t.Context(), id)
	if err != nil || entry.State != want {
		t.Errorf("the journal has %s as %q (%v), want %q", id, entry.State, err, want)
	}
}

// wantAnnounced: whoever subscribes was told of every load that stands.
func (w *environment) wantAnnounced(t testing.TB, ledger []load.LedgerRow) {
	t.Helper()
	w.mutex.Lock()
	defer w.mutex.Unlock()
	for _, row := range ledger {
		if !w.announced[row.LoadID] {
			t.Errorf("load %s of object %s was never announced", row.LoadID, row.ID)
		}
	}
}

// wantUnlocked: nobody holds the dataset's lock any more.
func (w *environment) wantUnlocked(t testing.TB) {
	t.Helper()
	session, err := w.laptop.Open(t.Context(), w.Dataset, "lock")
	if err != nil {
		t.Fatal(err)
	}
	defer session.Close()
	if err := session.Begin(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := session.TakeLock(t.Context()); err != nil {
		t.Errorf("a lock is left: %v", err)
	}
	if err := session.Rollback(t.Context()); err != nil {
		t.Error(err)
	}
}
