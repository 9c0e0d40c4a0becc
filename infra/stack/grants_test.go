//go:build cdk

package stack_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/firn-data/firn/infra/stack"
)

// statement is one rendered statement of any policy.
type statement struct {
	sid, effect, principal, condition string
	actions, resources                []string
}

func statementsOf(document any) []statement {
	var all []statement
	for _, raw := range list(valueAt(document, "Statement")) {
		s := statement{
			sid: render(valueAt(raw, "Sid")), effect: render(valueAt(raw, "Effect")),
			principal: render(valueAt(raw, "Principal")), condition: fmt.Sprint(rendered(valueAt(raw, "Condition"))),
		}
		for _, action := range list(valueAt(raw, "Action")) {
			s.actions = append(s.actions, render(action))
		}
		for _, resource := range list(valueAt(raw, "Resource")) {
			s.resources = append(s.resources, render(resource))
		}
		all = append(all, s)
	}
	return all
}

// rendered renders the leaves of nested maps.
func rendered(value any) any {
	m, ok := value.(map[string]any)
	if !ok || m["Ref"] != nil || m["Fn::Join"] != nil || m["Fn::GetAtt"] != nil {
		return render(value)
	}
	out := map[string]any{}
	for key, inner := range m {
		out[key] = rendered(inner)
	}
	return out
}

// statementsByRole returns the statements of each role's one inline policy.
func statementsByRole(t *testing.T, tm template) map[string][]statement {
	t.Helper()
	roles := map[string][]statement{}
	for _, name := range tm.resourcesOf("AWS::IAM::Role") {
		p := tm.Resources[name].Properties
		policies := list(p["Policies"])
		if len(policies) != 1 || valueAt(policies[0], "PolicyName") != stack.PolicyName {
			t.Errorf("%s: want exactly one inline policy %q, got %v", name, stack.PolicyName, policies)
			continue
		}
		if p["ManagedPolicyArns"] != nil {
			t.Errorf("%s has a managed policy: %v", name, p["ManagedPolicyArns"])
		}
		roles[name] = statementsOf(valueAt(policies[0], "PolicyDocument"))
	}
	if others := append(tm.resourcesOf("AWS::IAM::Policy"), tm.resourcesOf("AWS::IAM::ManagedPolicy")...); len(others) > 0 {
		t.Errorf("grants outside the roles: %v", others)
	}
	return roles
}

func TestGrantsMatchGolden(t *testing.T) {
	var text strings.Builder
	tm := standardTemplate(t)
	roles := statementsByRole(t, tm)
	for _, name := range tm.resourcesOf("AWS::IAM::Role") {
		fmt.Fprintf(&text, "%s\n", name)
		seen := map[string]bool{}
		for _, s := range roles[name] {
			if s.sid == "<nil>" || seen[s.sid] || s.effect != "Allow" {
				t.Errorf("%s: statement %+v has no unique id, or its effect isn't Allow", name, s)
			}
			only := ""
			if s.condition != "<nil>" {
				only = " if " + s.condition
			}
			seen[s.sid] = true
			fmt.Fprintf(&text, "  %s\n    %s\n", s.sid, strings.Join(s.actions, " "))
			for _, resource := range s.resources {
				fmt.Fprintf(&text, "      %s%s\n", resource, only)
			}
		}
	}
	golden(t, "grants", text.String())
}

// isGlueMetricsGrant reports whether a statement is the one grant on all resources.
// Metrics are no resources, so IAM can limit the grant only by namespace.
func isGlueMetricsGrant(s statement) bool {
	return slices.Equal(s.actions, []string{"cloudwatch:PutMetricData"}) &&
		s.condition == "map[StringEquals:map[cloudwatch:namespace:Glue]]"
}

// No grant has a wildcard as its action or as its only resource.
func TestNoWildcardGrants(t *testing.T) {
	for _, tm := range []template{standardTemplate(t), fanOutTemplate(t), keyPairTemplate(t), webhookTemplate(t)} {
		for name, statements := range statementsByRole(t, tm) {
			for _, s := range statements {
				if strings.Contains(strings.Join(s.actions, " "), "*") || slices.Contains(s.resources, "*") && !isGlueMetricsGrant(s) {
					t.Errorf("%s %s allows %v on %v", name, s.sid, s.actions, s.resources)
				}
			}
		}
	}
}

