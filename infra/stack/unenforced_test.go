//go:build cdk

package stack_test

import (
	"slices"
	"strings"
	"testing"
)

// The AWS stand-in doesn't enforce some grants (test/path, notEnforced). These tests
// read the template instead. For grants on keys see
// TestUsersOfEncryptedResourcesHaveKeyGrants.

// grantedOn returns the actions that a role has on a resource.
func grantedOn(statements []statement, resource string) []string {
	var actions []string
	for _, s := range statements {
		if slices.Contains(s.resources, resource) {
			actions = append(actions, s.actions...)
		}
	}
	return actions
}

func checkLacks(t *testing.T, role string, statements []statement, resource string, actions ...string) {
	t.Helper()
	for _, action := range actions {
		if !slices.Contains(grantedOn(statements, resource), action) {
			t.Errorf("%s lacks %s on %s", role, action, resource)
		}
	}
}

// Lambda polls a queue with the function's role (lambda/latest/dg,
// services-sqs-configure).
func TestConsumersMayReadTheirQueues(t *testing.T) {
	for _, tm := range []template{standardTemplate(t), fanOutTemplate(t)} {
		roles := statementsByRole(t, tm)
		polled := map[string][]string{}
		for _, name := range tm.resourcesOf("AWS::Lambda::EventSourceMapping") {
			p := tm.Resources[name].Properties
			role := strings.Replace(strings.Trim(render(p["FunctionName"]), "${}"), "Function", "Role", 1)
			queue := render(p["EventSourceArn"])
			polled[role] = append(polled[role], queue)
			checkLacks(t, role, roles[role], queue, "sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes")
		}
		if len(polled) != 5 {
			t.Errorf("%d functions poll queues, want 5", len(polled))
		}
		for role, statements := range roles {
			for _, s := range statements {
				for _, queue := range s.resources {
					if slices.Contains(s.actions, "sqs:ReceiveMessage") && !slices.Contains(polled[role], queue) {
						t.Errorf("%s may receive from %s, but doesn't poll this queue", role, queue)
					}
				}
			}
		}
	}
}

func TestFunctionsMayWriteTheirLogs(t *testing.T) {
	tm := standardTemplate(t)
	roles := statementsByRole(t, tm)
	for _, name := range tm.resourcesOf("AWS::Lambda::Function") {
		stage := strings.TrimSuffix(name, "Function")
		checkLacks(t, stage+"Role", roles[stage+"Role"], "${"+stage+"Logs.Arn}", "logs:CreateLogStream", "logs:PutLogEvents")
	}
}

// A role that reads objects may list their bucket. Otherwise a missing object would
// look like a missing grant.
func TestReadersMayListTheirBucket(t *testing.T) {
	readers := 0
	for role, statements := range statementsByRole(t, standardTemplate(t)) {
		for _, s := range statements {
			if !slices.Contains(s.actions, "s3:GetObject") && !slices.Contains(s.actions, "s3:GetObjectVersion") {
				continue
			}
			for _, objects := range s.resources {
				if s.sid == "ReadScript" { // a deployment always writes the script
					continue
				}
				bucket, _, _ := strings.Cut(objects, "/")
				checkLacks(t, role, statements, bucket, "s3:ListBucket")
				readers++
			}
		}
	}
	if readers == 0 {
		t.Error("no role reads objects")
	}
}

// A schedule's role may send to the schedule's target and to the target's dead-letter
// queue.
func TestScheduleRolesSendToTargetAndDeadLetterQueue(t *testing.T) {
	tm := standardTemplate(t)
	roles := statementsByRole(t, tm)
	for _, name := range tm.resourcesOf("AWS::Scheduler::Schedule") {
		target := valueAt(tm.Resources[name].Properties, "Target")
		role := strings.TrimSuffix(strings.TrimPrefix(render(valueAt(target, "RoleArn")), "${"), ".Arn}")
		for _, queue := range []string{render(valueAt(target, "Arn")), render(valueAt(target, "DeadLetterConfig", "Arn"))} {
			checkLacks(t, role, roles[role], queue, "sqs:SendMessage")
		}
	}
}
