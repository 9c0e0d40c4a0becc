//go:build standin

package main_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/firn-data/firn/internal/awsconfig"
	"github.com/firn-data/firn/internal/journal"
	"github.com/firn-data/firn/internal/laptop/laptoptest"
	"github.com/firn-data/firn/internal/object"
	"github.com/firn-data/firn/internal/snowflake"
	"github.com/firn-data/firn/internal/work"
)

// warehouse is a fixture with tables and buckets. The test plays the stages.
type warehouse struct {
	fixture
	session          *snowflake.Session
	store            *s3.Client
	landing, curated string
}

func newWarehouse(t *testing.T, database string) *warehouse {
	t.Helper()
	w := &warehouse{fixture: newFixture(t)}
	w.variables = append(w.variables, "SNOWFLAKE_DATABASE="+database)
	migrate := w.firn("migrate")
	migrate.directory = root(t)
	migrate.succeed(t)
	w.session = laptoptest.OpenSnowflake(t, database)
	cfg, err := awsconfig.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	w.store = s3.NewFromConfig(cfg, func(o *s3.Options) { o.UsePathStyle = true })
	outputs, err := laptoptest.Outputs(t.Context(), cfg, w.stack())
	if err != nil {
		t.Fatal(err)
	}
	w.landing, w.curated = outputs["LandingBucket"], outputs["CuratedBucket"]
	return w
}

// stack returns the name of the fixture's stack.
func (w *warehouse) stack() string {
	for _, v := range w.variables {
		if name, found := strings.CutPrefix(v, "FIRN_STACK="); found {
			return name
		}
	}
	return ""
}

func (w *warehouse) firn(arguments ...string) *call {
	c := w.command(arguments...)
	return &c
}

// shell runs a printed command in a shell, as a person does.
func (w *warehouse) shell(t *testing.T, command string) string {
	t.Helper()
	return runShell(t, root(t), w.variables, command)
}

