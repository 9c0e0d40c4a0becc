//go:build standin

package audit_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/firn-data/firn/internal/awsconfig"
	"github.com/firn-data/firn/internal/contract"
	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/journal"
	"github.com/firn-data/firn/internal/laptop/laptoptest"
	"github.com/firn-data/firn/internal/object"
	"github.com/firn-data/firn/internal/operator/audit"
	"github.com/firn-data/firn/internal/snowflake"
	"github.com/firn-data/firn/internal/snowflake/ddl"
	"github.com/firn-data/firn/internal/snowflake/ledger"
	"github.com/firn-data/firn/internal/work"
)

func TestMain(m *testing.M) { os.Exit(laptoptest.Main(m, "aws", "snowflake")) }

// fixture is a deployment in a consistent state on the stand-ins. The tests write the
// stages' changes themselves.
type fixture struct {
	*audit.Auditor

	dataset  string
	journal  *journal.Table
	dynamo   *dynamodb.Client
	s3       *s3.Client
	session  *snowflake.Session
	contract *contract.Contract
	// now is the time of changes in the journal and in the ledger. The audit begins one
	// day later.
	now time.Time

	// plain is loaded. older is superseded by newer, and newer is loaded. failed was
	// never loaded. failedReload was loaded, and then its reload failed. withdrawn was
	// loaded, withdrawn and deleted in S3. removed was withdrawn by its delete marker.
	plain, older, newer, failed, failedReload, withdrawn, removed object.Object
}

var fixtureCount atomic.Int64

// stack returns the outputs of the shared stack. Each fixture has its own dataset and
// its own Snowflake database.
var stack = sync.OnceValues(func() (map[string]string, error) { return deploy("Audit") })

func deploy(name string) (map[string]string, error) {
	ctx := context.Background()
	cfg, err := awsconfig.Load(ctx)
	if err != nil {
		return nil, err
	}
	if err := laptoptest.Deploy(ctx, cfg, name); err != nil {
		return nil, err
	}
	return laptoptest.Outputs(ctx, cfg, name)
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	outputs, err := stack()
	failOnError(t, err)
	return newFixtureInStack(t, outputs)
}

// newFixtureInOwnStack returns a fixture in a stack of its own, for audits of all
// datasets.
func newFixtureInOwnStack(t *testing.T) *fixture {
	t.Helper()
	outputs, err := deploy(fmt.Sprintf("Audit%d", fixtureCount.Add(1)))
	failOnError(t, err)
	return newFixtureInStack(t, outputs)
}

func newFixtureInStack(t *testing.T, outputs map[string]string) *fixture {
	t.Helper()
	cfg, err := awsconfig.Load(t.Context())
	failOnError(t, err)
	source := fmt.Sprintf("shop%d", fixtureCount.Add(1))
	f := &fixture{
		dataset: source + ".order", now: time.Now(), dynamo: dynamodb.NewFromConfig(cfg),
		s3:      s3.NewFromConfig(cfg, func(o *s3.Options) { o.UsePathStyle = true }),
		session: laptoptest.OpenSnowflake(t, fmt.Sprintf("FIRN_AUDIT_%d", time.Now().UnixNano())),
		contract: &contract.Contract{
			Source: source, Entity: "order", Version: "1.0.0", Format: contract.CSV, Delimiter: ',', KeyPrefix: source + "/order/",
			Columns: []contract.Column{{Name: "id", Header: "id", Type: contract.Integer}},
		},
	}
	laptoptest.MakeTables(t, f.session, ddl.File(f.contract))
	f.journal = &journal.Table{Client: f.dynamo, Name: outputs["JournalTable"], Now: func() time.Time { return f.now }}
	began := f.now.Add(24 * time.Hour)
	f.Auditor = &audit.Auditor{
		Contracts: contract.Set{f.contract}, Journal: f.journal, Objects: f.s3,
		LandingBucket: outputs["LandingBucket"], CuratedBucket: outputs["CuratedBucket"],
		Open: func(context.Context) (audit.Ledger, error) { return ledger.Reader{Session: f.session}, nil },
		Now:  func() time.Time { return began }, Grace: 15 * time.Minute, Stuck: time.Hour,
	}
	f.addObjects(t)
	return f
}

