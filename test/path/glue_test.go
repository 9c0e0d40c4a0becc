//go:build endtoend

package path_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
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
	"github.com/firn-data/firn/test/engines/suite"
)

// glueDataset is a dataset whose contract sends files to Glue.
const glueDataset = "shop.visit"

// visits returns the lines of the sample file. The first line is the header.
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

// putFive uploads five small files within one batch of the glue queue. The file with
// the number special has the content body. The run has the files in this order. The key
// of the file 1 has control characters and two characters that XML and SQS don't allow.
func putFive(t *testing.T, special int, body []byte) []object.Object {
	t.Helper()
	lines := visits(t)
	var objects []object.Object
	for i := range 5 {
		content := []byte(lines[0] + strings.Join(lines[1+10*i:11+10*i], ""))
		if i == special {
			content = body
		}
		name := fmt.Sprintf("%d.csv", i)
		if i == 1 {
			name = "1 line\nbreak\r\t\x01\x1b[31m\x7f\u0085\uFFFE\uFFFF.csv"
		}
		objects = append(objects, put(t, visitKey(t, name), content))
	}
	return objects
}

// runsOf returns the job's runs whose manifest has the object.
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

// checkOnlyOneFails waits until the five objects stop. Four must be loaded. The object with
// the number failing must cause a mail with the cause.
func checkOnlyOneFails(t *testing.T, objects []object.Object, failing int, code fault.Code, cause string) {
	t.Helper()
	for i, e := range awaitStopped(t, objects...) {
		if i != failing {
			checkState(t, e, journal.Loaded)
			if e.Engine != "glue" || e.RowsLoaded != 10 {
				t.Errorf("%s: %d rows by engine %s, want 10 by glue", e.Object.Key, e.RowsLoaded, e.Engine)
			}
			continue
		}
		checkState(t, e, journal.Failed)
		if e.Code != string(code) || !strings.Contains(e.Cause, cause) {
			t.Errorf("%s failed with code %s: %s", e.Object.Key, e.Code, e.Cause)
		}
	}
	id := string(objects[failing].ID())
	eventually(t, "a mail arrives", func() (bool, string) { return len(mailsSoon(t, id)) == 1, "no mail" })
	if body := mailsAbout(t, id)[0].Body; !strings.Contains(body, cause) || !strings.Contains(body, "firn redrive") || len(suite.MarksIn(body)) > 0 {
		t.Errorf("the mail lacks cause or command, or has a value of a row:\n%s", body)
	}
}

// TestGlueAndLambdaGiveSameRows transforms the file of visits with Spark and with the
// Go engine, and compares the rows of the two tables.
func TestGlueAndLambdaGiveSameRows(t *testing.T) {
	o := put(t, visitKey(t, "visits.csv"), []byte(strings.Join(visits(t), "")))
	entry := awaitStopped(t, o)[0]
	checkState(t, entry, journal.Loaded)
	if entry.Engine != "glue" || entry.Run == "" || entry.RowsLoaded != 240 {
		t.Fatalf("%d rows by engine %s, run %q, want 240 by a run of glue", entry.RowsLoaded, entry.Engine, entry.Run)
	}
	receipt := goEngine(t, o)
	session := warehouse(t)
	for _, statement := range []string{
		"create or replace table RAW.VISITS_BY_GO like RAW.SHOP_VISIT",
		copyOf("RAW.VISITS_BY_GO", receipt.Data),
	} {
		if _, err := session.Query(t.Context(), "load the rows of the Go engine", statement); err != nil {
			t.Fatal(err)
		}
	}
	columns := strings.Join(columnsOf(), ", ")
	glueRows := fmt.Sprintf("select %s from RAW.SHOP_VISIT where _FIRN_OBJECT = '%s'", columns, o.ID())
	goRows := fmt.Sprintf("select %s from RAW.VISITS_BY_GO", columns)
	for name, statement := range map[string]string{
		"rows of Glue are missing in Go's table": fmt.Sprintf("select count(*) as n from (%s except %s)", glueRows, goRows),
		"rows of Go are missing in Glue's table": fmt.Sprintf("select count(*) as n from (%s except %s)", goRows, glueRows),
	} {
		if n := queryNumber(t, statement); n != 0 {
			t.Errorf("%d %s", n, name)
		}
	}
	if n := queryNumber(t, "select count(*) as n from RAW.VISITS_BY_GO"); n != entry.RowsLoaded {
		t.Errorf("the Go engine has %d rows, want as many as Glue", n)
	}
}

// goEngine transforms the object as the Lambda function would, and returns the receipt.
// The bucket sends no event for the attempt, because no receipt is written.
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

// storeWithoutReceipts is a store that writes no receipt, so that no loader loads the
// files.
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

