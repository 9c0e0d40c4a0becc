package load_test

import (
	"io"
	"maps"
	"strings"
	"testing"

	"github.com/firn-data/firn/internal/app/function/functiontest"
	"github.com/firn-data/firn/internal/app/load"
)

var completeEnvironment = map[string]string{
	"FIRN_JOURNAL_TABLE": "journal", "FIRN_CURATED_BUCKET": "curated", "FIRN_QUEUE_URL": "http://localhost/1/load",
	"FIRN_DEAD_LETTER_URL": "http://localhost/1/load-dead", "FIRN_LOADED_TOPIC_ARN": "arn:aws:sns:eu-central-1:1:loaded",
	"FIRN_SNOWFLAKE_ACCOUNT": "org-account",
}

func TestNew(t *testing.T) {
	t.Setenv("AWS_REGION", "eu-central-1")
	variables := maps.Clone(completeEnvironment)
	variables["LAMBDA_TASK_ROOT"] = t.TempDir()
	if _, err := load.New(t.Context(), functiontest.Environment(variables), io.Discard); err == nil {
		t.Error("New without contracts: no error")
	}
	variables["LAMBDA_TASK_ROOT"] = functiontest.TaskRoot(t)
	handler, err := load.New(t.Context(), functiontest.Environment(variables), io.Discard)
	if err != nil || handler == nil {
		t.Fatalf("a complete environment: %v", err)
	}
	_, err = load.New(t.Context(), functiontest.Environment(map[string]string{"SNOWFLAKE_PORT": "x"}), io.Discard)
	if err == nil {
		t.Fatal("New with an empty environment: no error")
	}
	for name := range variables {
		if !strings.Contains(err.Error(), name) {
			t.Errorf("the error doesn't name %s:\n%v", name, err)
		}
	}
	if !strings.Contains(err.Error(), "SNOWFLAKE_PORT") {
		t.Errorf("the error doesn't name SNOWFLAKE_PORT:\n%v", err)
	}
}

// TestLoginFollowsSecret: without a secret, the function logs in by its role. The
// driver checks certificates with OCSP unless FIRN_SNOWFLAKE_OCSP is false.
func TestLoginFollowsSecret(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, value string
		byKeyPair   bool
		skipsOCSP   bool
	}{
		{"FIRN_SNOWFLAKE_ROLE", "FIRN_LOADER", false, false},
		{"FIRN_SNOWFLAKE_SECRET_ARN", "arn:aws:secretsmanager:eu-central-1:1:secret:s", true, false},
		{"FIRN_SNOWFLAKE_OCSP", "false", false, true},
	} {
		variables := maps.Clone(completeEnvironment)
		variables["LAMBDA_TASK_ROOT"] = functiontest.TaskRoot(t)
		variables[test.name] = test.value
		login, err := load.Login(functiontest.Environment(variables))
		if err != nil || (login.Keys != nil) != test.byKeyPair || login.SkipRevocation != test.skipsOCSP || login.PrivateKey != nil {
			t.Errorf("%s=%s: %+v, %v", test.name, test.value, login, err)
		}
	}
}
