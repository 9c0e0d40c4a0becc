package setting_test

import (
	"testing"

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
		AlertAddress: "you@example.com", SnowflakeAccount: "MYORG-ACCOUNT", SnowflakeDatabase: "FIRN",
		SnowflakeExternalID: "firn-MYORG-ACCOUNT-FIRN",
		Architecture:        setting.ARM64, Encryption: setting.KMS, Retain: true,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestReadAll(t *testing.T) {
	t.Parallel()
	for _, form := range []string{"command line", "cdk.json"} {
		context := map[string]any{
			"firn:alertAddress":        "ops+firn@example.com",
			"firn:snowflakeAccount":    "xy12345.eu-central-1",
			"firn:snowflakeDatabase":   "FIRN_TEST",
			"firn:snowflakeUserArn":    "arn:aws:iam::123456789012:user/abcd0000-s",
			"firn:snowflakeExternalId": "chosen",
			"firn:architecture":        "x86_64",
			"firn:encryption":          "s3",
			"firn:fanOut":              "true",
			"firn:retain":              "false",
		}
		if form == "cdk.json" {
			context["firn:fanOut"], context["firn:retain"] = true, false
		}
		got, err := setting.Read(context)
		if err != nil {
			t.Fatalf("%s: %v", form, err)
		}
		want := setting.Settings{
			AlertAddress: "ops+firn@example.com", SnowflakeAccount: "xy12345.eu-central-1", SnowflakeDatabase: "FIRN_TEST",
			SnowflakeUserARN: "arn:aws:iam::123456789012:user/abcd0000-s", SnowflakeExternalID: "chosen",
			Architecture: setting.X8664, Encryption: setting.S3, FanOut: true,
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", form, diff)
		}
	}
}

func TestReadFaults(t *testing.T) {
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
		{"database with a space", "snowflakeDatabase", "MY DB", `firn:snowflakeDatabase is "MY DB", not an identifier`},
		{"user as a number", "snowflakeUserArn", "123456789012", `firn:snowflakeUserArn is "123456789012", not the ARN of an IAM user`},
		{"external id with a space", "snowflakeExternalId", "a b", `firn:snowflakeExternalId is "a b", not an external id`},
		{"Go's name of the architecture", "architecture", "amd64", `firn:architecture is "amd64", not one of arm64, x86_64`},
		{"no encryption", "encryption", "none", `firn:encryption is "none", not one of kms, s3`},
		{"yes for true", "fanOut", "yes", `firn:fanOut is "yes", not one of false, true`},
		{"number for false", "retain", 0, `firn:retain is "0", not one of true, false`},
		{"misspelt", "alertAdress", "me@example.com", `firn:alertAdress is not a setting`},
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
