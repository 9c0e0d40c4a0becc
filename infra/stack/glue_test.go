//go:build cdk

package stack_test

import (
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/firn-data/firn/internal/work"
)

// Glue must not retry a run, because firn may have given the run's objects to another
// run. A job without a limit could cost any amount.
func TestGlueJob(t *testing.T) {
	for _, test := range []struct {
		tm    template
		class string
	}{{standardTemplate(t), "STANDARD"}, {oppositeTemplate(t), "FLEX"}} {
		job := test.tm.Resources["GlueJob"].Properties
		for property, pair := range map[string][2]string{
			"name":     {render(job["Name"]), "firn-transform"},
			"role":     {render(job["Role"]), "${GlueRole.Arn}"},
			"version":  {render(job["GlueVersion"]), "5.1"},
			"command":  {render(valueAt(job, "Command", "Name")), "glueetl"},
			"language": {render(valueAt(job, "Command", "PythonVersion")), "3"},
			"workers":  {render(job["NumberOfWorkers"]) + " x " + render(job["WorkerType"]), "2 x G.1X"},
			"minutes":  {render(job["Timeout"]), "120"},
			"runs":     {render(valueAt(job, "ExecutionProperty", "MaxConcurrentRuns")), "4"},
			"retries":  {render(job["MaxRetries"]), "0"},
			"queuing":  {render(job["JobRunQueuingEnabled"]), "true"},
			"class":    {render(job["ExecutionClass"]), test.class},
		} {
			if pair[0] != pair[1] {
				t.Errorf("%s is %s, want %s", property, pair[0], pair[1])
			}
		}
	}
}

// The arguments of every run. The manifest is an argument of a single run.
func TestGlueArguments(t *testing.T) {
	tm := standardTemplate(t)
	arguments, _ := tm.Resources["GlueJob"].Properties["DefaultArguments"].(map[string]any)
	got := map[string]string{}
	for name := range maps.Keys(arguments) {
		got[name] = render(arguments[name])
	}
	want := map[string]string{
		"--enable-metrics":                   "true",
		"--enable-observability-metrics":     "true",
		"--enable-continuous-cloudwatch-log": "true",
		"--custom-logGroup-prefix":           "/aws-glue/firn-transform",
		"--conf":                             "spark.hadoop.fs.s3a.endpoint.region=${AWS::Region}",
	}
	delete(got, "--extra-py-files") // see TestGlueJobReadsItsCode
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	for _, name := range []string{"error", "output"} {
		group := tm.Resources["Glue"+strings.ToUpper(name[:1])+name[1:]+"Logs"].Properties
		if group["LogGroupName"] != want["--custom-logGroup-prefix"]+"/"+name || group["RetentionInDays"] != 30.0 {
			t.Errorf("a run writes to %s/%s, but the stack's log group is %v", want["--custom-logGroup-prefix"], name, group)
		}
	}
}

// The role may read exactly the script and the modules of the job.
func TestGlueJobReadsItsCode(t *testing.T) {
	tm := standardTemplate(t)
	job := tm.Resources["GlueJob"].Properties
	var want []string
	for ending, location := range map[string]string{
		".py": render(valueAt(job, "Command", "ScriptLocation")), ".zip": render(valueAt(job, "DefaultArguments", "--extra-py-files")),
	} {
		if !strings.HasPrefix(location, "s3://") || !strings.HasSuffix(location, ending) {
			t.Fatalf("unexpected location of a run's code: %s", location)
		}
		want = append(want, "arn:${AWS::Partition}:s3:::"+strings.TrimPrefix(location, "s3://"))
	}
	slices.Sort(want)
	var got []string
	for _, s := range statementsByRole(t, tm)["GlueRole"] {
		if s.sid == "ReadScript" {
			got = slices.Sorted(slices.Values(s.resources))
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("the role may read %v, but the job needs %v", got, want)
	}
}

// The zip of modules has the package, but no other files of its folder.
func TestGlueZipHasPackageOnly(t *testing.T) {
	packed, err := filepath.Glob(filepath.Join(synthesize(t, nil).outdir, "asset.*", "firn_glue"))
	if err != nil || len(packed) != 1 {
		t.Fatalf("the assembly has the package %d times, want 1: %v", len(packed), err)
	}
	var files []string
	asset := filepath.Dir(packed[0])
	err = filepath.WalkDir(asset, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			files = append(files, strings.TrimPrefix(path, asset+"/"))
		}
		return err
	})
	if want := []string{"firn_glue/__init__.py", "firn_glue/engine.py"}; err != nil || !slices.Equal(files, want) {
		t.Errorf("the zip has %v, want %v; %v", files, want, err)
	}
}

