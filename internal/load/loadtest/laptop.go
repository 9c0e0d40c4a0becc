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

// Snowflake is the laptop's Snowflake or an account, with the object store behind its
// stage.
type Snowflake struct {
	warehouse.Warehouse
	// owner is the login that creates, reads and drops the tables. The loader's role
	// may not do this.
	owner  snowflake.Config
	store  *s3.Client
	bucket string
	// dropsTables makes each test drop its tables and delete its files at the end.
	dropsTables bool
}

var _ WarehouseUnderTest = (*Snowflake)(nil)

// NewAccount returns a real account. The owner may create and drop tables in RAW. The
// bucket is the bucket behind the stage RAW.CURATED. Each test drops its tables and
// deletes its files at the end.
func NewAccount(loader, owner snowflake.Config, store *s3.Client, bucket string) *Snowflake {
	return &Snowflake{Warehouse: warehouse.Warehouse{Config: loader}, owner: owner, store: store, bucket: bucket, dropsTables: true}
}

// NewLaptop returns the laptop's Snowflake with the database FIRN_LOADTEST. NewLaptop
// creates a bucket with a new name, and a stage on the bucket. The address is host:port of
// the stand-in. The stand-in must read from the same store.
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
	db := &Snowflake{Warehouse: warehouse.Warehouse{Config: config}, owner: config, store: store, bucket: bucket}
	db.run(t, "create or replace stage RAW.CURATED url = 's3://"+bucket+"/';\ncreate schema if not exists OPS;\n"+ddl.Ended())
	return db
}

// Bucket returns the bucket behind the stage.
func (db *Snowflake) Bucket() string { return db.bucket }

