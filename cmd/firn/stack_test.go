//go:build standin

package main_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/journal"
	"github.com/firn-data/firn/internal/laptop/laptoptest"
	"github.com/firn-data/firn/internal/object"
	"github.com/firn-data/firn/internal/operator"
	"github.com/firn-data/firn/internal/work"
)

// fixture is a separate stack without functions. The test writes the journal in place
// of the stages.
type fixture struct {
	stack     string
	stages    *journal.Table
	variables []string
}

var stacks atomic.Int64

func TestMain(m *testing.M) {
	os.Exit(runMain(func() int { return laptoptest.Main(m, "aws", "snowflake") }))
}

func newFixture(t *testing.T) fixture {
	t.Helper()
	ctx := t.Context()
	cfg, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		t.Fatal(err)
	}
	name := fmt.Sprintf("Stack%d", stacks.Add(1))
	if err := laptoptest.Deploy(ctx, cfg, name); err != nil {
		t.Fatal(err)
	}
	outputs, err := laptoptest.Outputs(ctx, cfg, name)
	if err != nil {
		t.Fatal(err)
	}
	f := fixture{stack: name, variables: append(laptop(), "FIRN_STACK="+name)}
	f.stages = &journal.Table{Client: dynamodb.NewFromConfig(cfg), Name: outputs["JournalTable"], Now: newClock()}
	return f
}

// newClock returns a clock that advances by a second at each call.
func newClock() func() time.Time {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	return func() time.Time {
		now = now.Add(time.Second)
		return now
	}
}

func (f fixture) command(arguments ...string) call {
	return call{variables: f.variables, arguments: arguments}
}

// failed returns an object with a failed transform.
func (f fixture) failed(t *testing.T, key string, code fault.Code) object.Object {
	t.Helper()
	o := object.Object{Bucket: "landing", Key: key, Version: "v1"}
	if _, err := f.stages.Receive(t.Context(), o, "shop.order"); err != nil {
		t.Fatal(err)
	}
	failure := fault.Permanentf("test", code, "the header lacks number")
	failure.ObjectID = string(o.ID())
	if _, err := f.stages.Fail(t.Context(), failure, "transform", "arn", "body"); err != nil {
		t.Fatal(err)
	}
	return o
}

func TestPut(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	folder := t.TempDir()
	for _, name := range []string{"a b+c.csv", "é.csv"} {
		write(t, filepath.Join(folder, "shop/order", name), "x")
	}
	put := f.command("put", "--json", "--wait", "0", "shop/order/a b+c.csv", "shop/order/é.csv")
	put.directory = folder
	objects := decode[[]object.Object](t, put.succeed(t))
	if len(objects) != 2 || objects[0].Key != "shop/order/a b+c.csv" || objects[1].Key != "shop/order/é.csv" || objects[0].Version == "" || objects[0].Size != 1 {
		t.Errorf("put %+v", objects)
	}
	text := f.command("put", "--wait", "0", "--key", "shop/order/other.csv", filepath.Join(folder, "shop/order/é.csv")).succeed(t)
	if want := regexp.MustCompile(`^[0-9a-f]{32}  s3://\S+/shop/order/other\.csv\n$`); !want.MatchString(text) {
		t.Errorf("put prints %q, want %s", text, want)
	}
	expectError(t, f.command("put", "/tmp/x.csv"), `no contract for dataset ""`, "shop.order", "--dataset")
	expectError(t, f.command("put", "--dataset", "shop.order", "/nowhere/x.csv"), "put: open /nowhere/x.csv: no such file or directory")
	expectError(t, f.command("put", "--dataset", "shop.order", folder), "is a folder; name files")
	late := put
	late.arguments = []string{"put", "--wait", "50ms", "shop/order/é.csv"}
	expectError(t, late, "1 of 1 objects are not settled: not settled within 50ms: see `firn status`")
}

// TestTargetOfEndpoint: a command that writes shows the account, the region and the stack
// behind the endpoint. A command that reads shows nothing.
func TestTargetOfEndpoint(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	name := strings.TrimPrefix(f.variables[len(f.variables)-1], "FIRN_STACK=")
	want := "target: endpoint " + os.Getenv("AWS_ENDPOINT_URL") + ", account 000000000000, region us-east-1, stack " + name + "\n"
	if got := f.command("sweep").run(t); got.code != 0 || got.stderr != want {
		t.Errorf("firn sweep: exit code %d, standard error %q, want %q", got.code, got.stderr, want)
	}
	if got := f.command("status").run(t); got.code != 0 || got.stderr != "" {
		t.Errorf("firn status: exit code %d, standard error %q", got.code, got.stderr)
	}
}

