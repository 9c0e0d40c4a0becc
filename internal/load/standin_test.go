//go:build standin

package load_test

import (
	"flag"
	"net"
	"os"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/firn-data/firn/internal/awsconfig"
	"github.com/firn-data/firn/internal/laptop/laptoptest"
	"github.com/firn-data/firn/internal/load/loadtest"
)

// parallelCases is the number of parallel cases. Many of them wait for a lock, as
// intended.
const parallelCases = "8"

func TestMain(m *testing.M) {
	if err := flag.Set("test.parallel", parallelCases); err != nil {
		panic(err)
	}
	os.Exit(laptoptest.Main(m, "aws", "snowflake"))
}

// laptop returns the laptop's Snowflake. All tests share the stage.
func laptop(t testing.TB) *loadtest.Snowflake {
	t.Helper()
	once.Do(func() { shared = newLaptop(t) })
	if shared == nil {
		t.Fatal("no connection to the laptop's Snowflake")
	}
	return shared
}

var (
	shared *loadtest.Snowflake
	once   sync.Once
)

func newLaptop(t testing.TB) *loadtest.Snowflake {
	t.Helper()
	cfg, err := awsconfig.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	store := s3.NewFromConfig(cfg, func(o *s3.Options) { o.UsePathStyle = true })
	address := net.JoinHostPort(os.Getenv("SNOWFLAKE_HOST"), os.Getenv("SNOWFLAKE_PORT"))
	return loadtest.NewLaptop(t, address, store)
}

// TestSuitePassesOnLaptop runs the suite on the laptop's Snowflake: with the driver,
// the login by workload identity, and real Parquet.
func TestSuitePassesOnLaptop(t *testing.T) {
	t.Parallel()
	snowflake := laptop(t)
	t.Run("suite", func(t *testing.T) { loadtest.Run(t, snowflake) })
	t.Run("refusals", func(t *testing.T) { loadtest.CheckRefusals(t, snowflake) })
}

// TestLaptopAnswersUndocumentedQuestions checks the answers of the laptop's Snowflake
// to questions without a documented answer. `make account` asks an account the same
// questions.
func TestLaptopAnswersUndocumentedQuestions(t *testing.T) {
	t.Parallel()
	snowflake := laptop(t)
	for _, question := range loadtest.Questions {
		t.Run(question.Name, func(t *testing.T) {
			t.Parallel()
			if answer := question.Ask(t, snowflake); answer.Found != answer.Assumed {
				t.Errorf("%s: %s, assumed %s", answer.Name, answer.Found, answer.Assumed)
			}
		})
	}
}
