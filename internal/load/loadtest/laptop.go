package loadtest

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/parquet-go/parquet-go"

	"github.com/firn-data/firn/internal/contract"
	"github.com/firn-data/firn/internal/load"
	"github.com/firn-data/firn/internal/load/warehouse"
	"github.com/firn-data/firn/internal/object"
	"github.com/firn-data/firn/internal/snowflake"
	"github.com/firn-data/firn/internal/snowflake/ddl"
	"github.com/firn-data/firn/internal/snowflake/migrate"
)

// Snowflake is the laptop's or an account's, with the object store that it
// reads.
type Snowflake struct {
	warehouse.Warehouse
	// owner makes, looks into and drops tables, as the loader can't.
	owner  snowflake.Config
	store  *s3.Client
	bucket string
	// dropsTables drops what a test made when it ends.
	dropsTables bool
}

var _ WarehouseUnderTest = (*Snowflake)(nil)

// NewAccount is a real account: the loader's login, and one that may make and
// drop tables in RAW. The bucket is the one behind the stage RAW.CURATED. What
// tests make there is gone when they end.
func NewAccount(loader, owner snowflake.Config, store *s3.Client, bucket string) *Snowflake {
	return &Snowflake{Warehouse: warehouse.Warehouse{Config: loader}, owner: owner, store: store, bucket: bucket, dropsTables: true}
}

// NewLaptop makes a database, a bucket and the stage over it. The address is
// host:port of the stand-in; the store must be the one that it reads.
func NewLaptop(t testing.TB, address string, store *s3.Client) *Snowflake {
	t.Helper()
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	number, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	config := snowflake.Config{
		Account: "local", Database: "FIRN_LOADTEST", Schema: "RAW", Warehouse: "FIRN_LOAD", Role: "FIRN_LOADER",
		Host: host, Port: number, Protocol: "http", LockTimeout: 2 * time.Second,
	}
	bucket := fmt.Sprintf("firn-loadtest-%d", time.Now().UnixNano())
	if _, err := store.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: aws.String(bucket)}); err != nil {
		t.Fatal(err)
	}
	l := &Snowflake{Warehouse: warehouse.Warehouse{Config: config}, owner: config, store: store, bucket: bucket}
	l.run(t, "create or replace stage RAW.CURATED url = 's3://"+bucket+"/'")
	return l
}

// Bucket is the one behind the stage.
func (l *Snowflake) Bucket() string { return l.bucket }

// run runs a script outside of any transaction.
func (l *Snowflake) run(t testing.TB, script string) {
	t.Helper()
	session := l.session(t)
	defer closeAtEnd(t, session)
	for _, statement := range migrate.Split(script) {
		if _, err := session.Query(context.WithoutCancel(t.Context()), "set up test", statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
}

func (l *Snowflake) query(t testing.TB, statement string) snowflake.Result {
	t.Helper()
	session := l.session(t)
	defer closeAtEnd(t, session)
	result, err := session.Query(t.Context(), "look into test", statement)
	if err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
	return result
}

func (l *Snowflake) session(t testing.TB) *snowflake.Session {
	t.Helper()
	session, err := snowflake.Open(context.WithoutCancel(t.Context()), l.owner) // it tidies up, too, when the test's time is over
	if err != nil {
		t.Fatal(err)
	}
	return session
}

func closeAtEnd(t testing.TB, session interface{ Close() error }) {
	t.Helper()
	if err := session.Close(); err != nil {
		t.Error(err)
	}
}

func tableOf(name string) string { return "RAW." + strings.ToUpper(strings.Replace(name, ".", "_", 1)) }

// Create implements Bench, with the product's own DDL.
func (l *Snowflake) Create(t testing.TB, name string) {
	t.Helper()
	source, entity, _ := strings.Cut(name, ".")
	l.CreateFrom(t, &contract.Contract{
		Source: source, Entity: entity, Version: "1.0.0",
		Columns: []contract.Column{{Name: "name", Type: contract.String}},
	})
}

// CreateFrom makes the tables and the view that a contract asks for.
func (l *Snowflake) CreateFrom(t testing.TB, c *contract.Contract) {
	t.Helper()
	l.run(t, ddl.File(c)+ddl.View(c))
	if l.dropsTables {
		t.Cleanup(func() { l.drop(t, c) })
	}
}

func (l *Snowflake) drop(t testing.TB, c *contract.Contract) {
	t.Helper()
	l.run(t, "drop view if exists "+ddl.ViewName(c)+";\n")
	for _, table := range []string{ddl.TableName(c), ddl.LedgerName(c), ddl.RejectsName(c)} {
		l.run(t, "drop table if exists "+table+";\n")
	}
}

// Current reads the view of the dataset's current rows, each row as "id updated
// name", sorted.
func (l *Snowflake) Current(t testing.TB, name string) []string {
	t.Helper()
	rows := l.query(t, "select id, updated, name from "+tableOf(name)+"_CURRENT")
	current := make([]string, len(rows.Rows))
	for i := range rows.Rows {
		current[i] = rows.Text(i, "id") + " " + rows.Text(i, "updated") + " " + rows.Text(i, "name")
	}
	slices.Sort(current)
	return current
}

type valueRow struct {
	ID      int64  `parquet:"id,zstd"`
	Updated *int64 `parquet:"updated,optional,zstd"`
	dataRow
}

type dataRow struct {
	Name   string `parquet:"name,zstd"`
	Object string `parquet:"_firn_object,zstd"`
	Record int64  `parquet:"_firn_record,zstd"`
}

type rejectRow struct {
	Object string `parquet:"_firn_object,zstd"`
	Record int64  `parquet:"_firn_record,zstd"`
	Line   *int64 `parquet:"line,optional,zstd"`
	Rule   string `parquet:"rule,zstd"`
	Raw    string `parquet:"raw,zstd"`
}

// Put implements Bench.
func (l *Snowflake) Put(t testing.TB, table load.Table, name string, f File) {
	t.Helper()
	body, err := f.Parquet(table)
	if err != nil {
		t.Fatal(err)
	}
	l.put(t, name, body)
}

func (l *Snowflake) put(t testing.TB, name string, body []byte) {
	t.Helper()
	ctx := context.WithoutCancel(t.Context())
	_, err := l.store.PutObject(ctx, &s3.PutObjectInput{Bucket: &l.bucket, Key: &name, Body: bytes.NewReader(body)})
	if err != nil {
		t.Fatal(err)
	}
	if l.dropsTables {
		t.Cleanup(func() {
			if _, err := l.store.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &l.bucket, Key: &name}); err != nil {
				t.Errorf("the file is left: %v", err)
			}
		})
	}
}

