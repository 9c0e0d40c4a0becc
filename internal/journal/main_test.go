//go:build standin

package journal_test

import (
	"context"
	"flag"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/firn-data/firn/internal/awsconfig"
	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/journal"
	"github.com/firn-data/firn/internal/laptop/laptoptest"
	"github.com/firn-data/firn/internal/object"
	"github.com/firn-data/firn/internal/work"
)

// A step of a property test makes one or two requests. With this number of sequences a
// property test takes seconds. The flag -rapid.checks on the command line has priority.
const propertyRuns = "40"

func TestMain(m *testing.M) {
	if err := flag.Set("rapid.checks", propertyRuns); err != nil {
		panic(err)
	}
	os.Exit(laptoptest.Main(m, "aws"))
}

const (
	tableName = "journal"
	bucket    = "landing"
)

// database returns a client of the stand-in, with a table as in infra/stack.
var database = sync.OnceValues(func() (*dynamodb.Client, error) {
	ctx := context.Background()
	cfg, err := awsconfig.Load(ctx)
	if err != nil {
		return nil, err
	}
	client := dynamodb.NewFromConfig(cfg)
	attribute := func(name string) types.AttributeDefinition {
		return types.AttributeDefinition{AttributeName: aws.String(name), AttributeType: types.ScalarAttributeTypeS}
	}
	keys := func(partition, sort string) []types.KeySchemaElement {
		return []types.KeySchemaElement{
			{AttributeName: aws.String(partition), KeyType: types.KeyTypeHash},
			{AttributeName: aws.String(sort), KeyType: types.KeyTypeRange},
		}
	}
	all := &types.Projection{ProjectionType: types.ProjectionTypeAll}
	_, err = client.CreateTable(ctx, &dynamodb.CreateTableInput{
		TableName: aws.String(tableName), BillingMode: types.BillingModePayPerRequest,
		KeySchema: keys("pk", "")[:1],
		AttributeDefinitions: []types.AttributeDefinition{
			attribute("pk"), attribute("stuck_pk"), attribute("stuck_sk"), attribute("work_pk"), attribute("work_sk"),
		},
		GlobalSecondaryIndexes: []types.GlobalSecondaryIndex{
			{IndexName: aws.String("stuck"), KeySchema: keys("stuck_pk", "stuck_sk"), Projection: all},
			{IndexName: aws.String("work"), KeySchema: keys("work_pk", "work_sk"), Projection: all},
		},
	})
	return client, err
})

// fixture is the journal with a clock that moves only by advance. Each fixture has a
// dataset and keys of its own, because all tests share the table.
type fixture struct {
	*journal.Table

	client  *strictDynamoDB
	dataset string
	mutex   sync.Mutex
	now     time.Time
}

var fixtureCount atomic.Int64

func newFixture(t testing.TB) *fixture {
	t.Helper()
	client, err := database()
	if err != nil {
		t.Fatalf("create the table: %v", err)
	}
	b := &fixture{
		client: &strictDynamoDB{Client: client, fatal: t.Errorf}, dataset: fmt.Sprintf("test%d.entity", fixtureCount.Add(1)),
		now: time.Date(2026, 3, 1, 12, 0, 0, 123456000, time.UTC),
	}
	b.Table = &journal.Table{Client: b.client, Name: tableName, Now: b.clock}
	return b
}

func (b *fixture) clock() time.Time {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	return b.now
}

func (b *fixture) advance(d time.Duration) {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	b.now = b.now.Add(d)
}

var versions atomic.Int64

// object returns a new version of a key of this fixture.
func (b *fixture) object(name, sequencer string) object.Object {
	return object.Object{
		Bucket: bucket, Key: b.dataset + "/" + name, Version: fmt.Sprintf("v%d", versions.Add(1)),
		ETag: "e", Size: 12, Sequencer: object.NormalizeSequencer(sequencer),
	}
}

// receivedObject returns a new object in the state Received.
func (b *fixture) receivedObject(t testing.TB) object.Object {
	t.Helper()
	o := b.object("a.csv", "")
	if _, err := b.Receive(t.Context(), o, b.dataset); err != nil {
		t.Fatalf("Receive: %v", err)
	}
	return o
}

func (b *fixture) get(t testing.TB, o object.Object) journal.Entry {
	t.Helper()
	entry, err := b.Get(t.Context(), o.ID())
	if err != nil {
		t.Fatalf("Get: %v", err)
	}
	return entry
}

func (b *fixture) transformWork(o object.Object) work.Work {
	return work.Work{Stage: work.Transform, Dataset: b.dataset, Object: o}
}

// claimTime is the time from a claim to the claim's deadline.
const claimTime = 10 * time.Minute

func (b *fixture) start(ctx context.Context, o object.Object, owner string) (journal.Entry, bool, error) {
	return b.Start(ctx, b.transformWork(o), owner, b.clock().Add(claimTime))
}

// receipt returns a receipt of an attempt at the object, and the receipt's location.
func (b *fixture) receipt(o object.Object, attempt string) (work.Receipt, work.Location) {
	return work.Receipt{
		Object: o, ObjectID: o.ID(), Dataset: b.dataset, Attempt: attempt, Engine: "lambda", Outcome: work.Accepted,
		RowsRead: 10, RowsWritten: 9, RowsRejected: 1,
	}, work.Location{Bucket: "curated", Key: object.Attempt{Dataset: b.dataset, Object: o.ID(), Name: attempt}.Receipt()}
}

func (b *fixture) transformed(ctx context.Context, o object.Object, attempt string) (journal.Entry, error) {
	receipt, at := b.receipt(o, attempt)
	return b.Transformed(ctx, receipt, at)
}

// fail records a fault of the object's first generation in a stage.
func (b *fixture) fail(ctx context.Context, o object.Object, stage work.Stage, code fault.Code) (bool, error) {
	return b.failGeneration(ctx, o, 0, stage, code)
}

// failGeneration records a fault of a generation of the object. The fault names no
// dataset, so the entry keeps its own.
func (b *fixture) failGeneration(ctx context.Context, o object.Object, generation int, stage work.Stage, code fault.Code) (bool, error) {
	f := fault.Permanentf("test", code, "because of %s", code)
	f.ObjectID, f.Generation = string(o.ID()), generation
	return b.Fail(ctx, f, string(stage), "arn:queue", "the message")
}
