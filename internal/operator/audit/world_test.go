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
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/s3"

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

// fixture is a deployment in which everything adds up, on the stand-ins: the tests
// play the stages.
type fixture struct {
	*audit.Auditor

	dataset  string
	journal  *journal.Table
	dynamo   *dynamodb.Client
	s3       *s3.Client
	session  *snowflake.Session
	contract *contract.Contract
	// now is the journal's clock, and that of ledger rows; the audit begins a day
	// after the world was made.
	now time.Time

	// plain is loaded. older is superseded by newer, which is loaded. failed never
	// was; again was loaded, and its reload failed.
	plain, older, newer, failed, again object.Object
}

var fixtureCount atomic.Int64

// stack is what the worlds share: each has a dataset and a database of its own.
var stack = sync.OnceValues(func() (map[string]string, error) { return deploy("Audit") })

func deploy(name string) (map[string]string, error) {
	ctx := context.Background()
	cfg, err := config.LoadDefaultConfig(ctx)
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

// newFixtureInOwnStack makes a world in a stack of its own, for audits of all that there
// is.
func newFixtureInOwnStack(t *testing.T) *fixture {
	t.Helper()
	outputs, err := deploy(fmt.Sprintf("Audit%d", fixtureCount.Add(1)))
	failOnError(t, err)
	return newFixtureInStack(t, outputs)
}

func newFixtureInStack(t *testing.T, outputs map[string]string) *fixture {
	t.Helper()
	cfg, err := config.LoadDefaultConfig(t.Context())
	failOnError(t, err)
	source := fmt.Sprintf("shop%d", fixtureCount.Add(1))
	w := &fixture{
		dataset: source + ".order", now: time.Now(), dynamo: dynamodb.NewFromConfig(cfg),
		s3:      s3.NewFromConfig(cfg, func(o *s3.Options) { o.UsePathStyle = true }),
		session: laptoptest.OpenSnowflake(t, fmt.Sprintf("FIRN_AUDIT_%d", time.Now().UnixNano())),
		contract: &contract.Contract{
			Source: source, Entity: "order", Version: "1.0.0", Format: contract.CSV, Delimiter: ',', KeyPrefix: source + "/order/",
			Columns: []contract.Column{{Name: "id", Header: "id", Type: contract.Integer}},
		},
	}
	laptoptest.MakeTables(t, w.session, ddl.File(w.contract))
	w.journal = &journal.Table{Client: w.dynamo, Name: outputs["JournalTable"], Now: func() time.Time { return w.now }}
	began := w.now.Add(24 * time.Hour)
	w.Auditor = &audit.Auditor{
		Contracts: contract.Set{w.contract}, Journal: w.journal, Objects: w.s3,
		LandingBucket: outputs["LandingBucket"], CuratedBucket: outputs["CuratedBucket"],
		Open: func(context.Context) (audit.Ledger, error) { return ledger.Reader{Session: w.session}, nil },
		Now:  func() time.Time { return began }, Grace: 15 * time.Minute, Stuck: time.Hour,
	}
	w.addObjects(t)
	return w
}

func (w *fixture) addObjects(t *testing.T) {
	t.Helper()
	w.plain = w.load(t, w.putOwn(t, "it's plain.csv"), 0)
	w.older = w.received(t, w.putOwn(t, "twice.csv"))
	w.newer = w.load(t, w.putOwn(t, "twice.csv"), 2)
	failOnError(t, w.journal.Superseded(t.Context(), w.older.ID(), w.newer.ID()))
	w.failed = w.fail(t, w.received(t, w.putOwn(t, "failed.csv")))
	w.again = w.load(t, w.putOwn(t, "again.csv"), 0)
	w.reload(t, w.again)
	w.fail(t, w.again)
	w.putOwn(t, "")               // a folder of S3's console
	w.putOwn(t, "_manifest.json") // a run's
	w.at(-10*time.Minute, func() { w.received(t, w.putOwn(t, "new.csv")) })
}

// at runs what happens at a time after the audit's beginning, or before it.
func (w *fixture) at(d time.Duration, do func()) {
	was := w.now
	w.now = w.Now().Add(d)
	do()
	w.now = was
}

func failOnError(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// put puts a new version that nobody announces.
func (w *fixture) put(t *testing.T, name string) object.Object {
	t.Helper()
	body := "id\n1\n"
	if strings.HasSuffix(name, "/") {
		body = ""
	}
	output, err := w.s3.PutObject(t.Context(), &s3.PutObjectInput{Bucket: aws.String(w.LandingBucket), Key: aws.String(name), Body: strings.NewReader(body)})
	failOnError(t, err)
	return object.Object{Bucket: w.LandingBucket, Key: name, Version: aws.ToString(output.VersionId)}
}

// putOwn puts a new version of a key of the world's dataset.
func (w *fixture) putOwn(t *testing.T, name string) object.Object {
	t.Helper()
	return w.put(t, w.contract.KeyPrefix+name)
}

func (w *fixture) received(t *testing.T, o object.Object) object.Object {
	t.Helper()
	_, err := w.journal.Receive(t.Context(), o, w.dataset)
	failOnError(t, err)
	return o
}

func (w *fixture) fail(t *testing.T, o object.Object) object.Object {
	t.Helper()
	f := fault.Permanentf("test", fault.BadHeader, "because")
	f.ObjectID = string(o.ID())
	_, err := w.journal.Fail(t.Context(), f, "transform", "arn", "body")
	failOnError(t, err)
	return o
}

func (w *fixture) reload(t *testing.T, o object.Object) {
	t.Helper()
	_, err := w.journal.Reload(t.Context(), o.ID())
	failOnError(t, err)
}

func (w *fixture) transformed(t *testing.T, o object.Object) {
	t.Helper()
	w.received(t, o)
	receipt := work.Receipt{Object: o, ObjectID: o.ID(), Dataset: w.dataset, RowsRead: 3, RowsWritten: 2, RowsRejected: 1}
	_, err := w.journal.Transformed(t.Context(), receipt, work.Location{Bucket: w.CuratedBucket, Key: w.receiptKey(o)})
	failOnError(t, err)
}

func (w *fixture) receiptKey(o object.Object) string {
	return object.Attempt{Dataset: w.dataset, Object: o.ID(), Name: "00-01-a"}.Receipt()
}

// load brings an object to its end: two rows and a reject.
func (w *fixture) load(t *testing.T, o object.Object, generation int) object.Object {
	t.Helper()
	w.transformed(t, o)
	_, err := w.s3.PutObject(t.Context(), &s3.PutObjectInput{Bucket: aws.String(w.CuratedBucket), Key: aws.String(w.receiptKey(o)), Body: strings.NewReader("{}")})
	failOnError(t, err)
	w.record(t, o, generation, 2, 1)
	w.sql(t, "insert into raw.shop_order (id, _firn_object, _firn_record) select 1, ?, 1 union all select 2, ?, 2", string(o.ID()), string(o.ID()))
	w.sql(t, "insert into raw.shop_order_rejects (rule, _firn_object, _firn_record) select 'id:integer', ?, 3", string(o.ID()))
	failOnError(t, w.journal.Loaded(t.Context(), o.ID(), journal.Load{LoadID: "l1", Generation: generation, Rows: 2}))
	return o
}

// record writes a ledger row.
func (w *fixture) record(t *testing.T, o object.Object, generation, loaded, rejected int) {
	t.Helper()
	w.sql(t, "insert into raw.shop_order_loads (object, generation, load_id, bucket, key, version,"+
		" rows_read, rows_written, rows_rejected, rows_loaded, loaded_at) select ?, ?, 'l1', ?, ?, ?, ?, ?, ?, ?, cast(? as timestamp_ltz)",
		string(o.ID()), generation, o.Bucket, o.Key, o.Version, loaded+rejected, loaded, rejected, loaded, w.now.UTC().Format(time.RFC3339Nano))
}

func (w *fixture) sql(t *testing.T, statement string, args ...any) {
	t.Helper()
	_, err := w.session.Exec(t.Context(), "play", strings.ReplaceAll(statement, "shop_order", w.contract.Source+"_order"), args...)
	failOnError(t, err)
}

// update changes the plain object's ledger row.
func (w *fixture) update(t *testing.T, set string) {
	t.Helper()
	w.sql(t, "update raw.shop_order_loads set "+set+" where object = ?", string(w.plain.ID()))
}

// removeFromLedger takes an object out of the ledger, its rows and rejects too.
func (w *fixture) removeFromLedger(t *testing.T, o object.Object) {
	t.Helper()
	for table, column := range map[string]string{"shop_order": "_firn_object", "shop_order_rejects": "_firn_object", "shop_order_loads": "object"} {
		w.sql(t, "delete from raw."+table+" where "+column+" = ?", string(o.ID()))
	}
}

// deletedVersion is a version of a key of the dataset that the bucket has no more.
func (w *fixture) deletedVersion(name string) object.Object {
	return object.Object{Bucket: w.LandingBucket, Key: w.contract.KeyPrefix + name, Version: fmt.Sprintf("gone-%d", fixtureCount.Add(1))}
}