func TestStatus(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	golden(t, "status-nothing.json", f.command("status", "--json").succeed(t))
	golden(t, "status-nothing", f.command("status").succeed(t))
	o := f.failed(t, "shop/order/it's broken.csv", fault.BadHeader)
	golden(t, "status-failed", f.command("status").needsPerson(t, "shop.order"))
	golden(t, "status-object", f.command("status", o.URI()).succeed(t))
	golden(t, "status-object.json", f.command("status", "--json", string(o.ID())).succeed(t))
	golden(t, "status-dataset.json", f.command("status", "--json", "--dataset", "shop.order").needsPerson(t, "shop.order"))
	golden(t, "status-unclaimed.json", f.command("status", "--json", "--dataset", "-").succeed(t))
	expectExit(t, f.command("status", "s3://landing/never.csv"), 2, "the journal has no entry of s3://landing/never.csv: was the object put into the landing bucket ")
	expectExit(t, f.command("status", "never.csv"), 2, `"never.csv" is no object: write s3://bucket/key`)
	expectExit(t, f.command("status", "--dataset", "shop.ordr"), 2, `no contract for dataset "shop.ordr": name one of `)
}

// needsPerson runs the command, which must exit with 1 and name the datasets, and returns
// standard output.
func (c call) needsPerson(t *testing.T, datasets string) string {
	t.Helper()
	got := c.run(t)
	if want := "firn: failed objects, held deliveries or long waits need a person: " + datasets + "\n"; got.code != 1 || got.stderr != want {
		t.Errorf("firn %s: exit code %d, %q; want 1, %q", strings.Join(c.arguments, " "), got.code, got.stderr, want)
	}
	return got.stdout
}

// TestStatusListsRuns: the list has each run that isn't finished, with its cause and its
// next try.
func TestStatusListsRuns(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	name := func(id string) journal.RunName { return journal.RunName{Dataset: "station.event", ID: id} }
	for _, id := range []string{"20180131T000000Z-20180201T000000Z", "20180201T000000Z-20180202T000000Z", "20180202T000000Z-20180203T000000Z", "20180203T000000Z-20180204T000000Z"} {
		if _, err := f.stages.OrderRun(t.Context(), journal.RunOrder{RunName: name(id), Message: "{}"}); err != nil {
			t.Fatal(err)
		}
	}
	waiting, at := name("20180201T000000Z-20180202T000000Z"), time.Date(2026, 3, 1, 13, 0, 0, 0, time.UTC)
	failure := fault.Permanentf("query source", fault.SourceUnknownHost, "lookup sorce.test: no such host")
	failure.Dataset, failure.RunID = "station.event", "20180202T000000Z-20180203T000000Z"
	_, failErr := f.stages.Fail(t.Context(), failure, "ingest", "arn", "{}")
	err := errors.Join(
		f.stages.SaveCheckpoint(t.Context(), waiting, 1, journal.RunProgress{Pages: 2, Rows: 1000}),
		f.stages.DelayRun(t.Context(), waiting, journal.Delay{
			Stage: "ingest", Code: fault.SourceAway, Cause: "503 Service Unavailable", Hint: fault.SourceAway.Hint(), Tries: 7,
			Last: at, Next: at.Add(320 * time.Second), Repeats: 7, Since: at.Add(-315 * time.Second),
		}),
		failErr,
		f.stages.SaveCheckpoint(t.Context(), name("20180203T000000Z-20180204T000000Z"), 1, journal.RunProgress{Finished: true}),
	)
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "status-runs", f.command("status", "--dataset", "station.event").succeed(t))
	golden(t, "status-runs.json", f.command("status", "--json", "--dataset", "station.event").succeed(t))
}

// TestStatusHasRejectsByRule: the most frequent rule comes first.
func TestStatusHasRejectsByRule(t *testing.T) {
	t.Parallel()
	b := newFixture(t)
	o := object.Object{Bucket: "landing", Key: "shop/order/a.csv", Version: "v1"}
	if _, err := b.stages.Receive(t.Context(), o, "shop.order"); err != nil {
		t.Fatal(err)
	}
	receipt := work.Receipt{
		Object: o, ObjectID: o.ID(), Dataset: "shop.order", Outcome: work.Accepted, RowsRead: 9, RowsWritten: 6, RowsRejected: 3,
		RejectsByRule: map[string]int64{"_row:columns": 1, "amount:decimal": 2},
	}
	if _, err := b.stages.Transformed(t.Context(), receipt, work.Location{Bucket: "curated", Key: "receipt.json"}); err != nil {
		t.Fatal(err)
	}
	if text := b.command("status", o.URI()).succeed(t); !regexp.MustCompile(`(?m)^rejects by rule +amount:decimal 2, _row:columns 1$`).MatchString(text) {
		t.Errorf("the status has no rejects by rule:\n%s", text)
	}
}