func (f *fixture) addObjects(t *testing.T) {
	t.Helper()
	f.plain = f.load(t, f.putInDataset(t, "it's plain.csv"), 0)
	f.older = f.received(t, f.putInDataset(t, "twice.csv"))
	f.newer = f.load(t, f.putInDataset(t, "twice.csv"), 2)
	failOnError(t, f.journal.Superseded(t.Context(), f.older.ID(), f.newer.ID()))
	f.failed = f.fail(t, f.received(t, f.putInDataset(t, "failed.csv")))
	f.failedReload = f.load(t, f.putInDataset(t, "again.csv"), 0)
	f.reload(t, f.failedReload)
	f.fail(t, f.failedReload)
	f.withdrawn = f.withdraw(t, f.putInDataset(t, "withdrawn.csv"), nil)
	f.removed = f.putInDataset(t, "removed.csv")
	marker := f.removed
	marker.Version = "marker"
	f.withdraw(t, f.removed, &marker)
	f.putInDataset(t, "")               // a folder made in the console of S3
	f.putInDataset(t, "_manifest.json") // the manifest of a run
	f.at(-10*time.Minute, func() { f.received(t, f.putInDataset(t, "new.csv")) })
}

// at runs do at a time relative to the beginning of the audit.
func (f *fixture) at(d time.Duration, do func()) {
	before := f.now
	f.now = f.Now().Add(d)
	do()
	f.now = before
}

func failOnError(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// put uploads a new version without a journal entry.
func (f *fixture) put(t *testing.T, name string) object.Object {
	t.Helper()
	body := "id\n1\n"
	if strings.HasSuffix(name, "/") {
		body = ""
	}
	output, err := f.s3.PutObject(t.Context(), &s3.PutObjectInput{Bucket: aws.String(f.LandingBucket), Key: aws.String(name), Body: strings.NewReader(body)})
	failOnError(t, err)
	return object.Object{Bucket: f.LandingBucket, Key: name, Version: aws.ToString(output.VersionId)}
}

// putInDataset uploads a new version of a key of the fixture's dataset.
func (f *fixture) putInDataset(t *testing.T, name string) object.Object {
	t.Helper()
	return f.put(t, f.contract.KeyPrefix+name)
}

func (f *fixture) received(t *testing.T, o object.Object) object.Object {
	t.Helper()
	_, err := f.journal.Receive(t.Context(), o, f.dataset)
	failOnError(t, err)
	return o
}

// fail records a fault of the object's generation.
func (f *fixture) fail(t *testing.T, o object.Object) object.Object {
	t.Helper()
	entry, err := f.journal.Get(t.Context(), o.ID())
	failOnError(t, err)
	failure := fault.Permanentf("test", fault.BadHeader, "because")
	failure.ObjectID, failure.Generation = string(o.ID()), entry.Generation
	_, err = f.journal.Fail(t.Context(), failure, "transform", "arn", "body")
	failOnError(t, err)
	return o
}

func (f *fixture) reload(t *testing.T, o object.Object) {
	t.Helper()
	_, err := f.journal.Reload(t.Context(), o.ID())
	failOnError(t, err)
}

func (f *fixture) transformed(t *testing.T, o object.Object) {
	t.Helper()
	f.received(t, o)
	receipt := work.Receipt{Object: o, ObjectID: o.ID(), Dataset: f.dataset, RowsRead: 3, RowsWritten: 2, RowsRejected: 1}
	_, err := f.journal.Transformed(t.Context(), receipt, work.Location{Bucket: f.CuratedBucket, Key: f.receiptKey(o)})
	failOnError(t, err)
}

func (f *fixture) receiptKey(o object.Object) string {
	return object.Attempt{Dataset: f.dataset, Object: o.ID(), Name: "00-01-a"}.Receipt()
}

// load loads an object with two rows and one reject.
func (f *fixture) load(t *testing.T, o object.Object, generation int) object.Object {
	t.Helper()
	f.transformed(t, o)
	_, err := f.s3.PutObject(t.Context(), &s3.PutObjectInput{Bucket: aws.String(f.CuratedBucket), Key: aws.String(f.receiptKey(o)), Body: strings.NewReader("{}")})
	failOnError(t, err)
	f.record(t, o, generation, 2, 1)
	f.sql(t, "insert into raw.shop_order (id, _firn_object, _firn_record) select 1, ?, 1 union all select 2, ?, 2", string(o.ID()), string(o.ID()))
	f.sql(t, "insert into raw.shop_order_rejects (rule, _firn_object, _firn_record) select 'id:integer', ?, 3", string(o.ID()))
	failOnError(t, f.journal.Loaded(t.Context(), o.ID(), journal.Load{LoadID: "l1", Generation: generation, Rows: 2}))
	return o
}

// withdraw marks an object as withdrawn in journal and ledger, and deletes its key. The
// ledger row is the marker's, or the object's without a marker.
func (f *fixture) withdraw(t *testing.T, o object.Object, marker *object.Object) object.Object {
	t.Helper()
	f.received(t, o)
	recorded := o
	if marker != nil {
		recorded = *marker
	}
	f.record(t, recorded, 0, 0, 0)
	f.sql(t, "update raw.shop_order_loads set withdrawn_at = loaded_at, withdrawn_by = 'ann' where object = ?", string(recorded.ID()))
	failOnError(t, f.journal.Withdrawn(t.Context(), o.ID(), journal.Withdrawal{By: "ann", Reason: "wrong file"}))
	f.deleteKey(t, o)
	return o
}

// deleteKey deletes the key of an object in the landing bucket.
func (f *fixture) deleteKey(t *testing.T, o object.Object) {
	t.Helper()
	_, err := f.s3.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: aws.String(o.Bucket), Key: aws.String(o.Key)})
	failOnError(t, err)
}