// runShell runs a command in a shell that finds firn.
func runShell(t *testing.T, directory string, variables []string, command string) string {
	t.Helper()
	shell := exec.CommandContext(t.Context(), "sh", "-c", command)
	shell.Dir, shell.Env = directory, append([]string{"PATH=" + filepath.Dir(program) + ":" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME")}, variables...)
	output, err := shell.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v: %s", command, err, output)
	}
	return string(output)
}

func (w *warehouse) put(t *testing.T, bucket, key string) string {
	t.Helper()
	output, err := w.store.PutObject(t.Context(), &s3.PutObjectInput{Bucket: &bucket, Key: &key, Body: strings.NewReader("code,name\n")})
	if err != nil {
		t.Fatal(err)
	}
	return aws.ToString(output.VersionId)
}

func (w *warehouse) sql(t *testing.T, statement string, args ...any) {
	t.Helper()
	if _, err := w.session.Exec(t.Context(), "change the state", statement, args...); err != nil {
		t.Fatal(err)
	}
}

// read returns the first column of the first row.
func (w *warehouse) read(t *testing.T, query string) string {
	t.Helper()
	result, err := w.session.Query(t.Context(), "read", query)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return result.Rows[0][0].String
}

// load plays the path of a file with rows and one reject.
func (w *warehouse) load(t *testing.T, key string, rows int) object.Object {
	t.Helper()
	o := object.Object{Bucket: w.landing, Key: key, Version: w.put(t, w.landing, key)}
	attempt := object.Attempt{Dataset: "shop.customer", Object: o.ID(), Name: "00-01-a"}
	w.put(t, w.curated, attempt.Data(0))
	w.put(t, w.curated, attempt.Receipt())
	for i := range rows {
		w.sql(t, "insert into raw.shop_customer (code, name, _firn_object, _firn_record) select ?, 'n', ?, ?", fmt.Sprintf("C%d", i), string(o.ID()), i+1)
	}
	w.sql(t, "insert into raw.shop_customer_rejects (rule, _firn_object, _firn_record) select 'code:required', ?, ?", string(o.ID()), rows+1)
	w.sql(t, "insert into raw.shop_customer_loads (object, generation, load_id, bucket, key, version, rows_read, rows_written, rows_rejected, rows_loaded, started_at, loaded_at)"+
		" select ?, 0, 'l1', ?, ?, ?, ?, ?, 1, ?, current_timestamp(), current_timestamp()", string(o.ID()), o.Bucket, o.Key, o.Version, rows+1, rows, rows)
	receipt := work.Receipt{Object: o, ObjectID: o.ID(), Dataset: "shop.customer", RowsRead: int64(rows) + 1, RowsWritten: int64(rows), RowsRejected: 1}
	_, err := w.stages.Receive(t.Context(), o, "shop.customer")
	if err == nil {
		_, err = w.stages.Transformed(t.Context(), receipt, work.Location{Bucket: w.curated, Key: attempt.Receipt()})
	}
	if err == nil {
		err = w.stages.Loaded(t.Context(), o.ID(), journal.Load{LoadID: "l1", Rows: int64(rows)})
	}
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// callerARN returns the identity that AWS proves for the commands of the tests.
func callerARN(t *testing.T) string {
	t.Helper()
	cfg, err := awsconfig.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	answer, err := sts.NewFromConfig(cfg).GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{})
	if err != nil {
		t.Fatal(err)
	}
	if arn := aws.ToString(answer.Arn); strings.HasPrefix(arn, "arn:aws:") {
		return arn
	}
	t.Fatalf("the caller's identity is %q", aws.ToString(answer.Arn))
	return ""
}

// TestWithdrawEndsRowsOfDeletedFile: the audit reports a file that was deleted in S3,
// and names the command. The command removes rows, rejects and curated files. Then the
// view shows the delivery before, and the audit finds nothing.
func TestWithdrawEndsRowsOfDeletedFile(t *testing.T) {
	t.Parallel()
	w := newWarehouse(t, "FIRN_WITHDRAW_CLI")
	w.load(t, "shop/customer/2026-01-31.csv", 2)
	wrong := w.load(t, "shop/customer/2026-02-28.csv", 3)
	audit := func() answer { return w.firn("audit", "--dataset", "shop.customer", "--grace", "0s").run(t) }
	if found := audit(); found.code != 0 {
		t.Fatalf("audit before the deletion: %s", found.stdout)
	}
	if _, err := w.store.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: &wrong.Bucket, Key: &wrong.Key}); err != nil {
		t.Fatal(err)
	}
	found := audit()
	_, command, named := strings.Cut(found.stdout, "type: ")
	if found.code != 1 || !strings.Contains(found.stdout, wrong.URI()) || !named || !strings.HasPrefix(command, "firn withdraw ") {
		t.Fatalf("audit after the deletion: exit code %d, %s", found.code, found.stdout)
	}
	if ignoring := w.firn("audit", "--dataset", "shop.customer", "--grace", "0s", "--ignore", "file_deleted").run(t); ignoring.code != 0 {
		t.Errorf("audit without the kind: %s", ignoring.stdout)
	}
	if got := w.shell(t, command); !strings.Contains(got, "withdrawn: 3 rows and 1 rejects\n") {
		t.Errorf("%s printed %q", command, got)
	}
	if got := w.shell(t, command); !strings.Contains(got, "withdrawn; the table had no rows of it\n") {
		t.Errorf("again: %s printed %q", command, got)
	}
	if found := audit(); found.code != 0 {
		t.Errorf("audit after the withdrawal: %s", found.stdout)
	}
	id := string(wrong.ID())
	for query, want := range map[string]string{
		"select count(*) from raw.shop_customer":                           "2",
		"select count(*) from raw.shop_customer_rejects":                   "1",
		"select count(*) from raw.shop_customer_current":                   "2",
		"select sum(rows_loaded) from raw.shop_customer_loads":             "2",
		"select count(*) from ops.objects where dataset = 'shop.customer'": "1",
		"select count(*) from ops.ended":                                   "1",
		"select count(*) from ops.ended where object = '" + id + "' and rows_loaded = 3 and rows_rejected = 1 and reason = 'withdrawn' and note = 'deleted in S3' and ended_by = '" + callerARN(t) + "'": "1",
	} {
		if got := w.read(t, query); got != want {
			t.Errorf("%s: %s, want %s", query, got, want)
		}
	}
	files, err := w.store.ListObjectsV2(t.Context(), &s3.ListObjectsV2Input{Bucket: &w.curated, Prefix: aws.String(object.AttemptsPrefix("shop.customer", wrong.ID()))})
	if err != nil || len(files.Contents) != 0 {
		t.Errorf("%d curated files are left (%v)", len(files.Contents), err)
	}
	if reload := w.firn("reload", "--object", id).run(t); reload.code != 1 || !strings.Contains(reload.stdout, "skipped: the object is withdrawn: put the file again\n") {
		t.Errorf("reload: %d, %s", reload.code, reload.stdout)
	}
	if status := w.firn("status", id).succeed(t); !strings.Contains(status, "withdrawn by   "+callerARN(t)) || !strings.Contains(status, "deleted in S3") {
		t.Errorf("status: %s", status)
	}
}

func TestWithdrawRefusesMistakes(t *testing.T) {
	t.Parallel()
	b := newFixture(t)
	ignored := object.Object{Bucket: "landing", Key: "shop/order/", Version: "v1"}
	if err := b.stages.Ignore(t.Context(), ignored, "an empty folder"); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		arguments []string
		says      string
	}{
		{[]string{"s3://landing/shop/order/x.csv"}, "name the reason with --reason"},
		{[]string{"--reason", "r"}, "requires at least 1 arg(s)"},
		{[]string{"s3://landing/shop/order/x.csv", "--reason", "r", "--by", "ada"}, "unknown flag: --by"}, // the identity is AWS's
		{[]string{"s3://landing/shop/order/x.csv", "--reason", " "}, "a withdrawal needs a reason"},
		{[]string{"s3://landing/shop/order/x.csv", "--reason", "r"}, "the journal has no entry of s3://landing/shop/order/x.csv"},
		{[]string{string(ignored.ID()), "--reason", "r"}, "the object has no contract"},
	} {
		expectError(t, b.command(append([]string{"withdraw"}, test.arguments...)...), test.says)
	}
}
