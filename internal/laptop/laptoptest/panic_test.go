//go:build standin

package laptoptest_test

import (
	"bytes"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/firn-data/firn/internal/laptop/laptoptest"
)

// panicVariable makes the test binary the child of TestPanicLeavesNoStandIn.
const panicVariable = "FIRN_TEST_PANIC"

func TestMain(m *testing.M) {
	if os.Getenv(panicVariable) == "" {
		os.Exit(m.Run())
	}
	os.Exit(laptoptest.Main(m, "aws"))
}

// TestPanicLeavesNoStandIn runs this binary again beside a stand-in. A test of
// the child panics, so the child ends without a call of Stop.
func TestPanicLeavesNoStandIn(t *testing.T) {
	t.Parallel()
	if os.Getenv(panicVariable) != "" {
		endpoint, err := url.Parse(os.Getenv("AWS_ENDPOINT_URL"))
		if err != nil || !listens(endpoint.Host) {
			t.Fatalf("the stand-in doesn't listen on %q: %v", endpoint, err)
		}
		fmt.Println("stand-in:", endpoint.Host)
		panic("on purpose")
	}
	var output bytes.Buffer
	child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestPanicLeavesNoStandIn$")
	child.Env = append(os.Environ(), panicVariable+"=yes", "TMPDIR="+t.TempDir())
	child.Stdout, child.Stderr = &output, &output
	err := child.Run()
	_, rest, found := strings.Cut(output.String(), "stand-in: ")
	address, _, _ := strings.Cut(rest, "\n")
	if err == nil || !found || !strings.Contains(rest, "on purpose") {
		t.Fatalf("the child didn't panic: %v\n%s", err, output.String())
	}
	limit := time.After(30 * time.Second)
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for listens(address) {
		select {
		case <-limit:
			t.Fatalf("the stand-in listens on %s after the panic", address)
		case <-ticker.C:
		}
	}
}

func listens(address string) bool {
	connection, err := net.DialTimeout("tcp", address, time.Second)
	if err != nil {
		return false
	}
	_ = connection.Close()
	return true
}
