//go:build cdk

package stack_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/google/go-cmp/cmp"

	"github.com/firn-data/firn/infra/setting"
	"github.com/firn-data/firn/infra/stack"
)

func newApp(t *testing.T, outdir string) awscdk.App {
	t.Helper()
	folder, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	root, err := stack.Root(folder)
	if err != nil {
		t.Fatal(err)
	}
	app, err := stack.NewApp(root, outdir)
	if err != nil {
		t.Fatal(err)
	}
	return app
}

func TestRootOutsideRepositoryFails(t *testing.T) {
	if _, err := stack.Root(t.TempDir()); err == nil || !strings.Contains(err.Error(), "no cdk.json") {
		t.Errorf("Root() = %v", err)
	}
}

// The command line's -c overrides cdk.json. The flags of cdk.json apply without the
// command line. The test starts a second process, because Node reads the environment
// only at its start.
func TestCommandLineContextWins(t *testing.T) {
	const variable = "CDK_CONTEXT_JSON"
	if os.Getenv(variable) == "" {
		again := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestCommandLineContextWins$")
		again.Env = append(os.Environ(), variable+`={"firn:retain":"false","@aws-cdk/aws-apigateway:disableCloudWatchRole":false}`)
		if output, err := again.CombinedOutput(); err != nil {
			t.Errorf("%v\n%s", err, output)
		}
		return
	}
	context := stack.Context(newApp(t, t.TempDir()))
	for key, want := range map[string]any{
		"firn:retain": "false",
		"@aws-cdk/aws-apigateway:disableCloudWatchRole": false,
		"@aws-cdk/aws-kms:aliasNameRef":                 true,
	} {
		if context[key] != want {
			t.Errorf("%s is %v, want %v", key, context[key], want)
		}
	}
}

// Every resource is in this repository's code. The CDK adds no resource that runs code.
func TestResources(t *testing.T) {
	counts := map[string]int{}
	for _, r := range standardTemplate(t).Resources {
		counts[r.Type]++
	}
	want := map[string]int{
		"AWS::CloudWatch::Alarm": 13, "AWS::DynamoDB::Table": 1, "AWS::Events::Rule": 2, "AWS::Glue::Job": 1,
		"AWS::IAM::Role": 10, "AWS::KMS::Key": 2,
		"AWS::Lambda::EventSourceMapping": 14, "AWS::Lambda::Function": 5, "AWS::Logs::LogGroup": 7,
		"AWS::S3::Bucket": 2, "AWS::S3::BucketPolicy": 2, "AWS::SNS::Subscription": 2, "AWS::SNS::Topic": 3,
		"AWS::SNS::TopicPolicy": 3, "AWS::SQS::Queue": 14, "AWS::SQS::QueuePolicy": 14, "AWS::Scheduler::Schedule": 3,
	}
	if diff := cmp.Diff(want, counts); diff != "" {
		t.Error(diff)
	}
}

func TestSynthesisIsReproducible(t *testing.T) {
	first, second := standardTemplate(t), synthesize(t, nil)
	if diff := cmp.Diff(string(first.content), string(second.content)); diff != "" {
		t.Error(diff)
	}
}

// The laptop deploys the same template, built for its own processor.
func TestArchitectureChangesNothingElse(t *testing.T) {
	cloud := standardTemplate(t)
	laptop := synthesize(t, func(p *stack.Props) {
		p.Settings.Architecture = setting.X8664
		p.Functions = functions(t, "x86_64")
	})
	var want []string
	for _, name := range cloud.resourcesOf("AWS::Lambda::Function") {
		want = append(want, name+".Architectures.0", name+".Code.S3Key")
	}
	slices.Sort(want)
	if diff := cmp.Diff(want, differences(t, cloud, laptop)); diff != "" {
		t.Error(diff)
	}
	for _, name := range cloud.resourcesOf("AWS::Lambda::Function") {
		if got := valueAt(cloud.Resources[name].Properties, "Architectures", 0); got != "arm64" {
			t.Errorf("%s runs on %v by default, want arm64", name, got)
		}
	}
}

// differences returns the paths of the different leaves of two templates.
func differences(t *testing.T, a, b template) []string {
	t.Helper()
	left, right := map[string]string{}, map[string]string{}
	for flat, from := range map[*map[string]string]template{&left: a, &right: b} {
		for name, r := range from.Resources {
			content, err := json.Marshal(r.Properties)
			if err != nil {
				t.Fatal(err)
			}
			var value any
			if err := json.Unmarshal(content, &value); err != nil {
				t.Fatal(err)
			}
			leaves(name, value, *flat)
		}
	}
	keys := map[string]bool{}
	for key, value := range left {
		if right[key] != value {
			keys[key] = true
		}
	}
	for key, value := range right {
		if left[key] != value {
			keys[key] = true
		}
	}
	return slices.Sorted(maps.Keys(keys))
}

