//go:build endtoend

package path_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/glue"
	"github.com/aws/aws-sdk-go-v2/service/glue/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/journal"
	"github.com/firn-data/firn/internal/object"
	"github.com/firn-data/firn/internal/transform"
	"github.com/firn-data/firn/internal/transform/s3store"
	"github.com/firn-data/firn/internal/work"
)

// glueDataset is the dataset whose contract sends its files to Glue.
const glueDataset = "shop.visit"

// visits reads the sample file; its header is the first line.
func visits(t *testing.T) []string {
	t.Helper()
	body, err := os.ReadFile("../../testdata/project/datasets/shop/visit/visits.csv")
	if err != nil {
		t.Fatal(err)
	}
	return strings.SplitAfter(strings.TrimRight(string(body), "\n")+"\n", "\n")
}

func visitKey(t *testing.T, name string) string {
	t.Helper()
	return path.Join("shop/visit", t.Name(), name)
}

// putFive puts five files of a few rows each within one batch of the glue queue:
// what special names has another body. The files' order is that of the run.
func putFive(t *testing.T, special int, body []byte) []object.Object {
	t.Helper()
	lines := visits(t)
	var objects []object.Object
	for i := range 5 {
		content := []byte(lines[0] + strings.Join(lines[1+10*i:11+10*i], ""))
		if i == special {
			content = body
		}
		objects = append(objects, put(t, visitKey(t, fmt.Sprintf("%d.csv", i)), content))
	}
	return objects
}

// runsOf returns the job's runs whose manifest names the object.
func runsOf(t *testing.T, o object.Object) []types.JobRun {
	t.Helper()
	output, err := stack.glue.GetJobRuns(t.Context(), &glue.GetJobRunsInput{JobName: aws.String(stack.cloud.Outputs["GlueJobName"])})
	if err != nil {
		t.Fatal(err)
	}
	var runs []types.JobRun
	for _, run := range output.JobRuns {
		for _, a := range manifestOf(t, run).Objects {
			if a.ObjectID == o.ID() {
				runs = append(runs, run)
			}
		}
	}
	return runs
}

