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
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

// policyName is that of the one inline policy of each role.
const policyName = "grants"

var functions = []string{"Ingest", "Route", "Transform", "Load", "Alert"}

// removedGrant is what a test takes away from a function's role: one action of one
// statement.
type removedGrant struct {
	function, statement, action string
	// queue is the queue that loses the action, by the template's name for it;
	// empty takes it from all that the statement names.
	queue string
}

func (w removedGrant) String() string {
	return strings.TrimSuffix(strings.Join([]string{w.function, w.statement, w.action, w.queue}, " "), " ")
}

// removeGrants takes grants away from one function's role. The returned function,
// or else the test's end, puts the policy back as it was.
func removeGrants(t *testing.T, all ...removedGrant) (putBack func()) {
	t.Helper()
	role := roleName(all[0].function)
	answer, err := stack.iam.GetRolePolicy(t.Context(), &iam.GetRolePolicyInput{RoleName: aws.String(role), PolicyName: aws.String(policyName)})
	if err != nil {
		t.Fatal(err)
	}
	whole, err := url.PathUnescape(aws.ToString(answer.PolicyDocument)) // IAM encodes by RFC 3986
	if err != nil {
		t.Fatal(err)
	}
	p := decodePolicy(t, whole)
	for _, w := range all {
		p = p.without(t, w)
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
	putBack = func() { put(whole) }
	t.Cleanup(putBack)
	put(string(reduced))
	return putBack
}

func roleName(function string) string { return stack.cloud.Outputs[function+"RoleName"] }

// queueURL is a queue's address, by the template's name for it: "LoadQueue",
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

// texts is what IAM writes as a text where it is one, else as a list.
type texts []string

func (l *texts) UnmarshalJSON(content []byte) error {
	var one string
	if json.Unmarshal(content, &one) == nil {
		*l = texts{one}
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

// without returns the policy without one grant. It fails the test if there is
// no such grant.
func (p policy) without(t *testing.T, w removedGrant) policy {
	t.Helper()
	left := policy{Version: p.Version}
	found := false
	for _, s := range p.Statement {
		lost := lostResources(s, w)
		if s.Sid != w.statement || !slices.Contains(s.Action, w.action) || len(lost) == 0 {
			left.Statement = append(left.Statement, s)
			continue
		}
		found = true
		kept, other := s, s
		kept.Resource = subtract(s.Resource, lost...)
		other.Resource, other.Action = lost, subtract(s.Action, w.action)
		if len(kept.Resource) > 0 {
			other.Sid += "Reduced" // ids are unique in a policy
		}
		for _, rest := range []statement{kept, other} {
			if len(rest.Action) > 0 && len(rest.Resource) > 0 {
				left.Statement = append(left.Statement, rest)
			}
		}
	}
	if !found {
		t.Fatalf("the role has no grant %s", w)
	}
	return left
}

func lostResources(s statement, w removedGrant) texts {
	if w.queue == "" {
		return s.Resource
	}
	name := path.Base(queueURL(w.queue))
	return slices.DeleteFunc(slices.Clone(s.Resource), func(arn string) bool { return !strings.HasSuffix(arn, ":"+name) })
}

func subtract(from texts, lost ...string) texts {
	return slices.DeleteFunc(slices.Clone(from), func(text string) bool { return slices.Contains(lost, text) })
}

func lambdas(t *testing.T) *lambda.Client {
	t.Helper()
	cfg, err := config.LoadDefaultConfig(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return lambda.NewFromConfig(cfg)
}

// setTimeout changes how long a function may run, in seconds; the returned
// function, or else the test's end, puts it back.
func setTimeout(t *testing.T, function string, seconds int32) (putBack func()) {
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
	putBack = func() { set(current.Timeout) }
	t.Cleanup(putBack)
	set(&seconds)
	return putBack
}

// withShortVisibility is the deed on a queue whose messages come back in two seconds
// where nobody puts them off: the queue's own time is minutes.
func withShortVisibility(queue string, d useCase) useCase {
	const seconds = "2"
	return useCase{d.name + ", its messages seen soon again on " + queue, func(t *testing.T) startedUseCase {
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
		return d.start(t)
	}}
}

// Each function runs as a role of its own, and none as the account's root. The
// test of the grants sees the same from the inside: what is refused names it.
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
			t.Errorf("%s runs as %s, its role is %s", function, got, arn)
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