// TestStatusNamesSameBytes: the status of an object names the first object with the same
// bytes.
func TestStatusNamesSameBytes(t *testing.T) {
	t.Parallel()
	b := newFixture(t)
	first := b.failed(t, "shop/order/first.csv", fault.BadHeader)
	o := object.Object{Bucket: "landing", Key: "shop/order/second.csv", Version: "v1"}
	if _, err := b.stages.Receive(t.Context(), o, "shop.order"); err != nil {
		t.Fatal(err)
	}
	if err := b.stages.Loaded(t.Context(), o.ID(), journal.Load{LoadID: "l1", Rows: 3, DuplicateOf: first.ID()}); err != nil {
		t.Fatal(err)
	}
	want := regexp.MustCompile(`(?m)^same bytes as +s3://landing/shop/order/first\.csv \(` + string(first.ID()) + `\)$`)
	if text := b.command("status", o.URI()).succeed(t); !want.MatchString(text) {
		t.Errorf("the status doesn't name the first object:\n%s", text)
	}
	if text := b.command("status", "--json", o.URI()).succeed(t); !strings.Contains(text, `"duplicate_of": "`+string(first.ID())+`"`) {
		t.Errorf("the JSON doesn't have the id of the first object:\n%s", text)
	}
}

// TestStatusOfKeyWithControlCharacters: no control character reaches the terminal, and
// the command names the object by its id.
func TestStatusOfKeyWithControlCharacters(t *testing.T) {
	t.Parallel()
	b := newFixture(t)
	o := b.failed(t, "shop/order/\x1b[31mred\n.csv", fault.BadHeader)
	for _, text := range []string{b.command("status", o.URI()).succeed(t), b.command("status").needsPerson(t, "shop.order")} {
		if !strings.Contains(text, `s3://landing/shop/order/\x1b[31mred\n.csv`) || strings.ContainsAny(text, "\x1b") {
			t.Errorf("the status is %q", text)
		}
	}
	if text := b.command("status", string(o.ID())).succeed(t); !strings.Contains(text, "firn redrive "+string(o.ID())) {
		t.Errorf("the command doesn't name the object's id:\n%s", text)
	}
}

// TestRedrive redrives an object by its URI, and the failed objects of a dataset by
// their code.
func TestRedrive(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	o := f.failed(t, "shop/order/it's broken.csv", fault.BadHeader)
	redriven := decode[[]json.RawMessage](t, f.command("redrive", "--json", o.URI()).succeed(t))
	if len(redriven) != 1 || decode[struct{ ID object.ID }](t, idOnly(t, redriven[0])).ID != o.ID() {
		t.Errorf("redriven %s", redriven)
	}
	f.failed(t, "shop/order/1.csv", fault.TooManyRejects)
	f.failed(t, "shop/order/2.csv", fault.TooManyRejects)
	text := f.command("redrive", "--dataset", "shop.order", "--code", "too_many_rejects").succeed(t)
	if strings.Count(text, "s3://landing/") != 2 || !strings.HasSuffix(text, "2 redriven; see `firn status` for the result\n") {
		t.Errorf("redrive prints %q", text)
	}
	if none := f.command("redrive", "--json", "--dataset", "-").succeed(t); none != "[]\n" {
		t.Errorf("redrive without failed objects prints %q, want an empty list", none)
	}
	if _, err := f.stages.Receive(t.Context(), object.Object{Bucket: "landing", Key: "on-its-way.csv"}, "shop.order"); err != nil {
		t.Fatal(err)
	}
	moving := f.command("redrive", "s3://landing/on-its-way.csv").succeed(t)
	if want := "  s3://landing/on-its-way.csv  already under way: received\n0 redriven, 1 already under way; see `firn status` for the result\n"; !strings.HasSuffix(moving, want) {
		t.Errorf("redrive of an object on its way prints %q, want %q", moving, want)
	}
	expectError(t, f.command("redrive", "--dataset", "shop.order", "--code", "bad_heder"), `no fault has the code "bad_heder"`)
}

// TestRedriveOfUnsentMessage: an earlier command stopped before the send. The status names
// the unsent message, and the same command sends the message.
func TestRedriveOfUnsentMessage(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	o := f.failed(t, "shop/order/a.csv", fault.BadHeader)
	if _, err := f.stages.Redrive(t.Context(), o.ID()); err != nil { // a command that stopped before the send
		t.Fatal(err)
	}
	status := f.command("status", o.URI()).succeed(t)
	if !strings.Contains(status, "not sent") || !strings.Contains(status, "firn redrive "+o.URI()) {
		t.Errorf("the status doesn't name the unsent message:\n%s", status)
	}
	redrive := f.command("redrive", "--dataset", "shop.order", "--code", "bad_header")
	if got := redrive.succeed(t); !strings.HasSuffix(got, "1 redriven; see `firn status` for the result\n") {
		t.Errorf("redrive prints %q", got)
	}
	if got := redrive.succeed(t); got != "0 redriven; see `firn status` for the result\n" {
		t.Errorf("redrive again prints %q", got)
	}
}