func manifestOf(t *testing.T, run types.JobRun) work.Manifest {
	t.Helper()
	bucket := stack.operator.Stack.CuratedBucket
	key := strings.TrimPrefix(run.Arguments["--manifest"], "s3://"+bucket+"/")
	output, err := stack.s3.GetObject(t.Context(), &s3.GetObjectInput{Bucket: aws.String(bucket), Key: aws.String(key)})
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(output.Body)
	if err != nil {
		t.Fatal(err)
	}
	m, err := work.DecodeManifest(body)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// onlyOneFails waits until the five stand still, and holds that four are loaded
// and one is in the inbox with its cause.
func onlyOneFails(t *testing.T, objects []object.Object, failing int, code fault.Code, cause string) {
	t.Helper()
	for i, e := range awaitStopped(t, objects...) {
		if i != failing {
			checkState(t, e, journal.Loaded)
			if e.Engine != "glue" || e.RowsLoaded != 10 {
				t.Errorf("%s: %d rows by %s", e.Object.Key, e.RowsLoaded, e.Engine)
			}
			continue
		}
		checkState(t, e, journal.Failed)
		if e.Code != string(code) || !strings.Contains(e.Cause, cause) {
			t.Errorf("%s failed for %s: %s", e.Object.Key, e.Code, e.Cause)
		}
	}
	id := string(objects[failing].ID())
	eventually(t, "the mail", func() (bool, string) { return len(mailsAbout(t, id)) == 1, "no mail" })
	if body := mailsAbout(t, id)[0].Body; !strings.Contains(body, cause) || !strings.Contains(body, "firn redrive") {
		t.Errorf("the mail:\n%s", body)
	}
}

// TestGlueAndLambdaGiveSameRows sends the file of visits through Spark and
// through the Go engine, and compares what stands in the table row for row.
func TestGlueAndLambdaGiveSameRows(t *testing.T) {
	o := put(t, visitKey(t, "visits.csv"), []byte(strings.Join(visits(t), "")))
	entry := awaitStopped(t, o)[0]
	checkState(t, entry, journal.Loaded)
	if entry.Engine != "glue" || entry.Run == "" || entry.RowsLoaded != 240 {
		t.Fatalf("%d rows by %s, run %s", entry.RowsLoaded, entry.Engine, entry.Run)
	}
	receipt := goEngine(t, o)
	session := warehouse(t)
	for _, statement := range []string{
		"create or replace table RAW.VISITS_BY_GO like RAW.SHOP_VISIT",
		copyOf("RAW.VISITS_BY_GO", receipt.Data),
	} {
		if _, err := session.Query(t.Context(), "load Go's rows", statement); err != nil {
			t.Fatal(err)
		}
	}
	columns := strings.Join(columnsOf(), ", ")
	glues := fmt.Sprintf("select %s from RAW.SHOP_VISIT where _FIRN_OBJECT = '%s'", columns, o.ID())
	gos := fmt.Sprintf("select %s from RAW.VISITS_BY_GO", columns)
	for name, statement := range map[string]string{
		"rows of Glue that Go hasn't": fmt.Sprintf("select count(*) as n from (%s except %s)", glues, gos),
		"rows of Go that Glue hasn't": fmt.Sprintf("select count(*) as n from (%s except %s)", gos, glues),
	} {
		if n := queryNumber(t, statement); n != 0 {
			t.Errorf("%d %s", n, name)
		}
	}
	if n := queryNumber(t, "select count(*) as n from RAW.VISITS_BY_GO"); n != entry.RowsLoaded {
		t.Errorf("%d rows by Go", n)
	}
}

// goEngine transforms the object as the Lambda would, and returns its receipt.
// Its attempt lies below the manifests, where no event tells of it.
func goEngine(t *testing.T, o object.Object) work.Receipt {
	t.Helper()
	engine := &transform.Engine{Store: storeWithoutReceipts{&s3store.Store{Client: stack.s3}}, Bucket: stack.operator.Stack.CuratedBucket, Now: time.Now}
	receipt, err := engine.Transform(t.Context(), transform.Job{
		Work:     work.Work{Stage: work.Transform, Dataset: glueDataset, Object: o},
		Contract: stack.operator.Contracts.ByDataset(glueDataset), Attempt: "by-go",
	})
	if err != nil {
		t.Fatal(err)
	}
	return receipt
}

// storeWithoutReceipts is a store that writes no receipt, so that nobody loads the files.
type storeWithoutReceipts struct{ *s3store.Store }

func (storeWithoutReceipts) Put(context.Context, work.Location, []byte) error { return nil }

func columnsOf() []string {
	columns := []string{"_FIRN_RECORD"}
	for _, c := range stack.operator.Contracts.ByDataset(glueDataset).Columns {
		columns = append(columns, strings.ToUpper(c.Name))
	}
	return columns
}

func copyOf(table string, files []work.File) string {
	var names []string
	for _, f := range files {
		names = append(names, "'"+f.Key+"'")
	}
	return fmt.Sprintf(`copy into %s from @RAW.CURATED files = (%s) file_format = (type = parquet use_vectorized_scanner = true null_if = ())
		match_by_column_name = case_insensitive include_metadata = (_firn_loaded_at = metadata$start_scan_time) on_error = abort_statement`,
		table, strings.Join(names, ", "))
}

func TestGlueRunWithRefusedObjectLoadsOthers(t *testing.T) {
	objects := putFive(t, 2, []byte(visits(t)[0]+"\"EST\",2026,\"never closed\n"))
	onlyOneFails(t, objects, 2, fault.BadQuoting, "record 1")
	eventually(t, "its one run succeeds", func() (bool, string) {
		runs := runsOf(t, objects[2])
		return len(runs) == 1 && runs[0].JobRunState == types.JobRunStateSucceeded, fmt.Sprintf("%d runs, first %s", len(runs), runs[0].JobRunState)
	})
}

// TestGlueRunThatCrashesOnOneObjectLoadsOthers lets Spark fail on one object for good: the
// run's role may not read it.
func TestGlueRunThatCrashesOnOneObjectLoadsOthers(t *testing.T) {
	key := visitKey(t, "3.csv")
	deny(t, "Glue", "s3:GetObject", "arn:aws:s3:::"+stack.operator.Stack.LandingBucket+"/"+key)
	objects := putFive(t, -1, nil)
	onlyOneFails(t, objects, 3, fault.GlueFailed, "its run ended FAILED: ")
	if e, err := stack.journal.Get(t.Context(), objects[3].ID()); err != nil || !strings.Contains(e.Cause, key) {
		t.Errorf("Glue's message doesn't name the key: %s %v", e.Cause, err)
	}
}

// deny takes an action on one resource away from a role, until the test's end.
func deny(t *testing.T, role, action, resource string) {
	t.Helper()
	const name = "denied"
	document, err := json.Marshal(policy{Version: "2012-10-17", Statement: []statement{
		{Sid: "Denied", Effect: "Deny", Action: texts{action}, Resource: texts{resource}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stack.iam.PutRolePolicy(t.Context(), &iam.PutRolePolicyInput{
		RoleName: aws.String(roleName(role)), PolicyName: aws.String(name), PolicyDocument: aws.String(string(document)),
	}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if _, err := stack.iam.DeleteRolePolicy(context.WithoutCancel(t.Context()), &iam.DeleteRolePolicyInput{
			RoleName: aws.String(roleName(role)), PolicyName: aws.String(name),
		}); err != nil {
			t.Error(err)
		}
	})
}

// TestGlueRunKilledOnOneObjectLoadsOthers stops each run while it works on the same
// object. That one is large, so that there is a while.
func TestGlueRunKilledOnOneObjectLoadsOthers(t *testing.T) {
	const large = 4
	lines := visits(t)
	var body bytes.Buffer
	body.WriteString(lines[0])
	for range 1200 {
		body.WriteString(strings.Join(lines[1:], ""))
	}
	objects := putFive(t, large, body.Bytes())
	stopped := map[string]bool{}
	eventually(t, "the object fails", func() (bool, string) {
		for _, run := range runsOf(t, objects[large]) {
			if id := aws.ToString(run.Id); run.JobRunState == types.JobRunStateRunning && !stopped[id] && isAt(t, run, objects[large]) {
				stopRun(t, id)
				stopped[id] = true
			}
		}
		return inState(t, objects[large], journal.Failed)
	})
	if len(stopped) < 2 {
		t.Errorf("%d runs were stopped, want 2 at least: with the others, and alone", len(stopped))
	}
	onlyOneFails(t, objects, large, fault.GlueFailed, "its run ended STOPPED: ")
}

// isAt reports whether the run has made the receipts of all that its manifest
// names before the object.
func isAt(t *testing.T, run types.JobRun, o object.Object) bool {
	t.Helper()
	m := manifestOf(t, run)
	for _, a := range m.Objects {
		if a.ObjectID == o.ID() {
			return true
		}
		_, err := stack.s3.HeadObject(t.Context(), &s3.HeadObjectInput{
			Bucket: aws.String(m.CuratedBucket), Key: aws.String(m.Attempt(a).Receipt()),
		})
		if err != nil {
			return false
		}
	}
	return false
}

func stopRun(t *testing.T, id string) {
	t.Helper()
	output, err := stack.glue.BatchStopJobRun(t.Context(), &glue.BatchStopJobRunInput{
		JobName: aws.String(stack.cloud.Outputs["GlueJobName"]), JobRunIds: []string{id},
	})
	if err != nil || len(output.Errors) > 0 {
		t.Fatalf("stop %s: %v %v", id, err, output.Errors)
	}
}

// runRows are the grants of a run's own role that the laptop's cloud enforces.
var runRows = []grantRow{
	{removedGrant: removedGrant{"Glue", "ReadLanding", "s3:GetObject", ""}, deed: fileByGlue},
	{removedGrant: removedGrant{"Glue", "ReadCurated", "s3:GetObject", ""}, deed: fileByGlue},
	{removedGrant: removedGrant{"Glue", "WriteCurated", "s3:PutObject", ""}, deed: fileByGlue},
	{removedGrant: removedGrant{"Glue", "WriteCurated", "s3:DeleteObject", ""}, deed: fileByGlue},
}

// Without any one of its grants a run fails; with the grant back, the object
// that was given back gets through by itself.
func TestEveryGrantOfARunIsNeeded(t *testing.T) {
	for _, row := range runRows {
		t.Run(row.String(), func(t *testing.T) {
			putBack := removeGrants(t, row.removedGrant)
			o := put(t, visitKey(t, "few.csv"), []byte(strings.Join(visits(t)[:11], "")))
			eventually(t, "a run fails", func() (bool, string) {
				runs := runsOf(t, o)
				if len(runs) == 0 {
					return false, "no run"
				}
				first := runs[len(runs)-1]
				return first.JobRunState == types.JobRunStateFailed, string(first.JobRunState)
			})
			putBack()
			checkState(t, awaitStopped(t, o)[0], journal.Loaded)
		})
	}
}
