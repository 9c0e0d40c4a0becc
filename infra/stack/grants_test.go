package stack_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/firn-data/firn/infra/stack"
)

// statement is one statement of any policy, rendered.
type statement struct {
	sid, effect, principal, condition string
	actions, resources                []string
}

func statementsOf(document any) []statement {
	var all []statement
	for _, raw := range list(at(document, "Statement")) {
		s := statement{
			sid: render(at(raw, "Sid")), effect: render(at(raw, "Effect")),
			principal: render(at(raw, "Principal")), condition: fmt.Sprint(rendered(at(raw, "Condition"))),
		}
		for _, action := range list(at(raw, "Action")) {
			s.actions = append(s.actions, render(action))
		}
		for _, resource := range list(at(raw, "Resource")) {
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

// granted returns each role's statements, from its one inline policy.
func granted(t *testing.T, tm template) map[string][]statement {
	t.Helper()
	roles := map[string][]statement{}
	for _, name := range tm.of("AWS::IAM::Role") {
		p := tm.Resources[name].Properties
		policies := list(p["Policies"])
		if len(policies) != 1 || at(policies[0], "PolicyName") != stack.PolicyName {
			t.Errorf("%s has not exactly one inline policy %q: %v", name, stack.PolicyName, policies)
			continue
		}
		if p["ManagedPolicyArns"] != nil {
			t.Errorf("%s has a managed policy: %v", name, p["ManagedPolicyArns"])
		}
		roles[name] = statementsOf(at(policies[0], "PolicyDocument"))
	}
	if others := append(tm.of("AWS::IAM::Policy"), tm.of("AWS::IAM::ManagedPolicy")...); len(others) > 0 {
		t.Errorf("grants outside the roles: %v", others)
	}
	return roles
}

func TestGrantsMatchGolden(t *testing.T) {
	var text strings.Builder
	tm := standard(t)
	roles := granted(t, tm)
	for _, name := range tm.of("AWS::IAM::Role") {
		fmt.Fprintf(&text, "%s\n", name)
		seen := map[string]bool{}
		for _, s := range roles[name] {
			if s.sid == "<nil>" || seen[s.sid] || s.effect != "Allow" {
				t.Errorf("%s: statement %+v has no id of its own, or is more than a grant", name, s)
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

// metricsOfGlue is the one grant on "anything": metrics are no resources, so
// that IAM tells them apart by namespace alone.
func metricsOfGlue(s statement) bool {
	return slices.Equal(s.actions, []string{"cloudwatch:PutMetricData"}) &&
		s.condition == "map[StringEquals:map[cloudwatch:namespace:Glue]]"
}

// No grant is for "anything": neither as an action nor as a resource.
func TestNoWildcardGrants(t *testing.T) {
	for _, tm := range []template{standard(t), fannedOut(t), withKeyPair(t)} {
		for name, statements := range granted(t, tm) {
			for _, s := range statements {
				if strings.Contains(strings.Join(s.actions, " "), "*") || slices.Contains(s.resources, "*") && !metricsOfGlue(s) {
					t.Errorf("%s %s allows %v on %v", name, s.sid, s.actions, s.resources)
				}
			}
		}
	}
}

// Nobody gets at a queue, topic or bucket by its own policy but on a condition.
func TestNoOpenResources(t *testing.T) {
	for _, tm := range []template{standard(t), fannedOut(t)} {
		for _, kind := range []string{"AWS::SQS::QueuePolicy", "AWS::SNS::TopicPolicy", "AWS::S3::BucketPolicy"} {
			names := tm.of(kind)
			if len(names) == 0 {
				t.Errorf("no %s to look at", kind)
			}
			for _, name := range names {
				for _, s := range statementsOf(tm.Resources[name].Properties["PolicyDocument"]) {
					if s.effect == "Allow" && (strings.Contains(strings.Join(s.actions, " "), "*") || s.condition == "<nil>") {
						t.Errorf("%s allows %v with condition %s", name, s.actions, s.condition)
					}
				}
			}
		}
	}
}

// Who touches what is encrypted has the key to it: Amazon S3 and Amazon SNS
// ask for the caller's grants on the key, and the laptop's cloud doesn't.
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
	for name, statements := range granted(t, withKeyPair(t)) {
		has, wants := map[string]bool{}, map[string]bool{}
		for _, s := range statements {
			for _, action := range s.actions {
				if strings.HasPrefix(action, "kms:") {
					has[action+" "+strings.Join(s.resources, " ")] = true
				}
				for _, grant := range need[action] {
					wants[grant] = true
				}
			}
		}
		for grant := range wants {
			users++
			if !has[grant] {
				t.Errorf("%s lacks %s", name, grant)
			}
		}
		for grant := range has {
			if !wants[grant] {
				t.Errorf("%s has %s, and nothing that needs it", name, grant)
			}
		}
	}
	if users == 0 {
		t.Error("nobody uses a key")
	}
}

func TestEncryptionByS3(t *testing.T) {
	tm := opposite(t)
	if got := tm.of("AWS::KMS::Key"); !slices.Equal(got, []string{"TopicKey"}) {
		t.Errorf("keys: %v", got)
	}
	for _, name := range tm.of("AWS::S3::Bucket") {
		rule := at(tm.Resources[name].Properties, "BucketEncryption", "ServerSideEncryptionConfiguration", 0)
		if got := render(at(rule, "ServerSideEncryptionByDefault", "SSEAlgorithm")); got != "AES256" {
			t.Errorf("%s is encrypted by %s", name, got)
		}
	}
	for name, statements := range granted(t, tm) {
		for _, s := range statements {
			if s.sid == "DataKey" {
				t.Errorf("%s has a grant on a key that isn't there", name)
			}
		}
	}
}

// Snowflake's own user may assume the storage role once it is known, with the
// external id, and nobody else.
func TestStorageRoleTrustsSnowflakeUserOnly(t *testing.T) {
	for _, test := range []struct {
		made template
		want string
	}{
		{standard(t), "arn:${AWS::Partition}:iam::${AWS::AccountId}:root"},
		{opposite(t), snowflakeUser},
	} {
		role := test.made.Resources["StorageRole"].Properties
		trust := at(role, "AssumeRolePolicyDocument", "Statement", 0)
		if got := render(at(trust, "Principal", "AWS")); got != test.want {
			t.Errorf("trusts %s, want %s", got, test.want)
		}
		if got := render(at(trust, "Condition", "StringEquals", "sts:ExternalId")); got != "firn-MYORG-ACCOUNT-FIRN" {
			t.Errorf("external id %s", got)
		}
		if got := role["RoleName"]; got != "firn-storage" {
			t.Errorf("name %v", got)
		}
	}
}