// run runs a script without a transaction.
func (db *Snowflake) run(t testing.TB, script string) {
	t.Helper()
	session := db.session(t)
	defer closeAtEnd(t, session)
	for _, statement := range migrate.Split(script) {
		if _, err := session.Query(context.WithoutCancel(t.Context()), "set up test", statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
}

func (db *Snowflake) query(t testing.TB, statement string) snowflake.Result {
	t.Helper()
	session := db.session(t)
	defer closeAtEnd(t, session)
	result, err := session.Query(t.Context(), "read test tables", statement)
	if err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
	return result
}

func (db *Snowflake) session(t testing.TB) *snowflake.Session {
	t.Helper()
	session, err := snowflake.Open(context.WithoutCancel(t.Context()), db.owner) // also cleans up after the test's deadline
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

func tableOf(name string) string { return "RAW." + TableOf(name) }

// TableOf returns the name of a dataset's raw table, without the schema.
func TableOf(dataset string) string { return strings.ToUpper(strings.Replace(dataset, ".", "_", 1)) }

// Create implements WarehouseUnderTest, with the DDL of the product.
func (db *Snowflake) Create(t testing.TB, name string) {
	t.Helper()
	source, entity, _ := strings.Cut(name, ".")
	db.CreateFrom(t, &contract.Contract{
		Source: source, Entity: entity, Version: "1.0.0",
		Columns: []contract.Column{{Name: "name", Type: contract.String}},
	})
}

// CreateFrom creates the tables and the view of a contract.
func (db *Snowflake) CreateFrom(t testing.TB, c *contract.Contract) {
	t.Helper()
	db.run(t, ddl.File(c)+ddl.View(c))
	if db.dropsTables {
		t.Cleanup(func() { db.drop(t, c) })
	}
}

func (db *Snowflake) drop(t testing.TB, c *contract.Contract) {
	t.Helper()
	db.run(t, "drop view if exists "+ddl.ViewName(c)+";\n")
	for _, table := range []string{ddl.TableName(c), ddl.LedgerName(c), ddl.RejectsName(c)} {
		db.run(t, "drop table if exists "+table+";\n")
	}
	db.run(t, "delete from "+ddl.EndedTable+" where dataset = '"+c.Dataset()+"';\n")
}

// Current returns the rows in the view of the dataset's current rows, sorted, each as
// "id updated name".
func (db *Snowflake) Current(t testing.TB, name string) []string {
	t.Helper()
	rows := db.query(t, "select id, updated, name from "+tableOf(name)+"_CURRENT")
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

// Put implements WarehouseUnderTest.
func (db *Snowflake) Put(t testing.TB, table load.Table, name string, f File) {
	t.Helper()
	body, err := f.Parquet(table)
	if err != nil {
		t.Fatal(err)
	}
	db.put(t, name, body)
}

func (db *Snowflake) put(t testing.TB, name string, body []byte) {
	t.Helper()
	ctx := context.WithoutCancel(t.Context())
	_, err := db.store.PutObject(ctx, &s3.PutObjectInput{Bucket: &db.bucket, Key: &name, Body: bytes.NewReader(body)})
	if err != nil {
		t.Fatal(err)
	}
	if db.dropsTables {
		t.Cleanup(func() {
			if _, err := db.store.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &db.bucket, Key: &name}); err != nil {
				t.Errorf("file not deleted: %v", err)
			}
		})
	}
}

// Parquet returns the file's bytes, as a transform would write the file: the dataset's
// columns and firn's own columns. A broken file isn't Parquet.
func (f File) Parquet(table load.Table) ([]byte, error) {
	var body bytes.Buffer
	var err error
	switch {
	case f.Broken:
		body.WriteString("PAR1 not a Parquet file PAR1")
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

// Pause implements WarehouseUnderTest.
func (db *Snowflake) Pause(t testing.TB, name string, paused bool) {
	t.Helper()
	db.run(t, fmt.Sprintf("update %s_LOADS set paused = %t where object = '%s'", tableOf(name), paused, load.LockRow))
}

// Erase implements WarehouseUnderTest.
func (db *Snowflake) Erase(t testing.TB, name string, id object.ID) {
	t.Helper()
	for _, condition := range []string{"_LOADS where object", " where _firn_object", "_REJECTS where _firn_object"} {
		db.run(t, fmt.Sprintf("delete from %s%s = '%s'", tableOf(name), condition, id))
	}
}

// Contents implements WarehouseUnderTest. Contents reads the ledger key by key with
// ReadLedger, which is tested too.
func (db *Snowflake) Contents(t testing.TB, name string) Contents {
	t.Helper()
	c := Contents{Rows: db.count(t, tableOf(name)), Rejects: db.count(t, tableOf(name)+"_REJECTS")}
	keys := db.query(t, "select distinct bucket, key from "+tableOf(name)+"_LOADS where object <> '"+load.LockRow+"'")
	c.Ended = db.ended(t, name)
	c.LockRows = db.query(t, "select count(*) as n from "+tableOf(name)+"_LOADS where object = '"+load.LockRow+"'").Number(0, "n")
	if len(keys.Rows) == 0 {
		return c
	}
	wanted := make([]load.Key, len(keys.Rows))
	for i := range keys.Rows {
		wanted[i] = load.Key{Bucket: keys.Text(i, "bucket"), Name: keys.Text(i, "key")}
	}
	session, err := db.Open(t.Context(), name, "contents")
	if err != nil {
		t.Fatal(err)
	}
	defer closeAtEnd(t, session)
	if _, c.Ledger, err = session.ReadLedger(t.Context(), wanted, nil); err != nil {
		t.Fatal(err)
	}
	return c
}

// ended reads the dataset's part of the table of ended rows, without the times.
func (db *Snowflake) ended(t testing.TB, name string) []load.EndedRow {
	t.Helper()
	result := db.query(t, "select *, loaded_at <= ended_at and ended_in is not null as is_complete from "+ddl.EndedTable+" where dataset = '"+name+"'")
	var ends []load.EndedRow
	for i := range result.Rows {
		if !result.Bool(i, "is_complete") {
			t.Errorf("row %d of the table of ended rows lacks a time or the transaction", i)
		}
		ends = append(ends, load.EndedRow{
			Row: load.LedgerRow{
				ID:         object.ID(result.Text(i, "object")),
				Object:     object.Object{Bucket: result.Text(i, "bucket"), Key: result.Text(i, "key"), Version: result.Text(i, "version")},
				Generation: int(result.Number(i, "generation")), LoadID: result.Text(i, "load_id"),
				RowsLoaded: result.Number(i, "rows_loaded"), RowsRejected: result.Number(i, "rows_rejected"),
			},
			Reason: load.EndReason(result.Text(i, "reason")), By: result.Text(i, "ended_by"), Note: result.Text(i, "note"),
		})
	}
	return ends
}

func (db *Snowflake) count(t testing.TB, table string) map[object.ID]int64 {
	t.Helper()
	result := db.query(t, "select _firn_object, count(*) as n, count(_firn_loaded_at) as stamped from "+table+" group by _firn_object")
	counts := make(map[object.ID]int64)
	for i := range result.Rows {
		id := object.ID(result.Text(i, "_firn_object"))
		counts[id] = result.Number(i, "n")
		if stamped := result.Number(i, "stamped"); stamped != counts[id] {
			t.Errorf("%d of %d rows of object %s have a load time", stamped, counts[id], id)
		}
	}
	return counts
}