// The end of a run reaches the glue queue by a rule. The queue's policy admits this
// rule.
func TestEndOfGlueRunReachesQueue(t *testing.T) {
	tm := standardTemplate(t)
	rule := tm.Resources["GlueRuns"].Properties
	pattern := rule["EventPattern"]
	for property, pair := range map[string][2]string{
		"state":  {render(rule["State"]), "ENABLED"},
		"source": {render(valueAt(pattern, "source")), "aws.glue"},
		"kind":   {render(valueAt(pattern, "detail-type")), "Glue Job State Change"},
		"job":    {render(valueAt(pattern, "detail", "jobName")), "firn-transform"},
		"states": {render(valueAt(pattern, "detail", "state")), "SUCCEEDED FAILED TIMEOUT STOPPED"},
		"target": {render(valueAt(rule, "Targets", 0, "Arn")), "${GlueQueue.Arn}"},
	} {
		if pair[0] != pair[1] {
			t.Errorf("%s is %s, want %s", property, pair[0], pair[1])
		}
	}
	if !allows(tm, "GlueQueuePolicy", "events.amazonaws.com", "sqs:SendMessage", "map[ArnEquals:map[aws:SourceArn:${GlueRuns.Arn}]]") {
		t.Error("the rule may not send to the glue queue")
	}
}

// Glue may lose the event at the end of a run. So a schedule makes transform ask for
// the state of runs.
func TestGlueRunsAreCheckedOnSchedule(t *testing.T) {
	tm := standardTemplate(t)
	rule := tm.Resources["GlueCheck"].Properties
	for property, pair := range map[string][2]string{
		"state":    {render(rule["State"]), "ENABLED"},
		"schedule": {render(rule["ScheduleExpression"]), "rate(10 minutes)"},
		"target":   {render(valueAt(rule, "Targets", 0, "Arn")), "${GlueQueue.Arn}"},
	} {
		if pair[0] != pair[1] {
			t.Errorf("%s is %s, want %s", property, pair[0], pair[1])
		}
	}
	if input := render(valueAt(rule, "Targets", 0, "Input")); !work.IsCheckRuns(input) {
		t.Errorf("the message isn't a check of runs: %s", input)
	}
	if !allows(tm, "GlueQueuePolicy", "events.amazonaws.com", "sqs:SendMessage", "map[ArnEquals:map[aws:SourceArn:${GlueCheck.Arn}]]") {
		t.Error("the rule may not send to the glue queue")
	}
}

// Without a window Lambda refuses batches of more than 10 messages.
func TestGlueQueueWithoutWindowHasSmallBatch(t *testing.T) {
	tm := oppositeTemplate(t)
	found := false
	for _, name := range tm.resourcesOf("AWS::Lambda::EventSourceMapping") {
		p := tm.Resources[name].Properties
		if render(p["EventSourceArn"]) != "${GlueQueue.Arn}" {
			continue
		}
		found = true
		if p["BatchSize"] != 10.0 || p["MaximumBatchingWindowInSeconds"] != nil {
			t.Errorf("batch of %v with a window of %v s", p["BatchSize"], p["MaximumBatchingWindowInSeconds"])
		}
	}
	if !found {
		t.Error("the glue queue has no consumer")
	}
	if got := tm.Resources["GlueQueue"].Properties["VisibilityTimeout"]; got != 960.0 {
		t.Errorf("the visibility timeout is %v s, want 960 s", got)
	}
}

// S3 deletes manifests and copies after 30 days, and no other objects.
func TestManifestsExpire(t *testing.T) {
	tm := standardTemplate(t)
	for _, test := range []struct{ bucket, want string }{
		{"Curated", "_glue/ 30"},
		{"Landing", ""},
	} {
		var expiring []string
		for _, rule := range list(valueAt(tm.Resources[test.bucket].Properties, "LifecycleConfiguration", "Rules")) {
			if days := valueAt(rule, "ExpirationInDays"); days != nil {
				expiring = append(expiring, render(valueAt(rule, "Prefix"))+" "+render(days))
			}
		}
		if got := strings.Join(expiring, ", "); got != test.want {
			t.Errorf("%s: expirations are %q, want %q", test.bucket, got, test.want)
		}
	}
}

// The role of a run may delete only below the datasets' prefixes.
func TestGlueRunDeletesOnlyBelowDatasets(t *testing.T) {
	var deletes []string
	for _, s := range statementsByRole(t, standardTemplate(t))["GlueRole"] {
		if slices.Contains(s.actions, "s3:DeleteObject") {
			deletes = append(deletes, s.resources...)
		}
	}
	if want := []string{"${Curated.Arn}/shop/*", "${Curated.Arn}/station/*"}; !slices.Equal(deletes, want) {
		t.Errorf("a run may delete %v, want %v", deletes, want)
	}
}