// TestDismiss dismisses an object by its name, and the failed objects of a dataset by
// their code. A redrive brings an object back.
func TestDismiss(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	o := f.failed(t, "shop/order/it's broken.csv", fault.BadHeader)
	dismiss := f.command("dismiss", o.URI(), "--reason", "a test file")
	for _, want := range []string{"\n1 dismissed\n", "  already dismissed\n0 dismissed, 1 already dismissed\n"} {
		if got := dismiss.succeed(t); !strings.HasPrefix(got, string(o.ID())+"  "+o.URI()) || !strings.HasSuffix(got, want) {
			t.Errorf("dismiss prints %q, want %q at the end", got, want)
		}
	}
	shown := f.failed(t, "shop/order/it's dismissed.csv", fault.BadHeader)
	if _, _, err := f.stages.Dismiss(t.Context(), shown.ID(), journal.Dismissal{By: "ada", Reason: "a test file"}); err != nil {
		t.Fatal(err)
	}
	golden(t, "status-dismissed", f.command("status", shown.URI()).succeed(t))
	golden(t, "status-dismissed.json", f.command("status", "--json", shown.URI()).succeed(t))
	if got := f.command("redrive", o.URI()).succeed(t); !strings.HasSuffix(got, "1 redriven; see `firn status` for the result\n") {
		t.Errorf("redrive prints %q", got)
	}
	f.failed(t, "shop/order/1.csv", fault.TooManyRejects)
	f.failed(t, "shop/order/2.csv", fault.TooManyRejects)
	all := decode[[]operator.Dismissed](t, f.command("dismiss", "--dataset", "shop.order", "--code", "too_many_rejects", "--reason", "r", "--json").succeed(t))
	if len(all) != 2 || all[0].Refused != "" || all[0].Dataset != "shop.order" {
		t.Errorf("dismissed %+v", all)
	}
	loaded := object.Object{Bucket: "landing", Key: "shop/order/loaded.csv", Version: "v1"}
	if _, err := f.stages.Receive(t.Context(), loaded, "shop.order"); err != nil {
		t.Fatal(err)
	}
	if err := f.stages.Loaded(t.Context(), loaded.ID(), journal.Load{LoadID: "l1", Rows: 3}); err != nil {
		t.Fatal(err)
	}
	checkFailure(t, f.command("dismiss", loaded.URI(), "--reason", "r"), 1, "1 of 1 objects were skipped")
	for _, wrong := range []struct {
		arguments []string
		want      string
	}{
		{[]string{"--reason", "r"}, "name objects, or a dataset with --dataset"},
		{[]string{"s3://b/k", "--dataset", "shop.order", "--reason", "r"}, "name objects, or a dataset with --dataset"},
		{[]string{"--dataset", "shop.order", "--reason", "r"}, "name a code with --code for a dataset"},
		{[]string{"s3://b/k", "--code", "bad_header", "--reason", "r"}, "name a code with --code for a dataset, and only for a dataset"},
		{[]string{"s3://b/k"}, "name the reason with --reason"},
		{[]string{"s3://b/k", "--reason", "r"}, "the journal has no entry of s3://b/k"},
	} {
		expectError(t, f.command(append([]string{"dismiss"}, wrong.arguments...)...), wrong.want)
	}
}

