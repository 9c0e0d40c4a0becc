//go:build endtoend

package path_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/glue"
	"github.com/aws/aws-sdk-go-v2/service/glue/types"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	lambdatypes "github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/firn-data/firn/internal/journal"
	"github.com/firn-data/firn/internal/object"
	"github.com/firn-data/firn/internal/work"
)

// fileByGlue is a file that a Glue run transforms.
var fileByGlue = useCase{"a file is loaded by a Glue run", func(t *testing.T) startedUseCase {
	t.Helper()
	lines := visits(t)
	o := put(t, visitKey(t, "few.csv"), []byte(strings.Join(lines[:11], "")))
	return startedUseCase{done: func() (bool, string) { return inState(t, o, journal.Loaded) }}
}}

// endOfRun is the event of an earlier run's end.
var endOfRun = useCase{"the end of a run is handled", func(t *testing.T) startedUseCase {
	t.Helper()
	since := time.Now()
	output, err := stack.glue.GetJobRuns(t.Context(), &glue.GetJobRunsInput{JobName: aws.String(stack.cloud.Outputs["GlueJobName"])})
	if err != nil {
		t.Fatal(err)
	}
	for _, run := range output.JobRuns {
		if run.JobRunState != types.JobRunStateSucceeded {
			continue
		}
		sendTo(t, "GlueQueue", fmt.Sprintf(`{"source":"aws.glue","detail-type":"Glue Job State Change","detail":{"jobName":"%s","jobRunId":"%s","state":"SUCCEEDED"}}`,
			aws.ToString(run.JobName), aws.ToString(run.Id)))
		return startedUseCase{done: func() (bool, string) {
			for _, line := range logOf(t, "Transform", since) {
				if line.Message == "Glue run ended" && line.Run == aws.ToString(run.Id) {
					return true, ""
				}
			}
			return false, "the line is missing in the log"
		}}
	}
	t.Fatal("no run has succeeded so far")
	return startedUseCase{}
}}

// forgottenManifest is a manifest without a run, because the function was killed before
// it started the run. The check for overdue runs starts the run.
var forgottenManifest = useCase{"a manifest without a run gets a run", func(t *testing.T) startedUseCase {
	t.Helper()
	setAllRunsOverdue(t)
	var o object.Object
	withoutLandingNotifications(t, func() { o = put(t, visitKey(t, "forgotten.csv"), []byte(strings.Join(visits(t)[:11], ""))) })
	c := stack.operator.Contracts.ByDataset(glueDataset)
	portable, err := c.Portable()
	if err != nil {
		t.Fatal(err)
	}
	m := work.Manifest{
		ID: "forgotten-" + rand.Text(), Dataset: glueDataset, CuratedBucket: stack.operator.Stack.CuratedBucket, Contract: portable,
		CreatedAt: time.Now().UTC(), Objects: []work.Assignment{{
			Object: o, ObjectID: o.ID(), Attempt: "00-01-" + rand.Text(), Source: work.Location{Bucket: o.Bucket, Key: o.Key},
		}},
	}
	body, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stack.s3.PutObject(t.Context(), &s3.PutObjectInput{
		Bucket: aws.String(m.CuratedBucket), Key: aws.String(work.ManifestKey(m.ID)), Body: bytes.NewReader(body),
	}); err != nil {
		t.Fatal(err)
	}
	table := stack.journal.(*journal.Table)
	_, err = table.Receive(t.Context(), o, glueDataset)
	if err == nil {
		_, _, err = table.Start(t.Context(), work.Work{Stage: work.Glue, Dataset: glueDataset, Object: o}, "killed", time.Now())
	}
	if err == nil {
		_, err = table.Assign(t.Context(), o.ID(), "killed", m.ID)
	}
	if err != nil {
		t.Fatal(err)
	}
	check, err := json.Marshal(work.CheckRuns())
	if err != nil {
		t.Fatal(err)
	}
	sendTo(t, "GlueQueue", string(check))
	return startedUseCase{done: func() (bool, string) { return inState(t, o, journal.Loaded) }}
}}

// setAllRunsOverdue makes every run overdue for transform until the end of the test.
func setAllRunsOverdue(t *testing.T) {
	t.Helper()
	const variable = "FIRN_GLUE_OVERDUE_SECONDS"
	client, name := lambdas(t), aws.String(stack.cloud.Outputs["TransformFunctionName"])
	current, err := client.GetFunctionConfiguration(t.Context(), &lambda.GetFunctionConfigurationInput{FunctionName: name})
	if err != nil {
		t.Fatal(err)
	}
	set := func(variables map[string]string) {
		_, err := client.UpdateFunctionConfiguration(context.WithoutCancel(t.Context()), &lambda.UpdateFunctionConfigurationInput{
			FunctionName: name, Environment: &lambdatypes.Environment{Variables: variables},
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	before := current.Environment.Variables
	overdue := maps.Clone(before)
	overdue[variable] = "0"
	t.Cleanup(func() { set(before) })
	set(overdue)
}
