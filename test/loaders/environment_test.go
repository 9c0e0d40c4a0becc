//go:build endtoend

package processes_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"golang.org/x/sync/errgroup"

	"github.com/firn-data/firn/internal/awsconfig"
	"github.com/firn-data/firn/internal/batch"
	"github.com/firn-data/firn/internal/journal"
	"github.com/firn-data/firn/internal/laptop/laptoptest"
	"github.com/firn-data/firn/internal/load"
	"github.com/firn-data/firn/internal/load/loadtest"
	"github.com/firn-data/firn/internal/object"
	"github.com/firn-data/firn/internal/work"
)

// cloud has the shared services of all tests. The stand-in has only one stage.
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
		cfg, err := awsconfig.Load(t.Context())
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
		t.Fatal("the shared cloud is missing: its setup failed in an earlier test")
	}
	return shared
}

// landing creates the landing bucket with versions.
func landing(ctx context.Context, store *s3.Client) error {
	if _, err := store.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: aws.String(loadtest.Landing)}); err != nil {
		return err
	}
	_, err := store.PutBucketVersioning(ctx, &s3.PutBucketVersioningInput{
		Bucket: aws.String(loadtest.Landing), VersioningConfiguration: &types.VersioningConfiguration{Status: types.BucketVersioningStatusEnabled},
	})
	return err
}

// version puts a version of a key into the landing bucket, and returns the version id.
func (e *environment) version(t testing.TB, key string) string {
	t.Helper()
	name := strings.Replace(e.Dataset, ".", "/", 1) + "/" + key
	output, err := e.store.PutObject(t.Context(), &s3.PutObjectInput{
		Bucket: aws.String(loadtest.Landing), Key: &name, Body: strings.NewReader(key),
	})
	if err != nil {
		t.Fatal(err)
	}
	return aws.ToString(output.VersionId)
}

// environment is one dataset with receipts in S3 and a journal in DynamoDB, for other
// processes.
type environment struct {
	*loadtest.Fixture
	cloud

	mutex sync.Mutex
	// announced has the load ids of the announcements, and held the names of the
	// deliveries in notices.
	announced, held map[string]bool
}

func newEnvironment(t testing.TB, of *loadtest.Fixture) *environment {
	t.Helper()
	return &environment{Fixture: of, cloud: sharedCloud(t), announced: make(map[string]bool), held: make(map[string]bool)}
}

// loaderSettings returns the settings of a loader with a direct connection to
// Snowflake.
func (e *environment) loaderSettings() loaderSettings {
	return loaderSettings{Login: e.laptop.Config, Bucket: e.laptop.Bucket(), Journal: e.journal.Name}
}

// record records an announcement or a notice of a loader.
func (e *environment) record(line output) {
	e.mutex.Lock()
	defer e.mutex.Unlock()
	if line.Announcement != nil {
		e.announced[line.Announcement.LoadID] = true
	}
	if line.Held != nil {
		e.held[line.Held.Name] = true
	}
}

// Publish implements load.Publisher, for a loader in this process.
func (e *environment) Publish(_ context.Context, n load.Announcement) error {
	e.record(output{Announcement: &n})
	return nil
}

// Held implements load.Notices, for a loader in this process.
func (e *environment) Held(_ context.Context, h work.HeldDelivery) error {
	e.record(output{Held: &h})
	return nil
}

// NewColumns implements load.Notices. The files of these tests have no new columns.
func (e *environment) NewColumns(_ context.Context, n work.NewColumns) error {
	return fmt.Errorf("notice about new columns of %s", n.Dataset)
}

func (e *environment) start(t testing.TB, settings loaderSettings) *process {
	return start(t, settings, e.record)
}

// transformed creates objects in the state after a transform, with files, receipts and
// journal entries.
func (e *environment) transformed(t testing.TB, deliveries ...loadtest.Delivery) []loadtest.Delivered {
	t.Helper()
	delivered := make([]loadtest.Delivered, len(deliveries))
	var writes errgroup.Group
	writes.SetLimit(8)
	for i, d := range deliveries {
		stored := e.Deliver(t, d)
		at := *stored.Work.Receipt
		at.Bucket = e.laptop.Bucket()
		stored.Work.Receipt = &at
		delivered[i] = stored
		writes.Go(func() error { return e.storeForLoaders(t.Context(), stored) })
	}
	if err := writes.Wait(); err != nil {
		t.Fatal(err)
	}
	return delivered
}

// storeForLoaders writes the receipt and the journal entry for the other processes.
func (e *environment) storeForLoaders(ctx context.Context, d loadtest.Delivered) error {
	at := *d.Work.Receipt
	body, err := json.Marshal(d.Receipt)
	if err != nil {
		return err
	}
	if _, err := e.store.PutObject(ctx, &s3.PutObjectInput{Bucket: &at.Bucket, Key: &at.Key, Body: bytes.NewReader(body)}); err != nil {
		return err
	}
	if _, err := e.journal.Receive(ctx, d.Object, e.Dataset); err != nil {
		return err
	}
	_, err = e.journal.Transformed(ctx, d.Receipt, at)
	return err
}

// messages returns one message for each object.
func (e *environment) messages(delivered ...loadtest.Delivered) []batch.Message {
	messages := make([]batch.Message, len(delivered))
	for i, d := range delivered {
		messages[i] = e.Message(d)
	}
	return messages
}

// load loads the objects in this process, without any fault.
func (e *environment) load(t testing.TB, delivered ...loadtest.Delivered) {
	t.Helper()
	e.loadWith(t, e.loaderSettings(), delivered...)
}

// loadWith is load with other settings.
func (e *environment) loadWith(t testing.TB, settings loaderSettings, delivered ...loadtest.Delivered) {
	t.Helper()
	for id, err := range newLoader(e.config, settings, e).Handle(t.Context(), e.messages(delivered...)) {
		t.Fatalf("message %s: %v", id, err)
	}
}

// wantState checks the state of an object in the journal.
func (e *environment) wantState(t testing.TB, id object.ID, want journal.State) {
	t.Helper()
	entry, err := e.journal.Get(t.Context(), id)
	if err != nil || entry.State != want {
		t.Errorf("journal state of %s: %q (%v), want %q", id, entry.State, err, want)
	}
}

// wantAnnounced checks the announcement of every load in the ledger.
func (e *environment) wantAnnounced(t testing.TB, ledger []load.LedgerRow) {
	t.Helper()
	e.mutex.Lock()
	defer e.mutex.Unlock()
	for _, row := range ledger {
		if !e.announced[row.LoadID] {
			t.Errorf("load %s of object %s was never announced", row.LoadID, row.ID)
		}
	}
}

// wantUnlocked checks that no session holds the dataset's lock.
func (e *environment) wantUnlocked(t testing.TB) {
	t.Helper()
	session, err := e.laptop.Open(t.Context(), e.Dataset, "lock")
	if err != nil {
		t.Fatal(err)
	}
	defer session.Close()
	if err := session.Begin(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := session.TakeLock(t.Context()); err != nil {
		t.Errorf("the dataset is still locked: %v", err)
	}
	if err := session.Rollback(t.Context()); err != nil {
		t.Error(err)
	}
}
