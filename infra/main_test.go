//go:build cdk

package main

import "testing"

// Two settings have no default: the mail address and the Snowflake account.
func TestRunWithoutSettingsFails(t *testing.T) {
	err := run(t.Context())
	want := "firn:alertAddress and firn:snowflakeAccount are missing: type cdk deploy " +
		"-c firn:alertAddress=you@example.com -c firn:snowflakeAccount=MYORG-ACCOUNT"
	if err == nil || err.Error() != want {
		t.Fatalf("run() = %v, want %q", err, want)
	}
}