// TestReload reloads an object by name, and a dataset by its ledger.
func TestReload(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.variables = append(f.variables, "SNOWFLAKE_DATABASE=FIRN_RELOAD_CLI")
	firn := func(arguments ...string) call {
		c := f.command(arguments...)
		c.directory = root(t)
		return c
	}
	firn("migrate").succeed(t)
	o := object.Object{Bucket: "landing", Key: "shop/order/it's loaded.csv", Version: "v1"}
	if _, err := f.stages.Receive(t.Context(), o, "shop.order"); err != nil {
		t.Fatal(err)
	}
	checkFailure(t, firn("reload", "--object", o.URI()), 1, "1 of 1 objects were skipped")
	if err := f.stages.Loaded(t.Context(), o.ID(), journal.Load{LoadID: "l1", Rows: 3}); err != nil {
		t.Fatal(err)
	}
	line := string(o.ID()) + "  " + o.URI() + "  generation 1"
	const advice = "; see `firn status` for the result\n"
	if got := firn("reload", "--plan", "--object", o.URI()).succeed(t); got != line+"\n1 to reload"+advice {
		t.Errorf("the plan is %q", got)
	}
	if got := firn("reload", "--object", o.URI()).succeed(t); got != line+"\n1 reloaded"+advice {
		t.Errorf("reload prints %q", got)
	}
	if got := firn("reload", "--object", string(o.ID())).succeed(t); got != line+", already being reloaded\n0 reloaded, 1 already being reloaded"+advice {
		t.Errorf("second reload prints %q", got)
	}
	for _, part := range []string{"generation          1\n", "still in the table  3 rows of load l1, from before the reload\n"} {
		if status := firn("status", o.URI()).succeed(t); !strings.Contains(status, part) {
			t.Errorf("status doesn't print %q:\n%s", part, status)
		}
	}

	if none := firn("reload", "--dataset", "shop.order", "--json").succeed(t); none != "[]\n" {
		t.Errorf("reload with an empty ledger prints %q", none)
	}
	firn("query", "insert into RAW.SHOP_ORDER_LOADS (OBJECT, GENERATION, BUCKET, KEY, VERSION, LOADED_AT)"+
		" select 'lost', 4, 'landing', 'shop/order/lost.csv', 'v1', '2026-03-01T00:00:00Z'::timestamp_ltz").succeed(t)
	if late := firn("reload", "--dataset", "shop.order", "--since", "2026-03-02", "--json").succeed(t); late != "[]\n" {
		t.Errorf("reload of objects from before --since prints %q", late)
	}
	if none := firn("reload", "--rejects", "--dataset", "shop.order", "--dry-run").succeed(t); none != "0 to reload"+advice {
		t.Errorf("reload without rejects prints %q", none)
	}
	firn("query", "update RAW.SHOP_ORDER_LOADS set ROWS_REJECTED = 7 where OBJECT = 'lost'").succeed(t)
	if got := firn("reload", "--rejects", "--dataset", "shop.order", "--dry-run").succeed(t); got != "lost  s3://landing/shop/order/lost.csv  generation 5, 7 rejects\n1 to reload"+advice {
		t.Errorf("reload of rejects prints %q", got)
	}
	golden(t, "reload.json", firn("reload", "--dataset", "shop.order", "--since", "2026-03-01", "--json", "--plan").succeed(t))
}

