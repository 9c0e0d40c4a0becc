package laptop_test

import (
	"net"
	"strconv"
	"strings"
	"testing"

	"github.com/firn-data/firn/internal/laptop"
)

// listen takes a free port until the end of the test.
func listen(t *testing.T) int {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	return listener.Addr().(*net.TCPAddr).Port
}

func TestFreePortsAreDistinct(t *testing.T) {
	t.Parallel()
	for range 20 {
		var ports laptop.Ports
		if err := ports.Claim(); err != nil {
			t.Fatal(err)
		}
		distinct := map[int]bool{0: true, ports.AWS: true, ports.Snowflake: true, ports.Mail: true, ports.FDSN: true}
		if len(distinct) != 5 {
			t.Fatalf("ports are %+v, want four different ports", ports)
		}
	}
}

func TestBusyPortIsRefused(t *testing.T) {
	t.Parallel()
	busy := listen(t)
	tests := []struct {
		ports laptop.Ports
		flag  string
	}{
		{laptop.Ports{AWS: busy}, "--aws-port"},
		{laptop.Ports{Snowflake: busy}, "--snowflake-port"},
		{laptop.Ports{Mail: busy}, "--mail-port"},
		{laptop.Ports{FDSN: busy}, "--fdsn-port"},
	}
	for _, test := range tests {
		err := test.ports.Claim()
		want := "port " + strconv.Itoa(busy) + " is busy: stop the other program, or choose another port with " + test.flag
		if err == nil || err.Error() != want {
			t.Errorf("%+v: %v, want %q", test.ports, err, want)
		}
	}
}

func TestPortGivenTwiceIsRefused(t *testing.T) {
	t.Parallel()
	var free laptop.Ports
	if err := free.Claim(); err != nil {
		t.Fatal(err)
	}
	ports := laptop.Ports{AWS: free.AWS, Mail: free.AWS}
	if err := ports.Claim(); err == nil || !strings.HasSuffix(err.Error(), "--mail-port") {
		t.Errorf("same port twice: %v, want an error that names --mail-port", err)
	}
}
