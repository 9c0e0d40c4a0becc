//go:build cdk

package stack_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A login by key pair adds an empty secret, a variable with the secret's ARN, and the
// grant to read the secret. Nothing else changes.
func TestKeyPairLoginAddsSecretAndGrant(t *testing.T) {
	standard, tm := standardTemplate(t), keyPairTemplate(t)
	const role = "LoadRole.Policies.0.PolicyDocument.Statement.11."
	want := []string{
		"LoadFunction.Environment.Variables.FIRN_SNOWFLAKE_SECRET_ARN.Ref",
		role + "Action", role + "Effect", role + "Resource.Ref", role + "Sid",
		"LoginSecret.Description",
		"LoginSecret.KmsKeyId.Fn::GetAtt.0", "LoginSecret.KmsKeyId.Fn::GetAtt.1",
	}
	if diff := cmp.Diff(want, differences(t, standard, tm)); diff != "" {
		t.Error(diff)
	}
	statements := statementsByRole(t, tm)["LoadRole"]
	got := statements[len(statements)-1]
	wantStatement := statement{
		sid: "ReadLogin", effect: "Allow", principal: "<nil>", condition: "<nil>",
		actions: []string{"secretsmanager:GetSecretValue"}, resources: []string{"${LoginSecret}"},
	}
	if diff := cmp.Diff(wantStatement, got, cmp.AllowUnexported(statement{})); diff != "" {
		t.Error(diff)
	}
	if got := render(tm.Outputs["LoginSecretArn"].Value); got != "${LoginSecret}" {
		t.Errorf("the output is %s", got)
	}
}

// Without a customer key the secret has the key of Secrets Manager. A setting makes the
// function avoid port 80.
func TestLoginSecretWithoutCustomerKey(t *testing.T) {
	tm := oppositeTemplate(t)
	if key := tm.Resources["LoginSecret"].Properties["KmsKeyId"]; key != nil {
		t.Errorf("the secret has the key %v, want none", key)
	}
	if got := valueAt(tm.Resources["LoadFunction"].Properties, "Environment", "Variables", "FIRN_SNOWFLAKE_OCSP"); got != "false" {
		t.Errorf("FIRN_SNOWFLAKE_OCSP is %v, want false", got)
	}
}
