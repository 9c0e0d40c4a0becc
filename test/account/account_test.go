//go:build account

package account_test

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/firn-data/firn/internal/awsconfig"
	"github.com/firn-data/firn/internal/load/loadtest"
	"github.com/firn-data/firn/internal/snowflake"
)

// The variables of the account. docs/account.md describes each variable.
const (
	accountVariable = "FIRN_TEST_SNOWFLAKE_ACCOUNT"
	userVariable    = "FIRN_TEST_SNOWFLAKE_USER"
	keyVariable     = "FIRN_TEST_SNOWFLAKE_PRIVATE_KEY_FILE"
	bucketVariable  = "FIRN_TEST_CURATED_BUCKET"
)

// TestMain starts no stand-in, because the account exists already.
func TestMain(m *testing.M) { os.Exit(m.Run()) }

// account returns the account in the environment variables. If a variable is missing,
// the test is skipped.
func account(t *testing.T) *loadtest.Snowflake {
	t.Helper()
	var missing []string
	for _, name := range []string{accountVariable, userVariable, keyVariable, bucketVariable} {
		if os.Getenv(name) == "" {
			missing = append(missing, name)
		}
	}
	if len(missing) > 0 {
		t.Skipf("no account to test: set %s (see docs/account.md)", strings.Join(missing, ", "))
	}
	text, err := os.ReadFile(os.Getenv(keyVariable))
	if err != nil {
		t.Fatal(err)
	}
	key, err := snowflake.ParsePrivateKey(text)
	if err != nil {
		t.Fatal(err)
	}
	cfg, err := awsconfig.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	loader := snowflake.Config{
		Account: os.Getenv(accountVariable), User: os.Getenv(userVariable), PrivateKey: key, Schema: "RAW",
		Database:  setting("FIRN_TEST_SNOWFLAKE_DATABASE", "FIRN"),
		Warehouse: setting("FIRN_TEST_SNOWFLAKE_WAREHOUSE", "FIRN_LOAD"),
		Role:      setting("FIRN_TEST_SNOWFLAKE_LOADER_ROLE", "FIRN_LOADER"),
		// The timeout is shorter than in the product, because some cases wait until the
		// timeout.
		LockTimeout: 2 * time.Second,
	}
	owner := loader
	owner.Role = setting("FIRN_TEST_SNOWFLAKE_ROLE", "ACCOUNTADMIN")
	return loadtest.NewAccount(loader, owner, s3.NewFromConfig(cfg), os.Getenv(bucketVariable))
}

func setting(name, fallback string) string {
	if value := os.Getenv(name); value != "" {
		return value
	}
	return fallback
}

// TestSuitePassesOnAccount runs the suite on a real account.
func TestSuitePassesOnAccount(t *testing.T) {
	warehouse := account(t)
	t.Run("suite", func(t *testing.T) { loadtest.Run(t, warehouse) })
	t.Run("refusals", func(t *testing.T) { loadtest.CheckRefusals(t, warehouse) })
}

// TestAccountAnswersUndocumentedQuestions asks the account about undocumented
// behaviour, and prints the answers.
func TestAccountAnswersUndocumentedQuestions(t *testing.T) {
	warehouse := account(t)
	var table strings.Builder
	out := tabwriter.NewWriter(&table, 0, 0, 2, ' ', 0)
	fmt.Fprintln(out, "question\tassumed\tfound")
	for _, question := range loadtest.Questions {
		t.Run(question.Name, func(t *testing.T) {
			answer := question.Ask(t, warehouse)
			mark := ""
			if answer.Found != answer.Assumed {
				mark = "  <- differs: see docs/account.md"
			}
			fmt.Fprintf(out, "%s\t%s\t%s%s\n", answer.Name, answer.Assumed, answer.Found, mark)
		})
	}
	out.Flush()
	t.Log("\n" + table.String())
}
