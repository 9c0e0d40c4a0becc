//go:build standin

package main_test

import (
	"encoding/json"
	"flag"
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

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/firn-data/firn/internal/awsconfig"
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

// parallelTests is the number of tests at a time. The tests wait for stand-ins and for
// retries, so there are more tests than processors.
const parallelTests = "4"

func TestMain(m *testing.M) {
	if err := flag.Set("test.parallel", parallelTests); err != nil {
		panic(err)
	}
	os.Exit(runMain(func() int { return laptoptest.Main(m, "aws", "snowflake") }))
}

func newFixture(t *testing.T) fixture {
	t.Helper()
	ctx := t.Context()
	cfg, err := awsconfig.Load(ctx)
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
	if none := firn("reload", "--rejects", "--dataset", "shop.order", "--plan").succeed(t); none != "0 to reload"+advice {
		t.Errorf("reload without rejects prints %q", none)
	}
	firn("query", "update RAW.SHOP_ORDER_LOADS set ROWS_REJECTED = 7 where OBJECT = 'lost'").succeed(t)
	if got := firn("reload", "--rejects", "--dataset", "shop.order", "--plan").succeed(t); got != "lost  s3://landing/shop/order/lost.csv  generation 5, 7 rejects\n1 to reload"+advice {
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
