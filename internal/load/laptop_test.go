package load_test

import (
	"net"
	"os"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/firn-data/firn/internal/laptop/laptoptest"
	"github.com/firn-data/firn/internal/load/loadtest"
)

func TestMain(m *testing.M) { os.Exit(laptoptest.Main(m, "aws", "snowflake")) }

// TestLaptop runs the suite against the laptop's Snowflake: the driver, the
// login by workload identity, and real Parquet.
func TestLaptop(t *testing.T) {
	t.Parallel()
	loadtest.Run(t, laptop(t))
}

var (
	bench     *loadtest.Laptop
	makeBench sync.Once
)

// laptop is the laptop's Snowflake. The tests share its stage.
func laptop(t *testing.T) *loadtest.Laptop {
	t.Helper()
	makeBench.Do(func() { bench = newLaptop(t) })
	if bench == nil {
		t.Fatal("the laptop's Snowflake wasn't set up; an earlier test says why")
	}
	return bench
}

func newLaptop(t *testing.T) *loadtest.Laptop {
	t.Helper()
	cfg, err := config.LoadDefaultConfig(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	store := s3.NewFromConfig(cfg, func(o *s3.Options) { o.UsePathStyle = true })
	address := net.JoinHostPort(os.Getenv("SNOWFLAKE_HOST"), os.Getenv("SNOWFLAKE_PORT"))
	return loadtest.NewLaptop(t, address, store)
}
