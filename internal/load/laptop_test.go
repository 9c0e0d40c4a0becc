package load_test

import (
	"os"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/firn-data/firn/internal/load/loadtest"
)

// TestLaptop runs the suite against the laptop's Snowflake at
// FIRN_TEST_SNOWFLAKE (host:port), whose object store is at FIRN_TEST_S3 (a
// URL). README.md of loadtest says how to start both.
func TestLaptop(t *testing.T) {
	address, endpoint := os.Getenv("FIRN_TEST_SNOWFLAKE"), os.Getenv("FIRN_TEST_S3")
	if address == "" || endpoint == "" {
		t.Skip("FIRN_TEST_SNOWFLAKE and FIRN_TEST_S3 name no stand-ins")
	}
	// The login is the real one, by workload identity, which signs with whatever
	// AWS identity the process has.
	for name, value := range map[string]string{
		"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_REGION": "eu-central-1",
		"SNOWFLAKE_DISABLE_PLATFORM_DETECTION": "true",
	} {
		if os.Getenv(name) == "" {
			t.Setenv(name, value)
		}
	}
	store := s3.New(s3.Options{
		BaseEndpoint: aws.String(endpoint), Region: "us-east-1", UsePathStyle: true,
		Credentials: credentials.NewStaticCredentialsProvider(os.Getenv("AWS_ACCESS_KEY_ID"), os.Getenv("AWS_SECRET_ACCESS_KEY"), ""),
	})
	loadtest.Run(t, loadtest.NewLaptop(t, address, store))
}