// TestGlueRunWithRefusedObjectLoadsOthers has a mark in the refused file. No receipt and
// no manifest of the curated bucket has a mark.
func TestGlueRunWithRefusedObjectLoadsOthers(t *testing.T) {
	objects := putFive(t, 2, []byte(visits(t)[0]+"\""+suite.Mark+"\","+suite.MarkNumber+",\"never closed "+suite.Mark+"\n"))
	checkOnlyOneFails(t, objects, 2, fault.BadQuoting, "record 1")
	eventually(t, "one run succeeds", func() (bool, string) {
		runs := runsOf(t, objects[2])
		return len(runs) == 1 && runs[0].JobRunState == types.JobRunStateSucceeded, fmt.Sprintf("%d runs, first %s", len(runs), runs[0].JobRunState)
	})
	searchMarks(t)
}

// searchMarks searches the marks in all receipts and manifests of the curated bucket.
func searchMarks(t *testing.T) {
	t.Helper()
	bucket := aws.String(stack.operator.Stack.CuratedBucket)
	receipts, manifests := 0, 0
	pages := s3.NewListObjectsV2Paginator(stack.s3, &s3.ListObjectsV2Input{Bucket: bucket})
	for pages.HasMorePages() {
		page, err := pages.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, listed := range page.Contents {
			key := aws.ToString(listed.Key)
			switch {
			case !strings.HasSuffix(key, ".json"):
				continue
			case strings.HasPrefix(key, work.ManifestPrefix):
				manifests++
			default:
				receipts++
			}
			output, err := stack.s3.GetObject(t.Context(), &s3.GetObjectInput{Bucket: bucket, Key: listed.Key})
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(output.Body)
			if err = errors.Join(err, output.Body.Close()); err != nil {
				t.Fatal(err)
			}
			if found := suite.MarksIn(string(body)); len(found) > 0 {
				t.Errorf("%s has %v: %s", key, found, body)
			}
		}
	}
	if receipts == 0 || manifests == 0 {
		t.Errorf("%d receipts and %d manifests were searched, want at least one of each", receipts, manifests)
	}
}

// TestGlueRunThatCrashesOnOneObjectLoadsOthers makes Spark fail on the same object in
// each run: the run's role may not read the object.
func TestGlueRunThatCrashesOnOneObjectLoadsOthers(t *testing.T) {
	key := visitKey(t, "3.csv")
	deny(t, "Glue", "s3:GetObject", "arn:aws:s3:::"+stack.operator.Stack.LandingBucket+"/"+key)
	objects := putFive(t, -1, nil)
	checkOnlyOneFails(t, objects, 3, fault.GlueFailed, "ended FAILED: ")
	if e, err := stack.journal.Get(t.Context(), objects[3].ID()); err != nil || !strings.Contains(e.Cause, key) {
		t.Errorf("Glue's message lacks the key: %s %v", e.Cause, err)
	}
}

// deny denies a role an action on one resource until the end of the test.
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

// TestGlueRunKilledOnOneObjectLoadsOthers stops each run during the same object. The
// object is large, so that the test has time to stop the run.
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
		t.Errorf("%d runs were stopped, want at least 2: one with all objects, one with the large object alone", len(stopped))
	}
	checkOnlyOneFails(t, objects, large, fault.GlueFailed, "ended STOPPED: ")
}

// isAt reports whether the run has written the receipts of all objects before this
// object in its manifest.
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

// runRows lists the grants of a run's own role that the AWS stand-in checks.
var runRows = []grantRow{
	{removedGrant: removedGrant{"Glue", "DataKey", "kms:Decrypt", ""}, useCase: fileByGlue},
	{removedGrant: removedGrant{"Glue", "DataKey", "kms:GenerateDataKey", ""}, useCase: fileByGlue},
	{removedGrant: removedGrant{"Glue", "ReadLanding", "s3:GetObject", ""}, useCase: fileByGlue},
	{removedGrant: removedGrant{"Glue", "ReadCurated", "s3:GetObject", ""}, useCase: fileByGlue},
	{removedGrant: removedGrant{"Glue", "WriteCurated", "s3:PutObject", ""}, useCase: fileByGlue},
	{removedGrant: removedGrant{"Glue", "WriteCurated", "s3:DeleteObject", ""}, useCase: fileByGlue},
}

// A run fails without any one of its grants. With the grant back, the object is loaded
// without a command.
func TestEveryGrantOfARunIsNeeded(t *testing.T) {
	for _, row := range runRows {
		t.Run(row.String(), func(t *testing.T) {
			restore := removeGrants(t, row.removedGrant)
			o := put(t, visitKey(t, "few.csv"), []byte(strings.Join(visits(t)[:11], "")))
			eventually(t, "a run fails", func() (bool, string) {
				runs := runsOf(t, o)
				if len(runs) == 0 {
					return false, "no run"
				}
				first := runs[len(runs)-1]
				return first.JobRunState == types.JobRunStateFailed, string(first.JobRunState)
			})
			restore()
			checkState(t, awaitStopped(t, o)[0], journal.Loaded)
		})
	}
}