// TestAuditExitCodes audits a consistent dataset, and a table with an additional row.
func TestAuditExitCodes(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.variables = append(f.variables, "SNOWFLAKE_DATABASE=FIRN_AUDIT_CLI")
	firn := func(arguments ...string) call {
		c := f.command(arguments...)
		c.directory = root(t)
		return c
	}
	checkFailure(t, firn("audit", "--dataset", "shop.ordr"), 2, `no contract for dataset "shop.ordr"`)
	none := firn("audit")
	none.variables = append(none.variables, "FIRN_STACK=Missing")
	checkFailure(t, none, 2, "stack Missing can't be read")
	firn("migrate").succeed(t)
	golden(t, "audit", firn("audit").succeed(t))
	golden(t, "audit.json", firn("audit", "--dataset", "shop.order", "--json").succeed(t))

	firn("query", "insert into RAW.SHOP_ORDER (NUMBER, _FIRN_OBJECT, _FIRN_RECORD) select 'N1', 'nobody''s', 1").succeed(t)
	found := firn("audit", "--dataset", "shop.order")
	checkFailure(t, found, 1, "firn: 1 differences")
	golden(t, "audit-orphan", found.run(t).stdout)
	golden(t, "audit-orphan.json", firn("audit", "--dataset", "shop.order", "--json").run(t).stdout)
	_, command, _ := strings.Cut(found.run(t).stdout, "type: ")
	shell := exec.CommandContext(t.Context(), "sh", "-c", command)
	shell.Dir, shell.Env = root(t), append([]string{"PATH=" + filepath.Dir(program) + ":" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME")}, f.variables...)
	if output, err := shell.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v: %s", command, err, output)
	}
	firn("audit", "--dataset", "shop.order").succeed(t)
}

// idOnly returns an object with only the id.
func idOnly(t *testing.T, entry json.RawMessage) string {
	t.Helper()
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(entry, &fields); err != nil {
		t.Fatal(err)
	}
	return `{"id":` + string(fields["id"]) + `}`
}

func TestIngest(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	week := []string{"--start", "2018-01-31T00:00:00Z", "--end", "2018-02-08T00:00:00Z"}
	golden(t, "ingest.json", f.command(append([]string{"ingest", "station.event", "--json"}, week...)...).succeed(t))
	golden(t, "ingest", f.command(append([]string{"ingest", "station.event"}, week...)...).succeed(t))
	expectError(t, f.command(append([]string{"ingest", "station.quake"}, week...)...), "the dataset has no contract with firn.ingest: name one of station.event")
}

func TestQueryPrintsRows(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	const statement = "select 1 as number, 'a b' as text, null as nothing union all select 22, '', 'x' order by 1"
	golden(t, "query", f.command("query", statement).succeed(t))
	golden(t, "query.json", f.command("query", "--json", statement).succeed(t))
	expectError(t, f.command("query", "select * from RAW.NO_SUCH_TABLE"), "query: ", "NO_SUCH_TABLE")
}

func TestMigrate(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	migrate := func(arguments ...string) string {
		c := f.command(append([]string{"migrate"}, arguments...)...)
		c.directory = root(t)
		return c.succeed(t)
	}
	planned := migrate("--plan", "--json")
	golden(t, "migrate.json", planned)
	if ran := migrate("--apply", "--json", "--set", "retention_days=0"); ran != planned {
		t.Errorf("migrate ran %s\nwant the plan %s", ran, planned)
	}
	if again := migrate("--json"); again != "{\n  \"scripts\": [],\n  \"tables\": [],\n  \"objects\": []\n}\n" {
		t.Errorf("second migrate prints %s", again)
	}
	if text := migrate("--plan"); text != "nothing to do\n" {
		t.Errorf("plan after the migration is %q", text)
	}
	for _, wrong := range []struct{ flags, want string }{
		{"--plan --apply", "[apply plan] were all set"},
		{"--plan --break-lock", "[break-lock plan] were all set"},
		{"--set retention_day=1", "variable retention_day: no script uses this variable"},
	} {
		c := f.command(append([]string{"migrate"}, strings.Fields(wrong.flags)...)...)
		c.directory = root(t)
		expectError(t, c, wrong.want)
	}
}

// TestMigrateAddsLedgerColumns begins with ledgers without a column. The views over all
// ledgers name this column.
func TestMigrateAddsLedgerColumns(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.variables = append(f.variables, "SNOWFLAKE_DATABASE=FIRN_OLDER_CLI")
	firn := func(arguments ...string) call {
		c := f.command(arguments...)
		c.directory = root(t)
		return c
	}
	firn("migrate").succeed(t)
	for _, statement := range []string{
		"drop view OPS.LOADS", "drop view OPS.OBJECTS",
		"alter table RAW.SHOP_CUSTOMER_LOADS drop column DUPLICATE_OF",
		"update OPS.CHANGE_HISTORY set checksum = 'older' where script = 'R__ops_views.sql'",
	} {
		firn("query", statement).succeed(t)
	}
	got := firn("migrate").succeed(t)
	for _, part := range []string{"shop.customer", "add column duplicate_of varchar", "R__ops_views.sql (changed)", "1 scripts run"} {
		if !strings.Contains(got, part) {
			t.Errorf("migrate doesn't print %q:\n%s", part, got)
		}
	}
	firn("query", "select DUPLICATE_OF from OPS.OBJECTS").succeed(t)
}

// TestMigrateAfterKilledMigration begins with the lock of a killed migration.
func TestMigrateAfterKilledMigration(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	folder := copyRepository(t)
	f.variables = append(f.variables, "FIRN_DATASETS="+filepath.Join(folder, "datasets"), "SNOWFLAKE_DATABASE=FIRN_DEAD_CLI")
	firn := func(arguments ...string) call {
		c := f.command(arguments...)
		c.directory = folder
		return c
	}
	firn("migrate").succeed(t)
	firn("query", "update ops.change_history set holder = 'ann on build-7', seen_at = current_timestamp() where script = '~lock'").succeed(t)
	write(t, filepath.Join(folder, "snowflake/V9.0.0__more.sql"), "select 1;\n")
	expectError(t, firn("migrate"), "another migration is running: ann on build-7, last refresh of its lock at 2", "`firn migrate --break-lock` works at once")
	got := firn("migrate", "--break-lock").succeed(t)
	if want := regexp.MustCompile(`^took the lock of ann on build-7, last refresh at \S+Z\nV9\.0\.0__more\.sql \(new\)\n1 scripts run\n$`); !want.MatchString(got) {
		t.Errorf("migrate prints %q", got)
	}
}

// TestMigrateChangesTable changes the contract of an existing table, and runs the
// commands of an operator.
func TestMigrateChangesTable(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	folder := copyRepository(t)
	f.variables = append(f.variables, "FIRN_DATASETS="+filepath.Join(folder, "datasets"), "SNOWFLAKE_DATABASE=FIRN_EVOLVE_CLI")
	firn := func(arguments ...string) call {
		c := f.command(arguments...)
		c.directory = folder
		return c
	}
	firn("migrate").succeed(t)

	path := filepath.Join(folder, "datasets/shop/customer/contract.odcs.yaml")
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	old := filepath.Join(folder, "old.yaml")
	write(t, old, string(before))
	changed := strings.Replace(string(before), "version: 1.0.0", "version: 1.1.0", 1) +
		"      - name: country\n        logicalType: string\n        description: Where it is at home.\n"
	write(t, path, changed)

	want := "shop.customer 1.0.0 -> 1.1.0\n  add column country varchar\n"
	const compatible = "  compatible: each file of one version loads under the other version\n"
	if got := firn("contract", "diff", old, path).succeed(t); got != want+compatible {
		t.Errorf("diff prints %q, want %q", got, want+compatible)
	}
	if got := firn("pause", "shop.customer").succeed(t); got != "shop.customer was paused\n" {
		t.Errorf("pause prints %q", got)
	}
	checkFailure(t, firn("migrate"), 1, "the dataset is paused, by a person or by another migration", "`firn resume shop.customer`")
	if got := firn("resume", "shop.customer").succeed(t); got != "shop.customer was resumed\n" {
		t.Errorf("resume prints %q", got)
	}
	if got := firn("resume", "shop.customer").succeed(t); got != "shop.customer was already resumed\n" {
		t.Errorf("second resume prints %q", got)
	}
	if got := firn("migrate", "--plan").succeed(t); got != want+"0 scripts to run\n" {
		t.Errorf("the plan is %q", got)
	}
	if got := firn("migrate").succeed(t); got != want+"0 scripts run\n" {
		t.Errorf("migrate prints %q", got)
	}
	firn("query", "select COUNTRY from RAW.SHOP_CUSTOMER").succeed(t)
	firn("query", "select COUNTRY from RAW.SHOP_CUSTOMER_CURRENT").succeed(t)
	if got := firn("migrate").succeed(t); got != "nothing to do\n" {
		t.Errorf("second migrate prints %q", got)
	}

	write(t, path, strings.Replace(changed, "logicalType: string\n        description: Where it is", "logicalType: integer\n        description: Where it is", 1))
	checkFailure(t, firn("migrate"), 1, "column country is varchar in the table and number(38, 0) in contract 1.1.0")
	write(t, old, changed)
	checkFailure(t, firn("contract", "diff", old, path), 1, "the table can't be changed to the new contract")
	checkFailure(t, firn("contract", "diff", old, filepath.Join(folder, "none.yaml")), 2, "read contract: open ")
}

// TestStatusListsNewColumns: without the columns that the contract has by now.
func TestStatusListsNewColumns(t *testing.T) {
	t.Parallel()
	b := newFixture(t)
	at := time.Date(2026, 12, 1, 10, 0, 5, 123, time.UTC)
	reported := work.NewColumns{Dataset: "shop.customer", Columns: []work.NewColumn{
		{Name: "owner", Object: "s3://landing/shop/customer/1.csv", LoadedAt: at}, {Name: "a\tb\u202e", Object: "s3://landing/shop/customer/2\n.csv", LoadedAt: at},
	}, More: 7}
	known := work.NewColumns{Dataset: "shop.order", Columns: []work.NewColumn{{Name: "state", Object: "s3://landing/shop/order/1.csv", LoadedAt: at}}}
	for _, n := range []work.NewColumns{reported, known} {
		if err := b.stages.RecordNewColumns(t.Context(), n); err != nil {
			t.Fatal(err)
		}
	}
	const table = "\nNEW COLUMN                   DATASET        FIRST LOAD               FIRST FILE\n" +
		"owner                        shop.customer  2026-12-01 10:00:05 UTC  s3://landing/shop/customer/1.csv\n" +
		`"a\tb\u202e"                 shop.customer  2026-12-01 10:00:05 UTC  s3://landing/shop/customer/2\n.csv` + "\n" +
		"7 more: see OPS.NEW_COLUMNS  shop.customer\n"
	for _, arguments := range [][]string{{"status"}, {"status", "--dataset", "shop.customer"}} {
		if got := b.command(arguments...).succeed(t); !strings.HasSuffix(got, table) {
			t.Errorf("firn %v lacks\n%s\nbut prints\n%s", arguments, table, got)
		}
	}
	if got := b.command("status", "--dataset", "shop.order").succeed(t); strings.Contains(got, "NEW COLUMN") {
		t.Errorf("the contract has the column:\n%s", got)
	}
	summaries := decode[[]operator.Summary](t, b.command("status", "--json", "--dataset", "shop.customer").succeed(t))
	if len(summaries) != 1 || len(summaries[0].NewColumns) != 2 || summaries[0].NewColumns[0] != reported.Columns[0] || summaries[0].MoreNewColumns != 7 {
		t.Errorf("JSON %+v", summaries)
	}
}

// TestAcceptShowsHeldDelivery accepts a delivery that the ledger has as held.
func TestAcceptShowsHeldDelivery(t *testing.T) {
	t.Parallel()
	b := newFixture(t)
	folder := copyRepository(t)
	b.variables = append(b.variables, "FIRN_DATASETS="+filepath.Join(folder, "datasets"), "SNOWFLAKE_DATABASE=FIRN_ACCEPT_CLI", "USER=ada")
	firn := func(arguments ...string) call {
		c := b.command(arguments...)
		c.directory = folder
		return c
	}
	path := filepath.Join(folder, "datasets/shop/customer/contract.odcs.yaml")
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	write(t, path, strings.Replace(string(before), "firn.holdBelow, value: 0.01,", "firn.holdBelow, value: 0.5,", 1))
	firn("migrate").succeed(t)
	for i, rows := range []int{4, 1} {
		firn("query", fmt.Sprintf("insert into RAW.SHOP_CUSTOMER_LOADS (OBJECT, BUCKET, KEY, ROWS_LOADED, HELD) select 'o%d', 'landing', 'shop/customer/2026-0%d-01.csv', %d, %t", i, i+1, rows, i == 1)).succeed(t)
		firn("query", fmt.Sprintf("insert into RAW.SHOP_CUSTOMER (CODE, _FIRN_OBJECT, _FIRN_RECORD) select 'C%d', 'o%d', 1", i, i)).succeed(t)
	}
	held := journal.Deliveries{Current: "2026-01-01", Held: []work.HeldDelivery{{Dataset: "shop.customer", Name: "2026-02-01", Rows: 1, Before: "2026-01-01", RowsBefore: 4}}}
	if err := b.stages.SetDeliveries(t.Context(), "shop.customer", 0, held); err != nil {
		t.Fatal(err)
	}
	const line = "2026-02-01     shop.customer  1     2026-01-01       4            firn accept shop.customer 2026-02-01\n"
	if got := firn("status").needsPerson(t, "shop.customer"); !strings.Contains(got, line) {
		t.Errorf("status lacks %q:\n%s", line, got)
	}
	current := func() string { return firn("query", "select CODE from RAW.SHOP_CUSTOMER_CURRENT").succeed(t) }
	if got := current(); !strings.Contains(got, "C0") {
		t.Errorf("the view shows %q before the acceptance", got)
	}
	want := "delivery 2026-02-01 of shop.customer is accepted, with 1 rows\nthe current delivery is 2026-02-01\n"
	if got := firn("accept", "shop.customer", "2026-02-01").succeed(t); got != want {
		t.Errorf("accept prints %q, want %q", got, want)
	}
	if got := current(); !strings.Contains(got, "C1") {
		t.Errorf("the view shows %q after the acceptance", got)
	}
	arn := callerARN(t)
	if got := firn("query", "select ACCEPTED_BY from RAW.SHOP_CUSTOMER_LOADS where ACCEPTED_AT is not null and not HELD").succeed(t); !slices.Contains(strings.Fields(got), arn) {
		t.Errorf("the ledger has %q, want %s", got, arn)
	}
	if got := firn("status").succeed(t); strings.Contains(got, "HELD") {
		t.Errorf("status after the acceptance:\n%s", got)
	}
	again := decode[struct {
		Dataset, Delivery, Current string
		Rows                       int
		WasHeld                    bool `json:"was_held"`
	}](t, firn("accept", "--json", "shop.customer", "2026-02-01").succeed(t))
	if again.WasHeld || again.Current != "2026-02-01" {
		t.Errorf("accept again: %+v", again)
	}
	expectError(t, firn("accept", "shop.customer", "2026-09-01"), "shop.customer has no delivery 2026-09-01")
	expectError(t, firn("accept", "shop.order", "2026-09-01"), "shop.order has the mode merge: only snapshots have deliveries")
}

// checkFailure runs a command and checks the exit code and parts of standard error.
func checkFailure(t *testing.T, c call, code int, parts ...string) {
	t.Helper()
	got := c.run(t)
	if got.code != code {
		t.Errorf("firn %v exits with %d, want %d", c.arguments, got.code, code)
	}
	for _, part := range parts {
		if !strings.Contains(got.stderr, part) {
			t.Errorf("standard error of firn %v is %q, want %q in the text", c.arguments, got.stderr, part)
		}
	}
}

func TestUnknownStackIsAnError(t *testing.T) {
	t.Parallel()
	expectExit(t, call{variables: append(laptop(), "FIRN_STACK=Missing"), arguments: []string{"status"}}, 2,
		"stack Missing can't be read: deploy the stack, set FIRN_STACK, or start the laptop's cloud with `firn up`: ", "does not exist")
}

// laptop is the environment of the stand-ins of this test.
func laptop() []string {
	var variables []string
	for _, variable := range os.Environ() {
		if strings.HasPrefix(variable, "AWS_") || strings.HasPrefix(variable, "SNOWFLAKE_") || strings.HasPrefix(variable, "FIRN_") {
			variables = append(variables, variable)
		}
	}
	return variables
}