func leaves(path string, value any, into map[string]string) {
	switch v := value.(type) {
	case map[string]any:
		for key, inner := range v {
			leaves(path+"."+key, inner, into)
		}
	case []any:
		for i, inner := range v {
			leaves(fmt.Sprintf("%s.%d", path, i), inner, into)
		}
	default:
		into[path] = fmt.Sprint(v)
	}
}

func TestRetainedResources(t *testing.T) {
	kept, deleted := standardTemplate(t), oppositeTemplate(t)
	for _, name := range []string{"Landing", "Curated", "Journal", "DataKey"} {
		if got := kept.Resources[name].DeletionPolicy; got != "RetainExceptOnCreate" {
			t.Errorf("retain: %s has DeletionPolicy %q", name, got)
		}
		if got := deleted.Resources[name].DeletionPolicy; name != "DataKey" && got != "Delete" {
			t.Errorf("no retain: %s has DeletionPolicy %q", name, got)
		}
	}
}

func TestOutputs(t *testing.T) {
	var text strings.Builder
	tm := standardTemplate(t)
	for _, name := range slices.Sorted(maps.Keys(tm.Outputs)) {
		fmt.Fprintf(&text, "%s %s\n", name, render(tm.Outputs[name].Value))
	}
	golden(t, "outputs", text.String())
}

func TestJournal(t *testing.T) {
	table := standardTemplate(t).Resources["Journal"].Properties
	key := func(index any) string {
		return render(valueAt(index, "IndexName")) + " " + render(valueAt(index, "KeySchema", 0, "AttributeName")) + " " +
			render(valueAt(index, "KeySchema", 1, "AttributeName")) + " " + render(valueAt(index, "Projection", "ProjectionType"))
	}
	for property, pair := range map[string][2]any{
		"key":      {valueAt(table, "KeySchema", 0, "AttributeName"), "pk"},
		"billing":  {table["BillingMode"], "PAY_PER_REQUEST"},
		"expiry":   {render(table["TimeToLiveSpecification"]), "map[AttributeName:expires_at Enabled:true]"},
		"recovery": {valueAt(table, "PointInTimeRecoverySpecification", "PointInTimeRecoveryEnabled"), true},
		"stuck":    {key(valueAt(table, "GlobalSecondaryIndexes", 0)), "stuck stuck_pk stuck_sk ALL"},
		"work":     {key(valueAt(table, "GlobalSecondaryIndexes", 1)), "work work_pk work_sk ALL"},
	} {
		if pair[0] != pair[1] {
			t.Errorf("%s is %v, want %v", property, pair[0], pair[1])
		}
	}
}

func TestSchedules(t *testing.T) {
	tm := standardTemplate(t)
	want := map[string]map[string]string{
		"AlertSchedule": {
			"expression": "rate(1 minute)", "target": "${AlertQueue.Arn}", "dead letters": "${AlertDeadLetters.Arn}",
			"role": "${TickRole.Arn}", "input": `{"tick":"<aws.scheduler.scheduled-time>"}`,
		},
		"SweepSchedule": {
			"expression": "rate(60 minutes)", "target": "${RouteQueue.Arn}", "dead letters": "${RouteDeadLetters.Arn}",
			"role": "${SweepRole.Arn}", "input": `{"sweep":"<aws.scheduler.scheduled-time>"}`,
		},
		"StationEventSchedule": {
			"expression": "cron(15 * * * ? *)", "target": "${IngestQueue.Arn}", "dead letters": "${IngestDeadLetters.Arn}",
			"role": "${ScheduleRole.Arn}", "input": `{"dataset":"station.event","scheduled":"<aws.scheduler.scheduled-time>"}`,
		},
	}
	got := map[string]map[string]string{}
	for _, name := range tm.resourcesOf("AWS::Scheduler::Schedule") {
		p := tm.Resources[name].Properties
		got[name] = map[string]string{
			"expression": render(p["ScheduleExpression"]), "target": render(valueAt(p, "Target", "Arn")),
			"dead letters": render(valueAt(p, "Target", "DeadLetterConfig", "Arn")),
			"role":         render(valueAt(p, "Target", "RoleArn")), "input": render(valueAt(p, "Target", "Input")),
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	for _, test := range []struct {
		name string
		tm   template
		want []string
	}{
		{"no contract has a schedule, and the sweep is off", oppositeTemplate(t), []string{"AlertSchedule"}},
		{
			"the setting Schedules is false", templateOf(t, "unscheduled", func(p *stack.Props) { p.Settings.Schedules = false }),
			[]string{"AlertSchedule", "SweepSchedule"},
		},
	} {
		_, hasRole := test.tm.Resources["ScheduleRole"]
		if got := test.tm.resourcesOf("AWS::Scheduler::Schedule"); hasRole || !slices.Equal(got, test.want) {
			t.Errorf("%s, but the stack has the schedules %v, or has ScheduleRole: %t", test.name, got, hasRole)
		}
	}
}
