//go:build cdk

package stack_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
)

func TestEnvironment(t *testing.T) {
	var text strings.Builder
	tm := standardTemplate(t)
	for _, name := range tm.resourcesOf("AWS::Lambda::Function") {
		fmt.Fprintf(&text, "%s\n", name)
		variables := valueAt(tm.Resources[name].Properties, "Environment", "Variables").(map[string]any)
		for _, variable := range slices.Sorted(maps.Keys(variables)) {
			fmt.Fprintf(&text, "  %s=%s\n", variable, render(variables[variable]))
		}
	}
	golden(t, "environment", text.String())
}

func TestFunctions(t *testing.T) {
	tm := standardTemplate(t)
	for _, name := range tm.resourcesOf("AWS::Lambda::Function") {
		p := tm.Resources[name].Properties
		stage := strings.TrimSuffix(name, "Function")
		loop := "Terminate"
		if stage == "Ingest" || stage == "Route" {
			loop = "Allow"
		}
		for property, pair := range map[string][2]string{
			"runtime":   {render(p["Runtime"]), "provided.al2023"},
			"handler":   {render(p["Handler"]), "bootstrap"},
			"role":      {render(p["Role"]), "${" + stage + "Role.Arn}"},
			"logs":      {render(valueAt(p, "LoggingConfig", "LogGroup")), "${" + stage + "Logs}"},
			"retention": {render(tm.Resources[stage+"Logs"].Properties["RetentionInDays"]), "30"},
			"recursion": {render(p["RecursiveLoop"]), loop},
		} {
			if pair[0] != pair[1] {
				t.Errorf("%s: %s is %s, want %s", name, property, pair[0], pair[1])
			}
		}
	}
	if got := tm.Resources["LoadRole"].Properties["RoleName"]; got != "firn-load" {
		t.Errorf("the load role has the name %v, want firn-load as in Snowflake's user", got)
	}
}

// Every queue has a consumer. Every queue of a stage has a dead-letter queue with a
// longer retention.
func TestEveryQueueHasConsumerAndDeadLetterQueue(t *testing.T) {
	tm := standardTemplate(t)
	consumers := map[string]string{}
	for _, name := range tm.resourcesOf("AWS::Lambda::EventSourceMapping") {
		p := tm.Resources[name].Properties
		queue := strings.TrimSuffix(strings.TrimPrefix(render(p["EventSourceArn"]), "${"), ".Arn}")
		if other, exists := consumers[queue]; exists {
			t.Errorf("%s has two consumers, %s and %s", queue, other, name)
		}
		consumers[queue] = strings.Trim(render(p["FunctionName"]), "${}")
		if got := render(p["FunctionResponseTypes"]); got != "ReportBatchItemFailures" {
			t.Errorf("%s: a failed message fails the whole batch, because the response types are %s", name, got)
		}
		batch, window := any(10.0), any(nil)
		if queue == "GlueQueue" {
			batch, window = 100.0, 60.0
		}
		if p["BatchSize"] != batch || p["MaximumBatchingWindowInSeconds"] != window {
			t.Errorf("%s: batch of %v with a window of %v s", name, p["BatchSize"], p["MaximumBatchingWindowInSeconds"])
		}
		if got, _ := valueAt(p, "ScalingConfig", "MaximumConcurrency").(float64); got < 2 || queue == "LoadQueue" && got != 2 {
			t.Errorf("%s: the largest concurrency is %v", name, got)
		}
	}
	want := map[string]string{"ReceiptsQueue": "RouteFunction", "GlueQueue": "TransformFunction"}
	for _, stage := range []string{"Route", "Receipts", "Transform", "Glue", "Load", "Ingest", "Alert"} {
		queue, deadLetters := stage+"Queue", stage+"DeadLetters"
		if want[queue] == "" {
			want[queue] = stage + "Function"
		}
		want[deadLetters] = "AlertFunction"
		p, dead := tm.Resources[queue].Properties, tm.Resources[deadLetters].Properties
		if got := render(valueAt(p, "RedrivePolicy", "deadLetterTargetArn")); got != "${"+deadLetters+".Arn}" {
			t.Errorf("%s: dead letters go to %s", queue, got)
		}
		if got := valueAt(p, "RedrivePolicy", "maxReceiveCount"); got != 1000.0 {
			t.Errorf("%s: SQS moves a message to the dead-letter queue after %v receives", queue, got)
		}
		if p["MessageRetentionPeriod"] != 4*86400.0 || dead["MessageRetentionPeriod"] != 14*86400.0 {
			t.Errorf("%s has a retention of %v s, %s of %v s", queue, p["MessageRetentionPeriod"], deadLetters, dead["MessageRetentionPeriod"])
		}
	}
	if fmt.Sprint(consumers) != fmt.Sprint(want) {
		t.Errorf("consumers: %v\nwant %v", consumers, want)
	}
	for _, name := range tm.resourcesOf("AWS::SQS::Queue") {
		p := tm.Resources[name].Properties
		timeout := valueAt(tm.Resources[consumers[name]].Properties, "Timeout").(float64)
		window := 0.0
		if name == "GlueQueue" {
			window = 60
		}
		if p["VisibilityTimeout"] != window+timeout+60 {
			t.Errorf("%s hides messages for %v s, the window is %v s, and the function's timeout is %v s",
				name, p["VisibilityTimeout"], window, timeout)
		}
		if p["SqsManagedSseEnabled"] != true {
			t.Errorf("%s has no encryption by SQS", name)
		}
	}
}