// A policy of a queue, topic or bucket admits access only under a condition.
func TestNoOpenResources(t *testing.T) {
	for _, tm := range []template{standardTemplate(t), fanOutTemplate(t)} {
		for _, kind := range []string{"AWS::SQS::QueuePolicy", "AWS::SNS::TopicPolicy", "AWS::S3::BucketPolicy"} {
			names := tm.resourcesOf(kind)
			if len(names) == 0 {
				t.Errorf("the template has no %s", kind)
			}
			for _, name := range names {
				for _, s := range statementsOf(tm.Resources[name].Properties["PolicyDocument"]) {
					if s.effect == "Allow" && (strings.Contains(strings.Join(s.actions, " "), "*") || s.condition == "<nil>") {
						t.Errorf("%s allows %v with the condition %s", name, s.actions, s.condition)
					}
				}
			}
		}
	}
}

// Each user of an encrypted resource has the grants on its key. Amazon S3 and Amazon
// SNS check these grants. The AWS stand-in doesn't.
func TestUsersOfEncryptedResourcesHaveKeyGrants(t *testing.T) {
	need := map[string][]string{
		"s3:GetObject":        {"kms:Decrypt ${DataKey.Arn}"},
		"s3:GetObjectVersion": {"kms:Decrypt ${DataKey.Arn}"},
		"s3:PutObject":        {"kms:Decrypt ${DataKey.Arn}", "kms:GenerateDataKey ${DataKey.Arn}"},
		"sns:Publish":         {"kms:Decrypt ${TopicKey.Arn}", "kms:GenerateDataKey ${TopicKey.Arn}"},
		// secretsmanager/latest/userguide, security-encryption
		"secretsmanager:GetSecretValue": {"kms:Decrypt ${DataKey.Arn}"},
	}
	users := 0
	for name, statements := range statementsByRole(t, keyPairTemplate(t)) {
		has, needs := map[string]bool{}, map[string]bool{}
		for _, s := range statements {
			for _, action := range s.actions {
				if strings.HasPrefix(action, "kms:") {
					has[action+" "+strings.Join(s.resources, " ")] = true
				}
				for _, grant := range need[action] {
					needs[grant] = true
				}
			}
		}
		for grant := range needs {
			users++
			if !has[grant] {
				t.Errorf("%s lacks %s", name, grant)
			}
		}
		for grant := range has {
			if !needs[grant] {
				t.Errorf("%s has an unnecessary grant: %s", name, grant)
			}
		}
	}
	if users == 0 {
		t.Error("no role uses a key")
	}
}

func TestEncryptionByS3(t *testing.T) {
	tm := oppositeTemplate(t)
	if got := tm.resourcesOf("AWS::KMS::Key"); !slices.Equal(got, []string{"TopicKey"}) {
		t.Errorf("keys: %v", got)
	}
	for _, name := range tm.resourcesOf("AWS::S3::Bucket") {
		rule := valueAt(tm.Resources[name].Properties, "BucketEncryption", "ServerSideEncryptionConfiguration", 0)
		if got := render(valueAt(rule, "ServerSideEncryptionByDefault", "SSEAlgorithm")); got != "AES256" {
			t.Errorf("%s has the encryption %s", name, got)
		}
	}
	for name, statements := range statementsByRole(t, tm) {
		for _, s := range statements {
			if s.sid == "DataKey" {
				t.Errorf("%s has a grant on a missing key", name)
			}
		}
	}
}

// Only Snowflake's user may assume the storage role, and only with the external id.
// Until the user is known, the role trusts this account.
func TestStorageRoleTrustsSnowflakeUserOnly(t *testing.T) {
	for _, test := range []struct {
		tm   template
		want string
	}{
		{standardTemplate(t), "arn:${AWS::Partition}:iam::${AWS::AccountId}:root"},
		{oppositeTemplate(t), snowflakeUser},
	} {
		role := test.tm.Resources["StorageRole"].Properties
		trust := valueAt(role, "AssumeRolePolicyDocument", "Statement", 0)
		if got := render(valueAt(trust, "Principal", "AWS")); got != test.want {
			t.Errorf("the role trusts %s, want %s", got, test.want)
		}
		if got := render(valueAt(trust, "Condition", "StringEquals", "sts:ExternalId")); got != "firn-MYORG-ACCOUNT-FIRN" {
			t.Errorf("unexpected external id %s", got)
		}
		if got := role["RoleName"]; got != "firn-storage" {
			t.Errorf("unexpected role name %v", got)
		}
	}
}