// record inserts a ledger row.
func (f *fixture) record(t *testing.T, o object.Object, generation, loaded, rejected int) {
	t.Helper()
	f.sql(t, "insert into raw.shop_order_loads (object, generation, load_id, bucket, key, version,"+
		" rows_read, rows_written, rows_rejected, rows_loaded, loaded_at) select ?, ?, 'l1', ?, ?, ?, ?, ?, ?, ?, cast(? as timestamp_ltz)",
		string(o.ID()), generation, o.Bucket, o.Key, o.Version, loaded+rejected, loaded, rejected, loaded, f.now.UTC().Format(time.RFC3339Nano))
}

func (f *fixture) sql(t *testing.T, statement string, args ...any) {
	t.Helper()
	_, err := f.session.Exec(t.Context(), "change the state", strings.ReplaceAll(statement, "shop_order", f.contract.Source+"_order"), args...)
	failOnError(t, err)
}

// update changes the ledger row of plain.
func (f *fixture) update(t *testing.T, set string) {
	t.Helper()
	f.sql(t, "update raw.shop_order_loads set "+set+" where object = ?", string(f.plain.ID()))
}

// removeFromLedger deletes an object's ledger row, rows and rejects.
func (f *fixture) removeFromLedger(t *testing.T, o object.Object) {
	t.Helper()
	for table, column := range map[string]string{"shop_order": "_firn_object", "shop_order_rejects": "_firn_object", "shop_order_loads": "object"} {
		f.sql(t, "delete from raw."+table+" where "+column+" = ?", string(o.ID()))
	}
}

// deletedVersion returns an object of the dataset whose version isn't in the bucket.
func (f *fixture) deletedVersion(name string) object.Object {
	return object.Object{Bucket: f.LandingBucket, Key: f.contract.KeyPrefix + name, Version: fmt.Sprintf("gone-%d", fixtureCount.Add(1))}
}
