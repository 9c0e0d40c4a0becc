//go:build endtoend

package path_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/firn-data/firn/internal/awsconfig"
)

// policyName is the name of each role's one inline policy.
const policyName = "grants"

var functions = []string{"Ingest", "Route", "Transform", "Load", "Alert"}

// removedGrant is a grant that a test removes from a function's role: one action of one
// statement.
type removedGrant struct {
	function, statement, action string
	// queue is the queue, by its name in the template, that loses the action. If queue
	// is empty, all resources of the statement lose the action.
	queue string
}

func (r removedGrant) String() string {
	return strings.TrimSuffix(strings.Join([]string{r.function, r.statement, r.action, r.queue}, " "), " ")
}

// removeGrants removes grants from one function's role. The returned function restores
// the policy. The end of the test restores the policy too.
func removeGrants(t *testing.T, all ...removedGrant) (restore func()) {
	t.Helper()
	role := roleName(all[0].function)
	answer, err := stack.iam.GetRolePolicy(t.Context(), &iam.GetRolePolicyInput{RoleName: aws.String(role), PolicyName: aws.String(policyName)})
	if err != nil {
		t.Fatal(err)
	}
	original, err := url.PathUnescape(aws.ToString(answer.PolicyDocument)) // IAM encodes as in RFC 3986
	if err != nil {
		t.Fatal(err)
	}
	p := decodePolicy(t, original)
	for _, removed := range all {
		p = p.without(t, removed)
	}
	reduced, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	put := func(document string) {
		_, err := stack.iam.PutRolePolicy(context.WithoutCancel(t.Context()), &iam.PutRolePolicyInput{
			RoleName: aws.String(role), PolicyName: aws.String(policyName), PolicyDocument: aws.String(document),
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	restore = func() { put(original) }
	t.Cleanup(restore)
	put(string(reduced))
	return restore
}

func roleName(function string) string { return stack.cloud.Outputs[function+"RoleName"] }

// queueURL returns a queue's URL by the queue's name in the template: "LoadQueue",
// "LoadDeadLetters".
func queueURL(queue string) string {
	return stack.cloud.Outputs[strings.TrimSuffix(queue, "s")+"Url"]
}

type policy struct {
	Version   string
	Statement []statement
}

type statement struct {
	Sid, Effect      string
	Action, Resource texts
	Condition        json.RawMessage `json:",omitempty"`
}

// texts is a list of texts. IAM writes a list with a single text as a text.
type texts []string

func (l *texts) UnmarshalJSON(content []byte) error {
	var single string
	if json.Unmarshal(content, &single) == nil {
		*l = texts{single}
		return nil
	}
	return json.Unmarshal(content, (*[]string)(l))
}

func decodePolicy(t *testing.T, document string) policy {
	t.Helper()
	decoder := json.NewDecoder(bytes.NewReader([]byte(document)))
	decoder.DisallowUnknownFields()
	var p policy
	if err := decoder.Decode(&p); err != nil {
		t.Fatalf("policy %s: %v", document, err)
	}
	return p
}

// without returns the policy without one grant. A missing grant fails the test.
func (p policy) without(t *testing.T, removed removedGrant) policy {
	t.Helper()
	result := policy{Version: p.Version}
	found := false
	for _, s := range p.Statement {
		resources := lostResources(s, removed)
		if s.Sid != removed.statement || !slices.Contains(s.Action, removed.action) || len(resources) == 0 {
			result.Statement = append(result.Statement, s)
			continue
		}
		found = true
		kept, reduced := s, s
		kept.Resource = subtract(s.Resource, resources...)
		reduced.Resource, reduced.Action = resources, subtract(s.Action, removed.action)
		if len(kept.Resource) > 0 {
			reduced.Sid += "Reduced" // ids are unique in a policy
		}
		for _, rest := range []statement{kept, reduced} {
			if len(rest.Action) > 0 && len(rest.Resource) > 0 {
				result.Statement = append(result.Statement, rest)
			}
		}
	}
	if !found {
		t.Fatalf("the role has no grant %s", removed)
	}
	return result
}

func lostResources(s statement, removed removedGrant) texts {
	if removed.queue == "" {
		return s.Resource
	}
	name := path.Base(queueURL(removed.queue))
	return slices.DeleteFunc(slices.Clone(s.Resource), func(arn string) bool { return !strings.HasSuffix(arn, ":"+name) })
}

func subtract(from texts, excluded ...string) texts {
	return slices.DeleteFunc(slices.Clone(from), func(text string) bool { return slices.Contains(excluded, text) })
}

func lambdas(t *testing.T) *lambda.Client {
	t.Helper()
	cfg, err := awsconfig.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return lambda.NewFromConfig(cfg)
}

// setTimeout changes a function's timeout, in seconds. The returned function restores
// the timeout. The end of the test restores the timeout too.
func setTimeout(t *testing.T, function string, seconds int32) (restore func()) {
	t.Helper()
	client, name := lambdas(t), aws.String(stack.cloud.Outputs[function+"FunctionName"])
	current, err := client.GetFunctionConfiguration(t.Context(), &lambda.GetFunctionConfigurationInput{FunctionName: name})
	if err != nil {
		t.Fatal(err)
	}
	set := func(timeout *int32) {
		_, err := client.UpdateFunctionConfiguration(context.WithoutCancel(t.Context()), &lambda.UpdateFunctionConfigurationInput{
			FunctionName: name, Timeout: timeout,
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	restore = func() { set(current.Timeout) }
	t.Cleanup(restore)
	set(&seconds)
	return restore
}

// withShortVisibility is the use case with a visibility timeout of two seconds on a
// queue. The queue's own timeout is minutes.
func withShortVisibility(queue string, u useCase) useCase {
	const seconds = "2"
	return useCase{u.name + " with a short visibility timeout on " + queue, func(t *testing.T) startedUseCase {
		t.Helper()
		url, name := aws.String(queueURL(queue)), string(sqstypes.QueueAttributeNameVisibilityTimeout)
		current, err := stack.sqs.GetQueueAttributes(t.Context(), &sqs.GetQueueAttributesInput{
			QueueUrl: url, AttributeNames: []sqstypes.QueueAttributeName{sqstypes.QueueAttributeNameVisibilityTimeout},
		})
		if err != nil {
			t.Fatal(err)
		}
		set := func(value string) {
			_, err := stack.sqs.SetQueueAttributes(context.WithoutCancel(t.Context()), &sqs.SetQueueAttributesInput{
				QueueUrl: url, Attributes: map[string]string{name: value},
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		t.Cleanup(func() { set(current.Attributes[name]) })
		set(seconds)
		return u.start(t)
	}}
}

// Each function has its own role, and no function has the account's root user. The
// tests of the grants check the same: a refusal names the role.
func TestEachFunctionHasItsOwnRole(t *testing.T) {
	users := make(map[string]string)
	for _, function := range functions {
		answer, err := stack.iam.GetRole(t.Context(), &iam.GetRoleInput{RoleName: aws.String(roleName(function))})
		if err != nil {
			t.Fatal(err)
		}
		arn := aws.ToString(answer.Role.Arn)
		configuration, err := lambdas(t).GetFunctionConfiguration(t.Context(), &lambda.GetFunctionConfigurationInput{
			FunctionName: aws.String(stack.cloud.Outputs[function+"FunctionName"]),
		})
		if err != nil {
			t.Fatal(err)
		}
		if got := aws.ToString(configuration.Role); got != arn || !strings.Contains(arn, ":role/") {
			t.Errorf("%s runs as %s, want the role %s", function, got, arn)
		}
		if other, shared := users[arn]; shared {
			t.Errorf("%s and %s share the role %s", function, other, arn)
		}
		users[arn] = function
		policies, err := stack.iam.ListRolePolicies(t.Context(), &iam.ListRolePoliciesInput{RoleName: answer.Role.RoleName})
		if err != nil || fmt.Sprint(policies.PolicyNames) != fmt.Sprint([]string{policyName}) {
			t.Errorf("%s has the inline policies %v: %v", arn, policies.PolicyNames, err)
		}
	}
}
