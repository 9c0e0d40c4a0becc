package setting_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/firn-data/firn/infra/setting"
)

func TestReadDefaults(t *testing.T) {
	t.Parallel()
	got, err := setting.Read(map[string]any{
		"firn:alertAddress":     "you@example.com",
		"firn:snowflakeAccount": "MYORG-ACCOUNT",
		"@aws-cdk/core:flag":    true,
	})
	if err != nil {
		t.Fatal(err)
	}
	want := setting.Settings{
		AlertAddress: "you@example.com", MailsPerHour: 30, SnowflakeAccount: "MYORG-ACCOUNT", SnowflakeDatabase: "FIRN",
		SnowflakeExternalID: "firn-MYORG-ACCOUNT-FIRN", SnowflakeLogin: setting.Workload, SnowflakeOCSP: true,
		Architecture: setting.ARM64, Encryption: setting.KMS, Schedules: true, Retain: true, Tick: time.Minute, Sweep: time.Hour,
		Glue: setting.Glue{WorkerType: "G.1X", Workers: 2, Timeout: 2 * time.Hour, ConcurrentRuns: 4, Window: time.Minute},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestReadTakesEverySetting(t *testing.T) {
	t.Parallel()
	for _, source := range []string{"command line", "cdk.json"} {
		context := map[string]any{
			"firn:alertAddress":        "ops+firn@example.com",
			"firn:environment":         "prod-eu",
			"firn:mailsPerHour":        "60",
			"firn:runbookUrl":          "https://wiki.example/firn/runbook",
			"firn:webhookSecretArn":    "arn:aws:secretsmanager:eu-central-1:123456789012:secret:firn/webhook-AbC123",
			"firn:snowflakeAccount":    "xy12345.eu-central-1",
			"firn:snowflakeDatabase":   "FIRN_TEST",
			"firn:snowflakeUserArn":    "arn:aws:iam::123456789012:user/abcd0000-s",
			"firn:snowflakeExternalId": "chosen",
			"firn:snowflakeLogin":      "keypair",
			"firn:snowflakeOcsp":       "false",
			"firn:architecture":        "x86_64",
			"firn:encryption":          "s3",
			"firn:fanOut":              "true",
			"firn:schedules":           "false",
			"firn:retain":              "false",
			"firn:tickMinutes":         "5",
			"firn:sweepMinutes":        "720",
			"firn:glueWorkerType":      "G.2X",
			"firn:glueWorkers":         "10",
			"firn:glueTimeoutMinutes":  "45",
			"firn:glueConcurrentRuns":  "1",
			"firn:glueFlex":            "true",
			"firn:glueWindowSeconds":   "0",
		}
		if source == "cdk.json" {
			context["firn:snowflakeOcsp"] = false
			context["firn:fanOut"], context["firn:retain"], context["firn:glueFlex"] = true, false, true
			context["firn:schedules"] = false
			context["firn:glueWorkers"], context["firn:glueWindowSeconds"] = 10.0, 0.0
		}
		got, err := setting.Read(context)
		if err != nil {
			t.Fatalf("%s: %v", source, err)
		}
		want := setting.Settings{
			AlertAddress: "ops+firn@example.com", Environment: "prod-eu", MailsPerHour: 60, RunbookURL: "https://wiki.example/firn/runbook",
			WebhookSecretARN: "arn:aws:secretsmanager:eu-central-1:123456789012:secret:firn/webhook-AbC123",
			SnowflakeAccount: "xy12345.eu-central-1", SnowflakeDatabase: "FIRN_TEST",
			SnowflakeUserARN: "arn:aws:iam::123456789012:user/abcd0000-s", SnowflakeExternalID: "chosen",
			SnowflakeLogin: setting.KeyPair,
			Architecture:   setting.X8664, Encryption: setting.S3, FanOut: true, Tick: 5 * time.Minute, Sweep: 12 * time.Hour,
			Glue: setting.Glue{WorkerType: "G.2X", Workers: 10, Timeout: 45 * time.Minute, ConcurrentRuns: 1, Flex: true},
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", source, diff)
		}
	}
}

func TestReadRefusesInvalidValues(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, key string
		value     any
		want      string
	}{
		{
			"no address", "alertAddress", nil,
			"firn:alertAddress is missing: type cdk deploy -c firn:alertAddress=you@example.com -c firn:snowflakeAccount=A-B",
		},
		{
			"no account", "snowflakeAccount", "",
			"firn:snowflakeAccount is missing: type cdk deploy -c firn:alertAddress=me@example.com -c firn:snowflakeAccount=MYORG-ACCOUNT",
		},
		{"address with a name", "alertAddress", "Me <me@example.com>", `firn:alertAddress is "Me <me@example.com>", not a mail address`},
		{"account as an address", "snowflakeAccount", "https://a-b.example.com", `firn:snowflakeAccount is "https://a-b.example.com", not an account identifier`},
		{"environment with a space", "environment", "my firn", `firn:environment is "my firn", not a name of at most 24 letters, digits, points, hyphens and underscores`},
		{"environment of 25 letters", "environment", "abcdefghijklmnopqrstuvwxy", `firn:environment is "abcdefghijklmnopqrstuvwxy", not a name of at most 24 letters, digits, points, hyphens and underscores`},
		{"no mails", "mailsPerHour", "0", `firn:mailsPerHour is "0", not a whole number from 1 to 1000`},
		{"runbook with a fragment", "runbookUrl", "https://wiki.example/firn#top", `firn:runbookUrl is "https://wiki.example/firn#top", not an address without a fragment`},
		{"address instead of a secret", "webhookSecretArn", "https://hook.example", `firn:webhookSecretArn is "https://hook.example", not the ARN of a secret in Secrets Manager`},
		{"secret without its last characters", "webhookSecretArn", "arn:aws:secretsmanager:eu-central-1:123456789012:secret:hook", `firn:webhookSecretArn is "arn:aws:secretsmanager:eu-central-1:123456789012:secret:hook", not the ARN of a secret in Secrets Manager`},
		{"database with a space", "snowflakeDatabase", "MY DB", `firn:snowflakeDatabase is "MY DB", not an identifier`},
		{"user as a number", "snowflakeUserArn", "123456789012", `firn:snowflakeUserArn is "123456789012", not the ARN of an IAM user`},
		{"external id with a space", "snowflakeExternalId", "a b", `firn:snowflakeExternalId is "a b", not an external id`},
		{"password as a login", "snowflakeLogin", "password", `firn:snowflakeLogin is "password", not one of workload, keypair`},
		{"off instead of false", "snowflakeOcsp", "off", `firn:snowflakeOcsp is "off", not one of true, false`},
		{"Go's name of the architecture", "architecture", "amd64", `firn:architecture is "amd64", not one of arm64, x86_64`},
		{"unknown encryption", "encryption", "none", `firn:encryption is "none", not one of kms, s3`},
		{"yes instead of true", "fanOut", "yes", `firn:fanOut is "yes", not one of false, true`},
		{"number instead of false", "retain", 0, `firn:retain is "0", not one of true, false`},
		{"worker type of a Python shell job", "glueWorkerType", "G.025X", `firn:glueWorkerType is "G.025X", not one of G.1X, G.2X, G.4X, G.8X, G.12X, G.16X, R.1X, R.2X, R.4X, R.8X`},
		{"sweep every two days", "sweepMinutes", "2880", `firn:sweepMinutes is "2880", not a whole number from 0 to 1440`},
		{"tick of zero minutes", "tickMinutes", "0", `firn:tickMinutes is "0", not a whole number from 1 to 5`},
		{"tick longer than a period of the heartbeat's alarm", "tickMinutes", "6", `firn:tickMinutes is "6", not a whole number from 1 to 5`},
		{"driver without workers", "glueWorkers", "1", `firn:glueWorkers is "1", not a whole number from 2 to 299`},
		{"fraction of a worker", "glueWorkers", 2.5, `firn:glueWorkers is "2.5", not a whole number from 2 to 299`},
		{"timeout of zero minutes", "glueTimeoutMinutes", "0", `firn:glueTimeoutMinutes is "0", not a whole number from 1 to 10080`},
		{"zero concurrent runs", "glueConcurrentRuns", "0", `firn:glueConcurrentRuns is "0", not a whole number from 1 to 1000`},
		{"window with a unit", "glueWindowSeconds", "1m", `firn:glueWindowSeconds is "1m", not a whole number from 0 to 300`},
		{"window over the limit", "glueWindowSeconds", "301", `firn:glueWindowSeconds is "301", not a whole number from 0 to 300`},
		{"misspelt key", "alertAdress", "me@example.com", `firn:alertAdress is not a setting`},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			context := map[string]any{"firn:alertAddress": "me@example.com", "firn:snowflakeAccount": "A-B"}
			context["firn:"+test.key] = test.value
			_, err := setting.Read(context)
			if err == nil || err.Error() != test.want {
				t.Errorf("Read() = %v\nwant %s", err, test.want)
			}
		})
	}
}

// Glue would refuse such a job only at the end of a deployment.
func TestFlexWithLargeWorkersIsRefused(t *testing.T) {
	t.Parallel()
	_, err := setting.Read(map[string]any{
		"firn:alertAddress": "me@example.com", "firn:snowflakeAccount": "A-B",
		"firn:glueWorkerType": "R.1X", "firn:glueFlex": "true",
	})
	want := "firn:glueFlex is true, but workers of type R.1X have no spare capacity: use G.1X or G.2X"
	if err == nil || err.Error() != want {
		t.Errorf("Read() = %v\nwant %s", err, want)
	}
}

func TestReadReportsEveryFault(t *testing.T) {
	t.Parallel()
	_, err := setting.Read(map[string]any{"firn:architecture": "arm", "firn:retained": true})
	want := `firn:architecture is "arm", not one of arm64, x86_64; firn:retained is not a setting; ` +
		"firn:alertAddress and firn:snowflakeAccount are missing: type cdk deploy " +
		"-c firn:alertAddress=you@example.com -c firn:snowflakeAccount=MYORG-ACCOUNT"
	if err == nil || err.Error() != want {
		t.Errorf("Read() = %v\nwant %s", err, want)
	}
}
