package load_test

import (
	"flag"
	"net"
	"os"
	"testing"

	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/firn-data/firn/internal/laptop/laptoptest"
	"github.com/firn-data/firn/internal/load/loadtest"
)

// sideBySide is how many cases run at once: many wait for a lock, as they
// should.
const sideBySide = "8"

func TestMain(m *testing.M) {
	if err := flag.Set("test.parallel", sideBySide); err != nil {
		panic(err)
	}
	os.Exit(laptoptest.Main(m, "aws", "snowflake"))
}

// TestLaptop runs the suite against the laptop's Snowflake: the driver, the
// login by workload identity, and real Parquet.
func TestLaptop(t *testing.T) {
	t.Parallel()
	cfg, err := config.LoadDefaultConfig(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	store := s3.NewFromConfig(cfg, func(o *s3.Options) { o.UsePathStyle = true })
	address := net.JoinHostPort(os.Getenv("SNOWFLAKE_HOST"), os.Getenv("SNOWFLAKE_PORT"))
	bench := loadtest.NewLaptop(t, address, store)
	t.Run("suite", func(t *testing.T) { loadtest.Run(t, bench) })
	t.Run("refusals", func(t *testing.T) { loadtest.Refuse(t, bench) })
}