// Parquet is the file's bytes, as a transform would write them: a column "name"
// and firn's own. One that is to be broken is no Parquet.
func (f File) Parquet(table load.Table) ([]byte, error) {
	var body bytes.Buffer
	var err error
	switch {
	case f.Broken:
		body.WriteString("PAR1 this is no Parquet PAR1")
	case table == load.Rejects:
		rows := make([]rejectRow, f.Rows)
		for i := range rows {
			rows[i] = rejectRow{Object: string(f.Object), Record: int64(i + 1), Rule: "name:required", Raw: "x,y"}
		}
		err = parquet.Write(&body, rows)
	case f.Values != nil:
		rows := make([]valueRow, len(f.Values))
		for i, v := range f.Values {
			rows[i] = valueRow{v.ID, v.Updated, dataRow{Name: v.Name, Object: string(f.Object), Record: int64(i + 1)}}
		}
		err = parquet.Write(&body, rows)
	default:
		rows := make([]dataRow, f.Rows)
		for i := range rows {
			rows[i] = dataRow{Name: "n", Object: string(f.Object), Record: int64(i + 1)}
		}
		err = parquet.Write(&body, rows)
	}
	return body.Bytes(), err
}

// Pause implements Bench.
func (l *Snowflake) Pause(t testing.TB, name string, paused bool) {
	t.Helper()
	l.run(t, fmt.Sprintf("update %s_LOADS set paused = %t where object = '%s'", tableOf(name), paused, load.LockRow))
}

// Erase implements Bench.
func (l *Snowflake) Erase(t testing.TB, name string, id object.ID) {
	t.Helper()
	for _, deletion := range []string{"_LOADS where object", " where _firn_object", "_REJECTS where _firn_object"} {
		l.run(t, fmt.Sprintf("delete from %s%s = '%s'", tableOf(name), deletion, id))
	}
}

// Contents implements Bench. It reads the ledger by a session of the product,
// key by key, so that the product's reading is tested too.
func (l *Snowflake) Contents(t testing.TB, name string) Contents {
	t.Helper()
	c := Contents{Rows: l.count(t, tableOf(name)), Rejects: l.count(t, tableOf(name)+"_REJECTS")}
	keys := l.query(t, "select distinct bucket, key from "+tableOf(name)+"_LOADS where object <> '"+load.LockRow+"'")
	c.LockRows = l.query(t, "select count(*) as n from "+tableOf(name)+"_LOADS where object = '"+load.LockRow+"'").Number(0, "n")
	if len(keys.Rows) == 0 {
		return c
	}
	wanted := make([]load.Key, len(keys.Rows))
	for i := range keys.Rows {
		wanted[i] = load.Key{Bucket: keys.Text(i, "bucket"), Name: keys.Text(i, "key")}
	}
	session, err := l.Open(t.Context(), name, "contents")
	if err != nil {
		t.Fatal(err)
	}
	defer closeAtEnd(t, session)
	if _, c.Ledger, err = session.ReadLedger(t.Context(), wanted, nil); err != nil {
		t.Fatal(err)
	}
	return c
}

func (l *Snowflake) count(t testing.TB, table string) map[object.ID]int64 {
	t.Helper()
	result := l.query(t, "select _firn_object, count(*) as n, count(_firn_loaded_at) as stamped from "+table+" group by _firn_object")
	counts := make(map[object.ID]int64)
	for i := range result.Rows {
		id := object.ID(result.Text(i, "_firn_object"))
		counts[id] = result.Number(i, "n")
		if stamped := result.Number(i, "stamped"); stamped != counts[id] {
			t.Errorf("%d of %d rows of %s have a load time", stamped, counts[id], id)
		}
	}
	return counts
}
