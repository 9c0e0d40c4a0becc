//go:build cdk

package stack_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/firn-data/firn/infra/stack"
)

// A webhook adds a variable with the secret's ARN, and the grant to read exactly this
// secret. Nothing else changes.
func TestWebhookAddsVariableAndGrant(t *testing.T) {
	standard, tm := standardTemplate(t), webhookTemplate(t)
	const role = "AlertRole.Policies.0.PolicyDocument.Statement.9."
	want := []string{
		"AlertFunction.Environment.Variables.FIRN_WEBHOOK_SECRET_ARN",
		role + "Action", role + "Effect", role + "Resource", role + "Sid",
	}
	if diff := cmp.Diff(want, differences(t, standard, tm)); diff != "" {
		t.Error(diff)
	}
	statements := statementsByRole(t, tm)["AlertRole"]
	wantStatement := statement{
		sid: "ReadWebhook", effect: "Allow", principal: "<nil>", condition: "<nil>",
		actions: []string{"secretsmanager:GetSecretValue"}, resources: []string{webhookSecret},
	}
	if diff := cmp.Diff(wantStatement, statements[len(statements)-1], cmp.AllowUnexported(statement{})); diff != "" {
		t.Error(diff)
	}
}

// The settings about mails become variables of alert. Without the settings, the stack's
// name is the environment, and the function knows the address of the runbook.
func TestMailSettingsAreVariablesOfAlert(t *testing.T) {
	changed := templateOf(t, "mails", func(p *stack.Props) {
		p.Settings.Environment, p.Settings.MailsPerHour, p.Settings.RunbookURL = "prod", 60, "https://wiki.example/firn"
	})
	for _, test := range []struct {
		tm   template
		want map[string]any
	}{
		{standardTemplate(t), map[string]any{"FIRN_ENVIRONMENT": stack.Name, "FIRN_MAILS_PER_HOUR": "30", "FIRN_RUNBOOK_URL": nil}},
		{changed, map[string]any{"FIRN_ENVIRONMENT": "prod", "FIRN_MAILS_PER_HOUR": "60", "FIRN_RUNBOOK_URL": "https://wiki.example/firn"}},
	} {
		for name, want := range test.want {
			if got := valueAt(test.tm.Resources["AlertFunction"].Properties, "Environment", "Variables", name); got != want {
				t.Errorf("%s is %v, want %v", name, got, want)
			}
		}
	}
}
