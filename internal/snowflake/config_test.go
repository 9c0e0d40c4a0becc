package snowflake_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	sf "github.com/snowflakedb/gosnowflake/v2"

	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/snowflake"
)

func TestSessionParameters(t *testing.T) {
	t.Parallel()
	driver := snowflake.DriverConfig(snowflake.Config{
		Account: "org-account", Tag: strings.Repeat("t", 3000), StatementTimeout: 90 * time.Second, LockTimeout: time.Millisecond,
	})
	got := make(map[string]string)
	for name, value := range driver.Params {
		got[name] = *value
	}
	for name, want := range map[string]string{
		"TIMEZONE": "UTC", "LOCK_TIMEOUT": "1", "STATEMENT_TIMEOUT_IN_SECONDS": "90", "ABORT_DETACHED_QUERY": "true",
		"TRANSACTION_ABORT_ON_ERROR": "true", "CLIENT_TELEMETRY_ENABLED": "false", "QUERY_TAG": strings.Repeat("t", 2000),
		"TIMESTAMP_INPUT_FORMAT": "AUTO", "AUTOCOMMIT": "true", "ROWS_PER_RESULTSET": "0", "OPT_OUT_ERROR_LOGGING": "true",
	} {
		if got[name] != want {
			t.Errorf("%s is %q, want %q", name, got[name], want)
		}
	}
	if driver.LoginTimeout != 20*time.Second || driver.MaxRetryCount != 2 {
		t.Errorf("login timeout %v, %d retries", driver.LoginTimeout, driver.MaxRetryCount)
	}
}

func TestAuthenticator(t *testing.T) {
	t.Parallel()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	if got := snowflake.DriverConfig(snowflake.Config{}); got.Authenticator != sf.AuthTypeWorkloadIdentityFederation || got.WorkloadIdentityProvider != "AWS" {
		t.Errorf("without a key: authenticator %v, provider %q; want workload identity of AWS", got.Authenticator, got.WorkloadIdentityProvider)
	}
	if got := snowflake.DriverConfig(snowflake.Config{User: "u", PrivateKey: key}); got.Authenticator != sf.AuthTypeJwt || got.PrivateKey != key {
		t.Errorf("with a key: authenticator %v, want key pair", got.Authenticator)
	}
}

// The driver checks certificates by OCSP unless SkipRevocation is set.
func TestOCSPFollowsConfig(t *testing.T) {
	t.Parallel()
	for _, skip := range []bool{false, true} {
		if got := snowflake.DriverConfig(snowflake.Config{SkipRevocation: skip}); got.DisableOCSPChecks != skip || got.OCSPFailOpen == sf.OCSPFailOpenFalse {
			t.Errorf("with SkipRevocation %t: DisableOCSPChecks %t, OCSPFailOpen %d", skip, got.DisableOCSPChecks, got.OCSPFailOpen)
		}
	}
}

func TestParsePrivateKey(t *testing.T) {
	t.Parallel()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	other, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	got, err := snowflake.ParsePrivateKey(pemOf(t, key))
	if err != nil || !got.Equal(key) {
		t.Errorf("got another key, or an error: %v", err)
	}
	for name, text := range map[string][]byte{"not PEM": []byte("secret"), "not RSA": pemOf(t, other), "damaged": []byte("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")} {
		if _, err := snowflake.ParsePrivateKey(text); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func pemOf(t *testing.T, key any) []byte {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

func TestOpenWithoutServerIsDependencyFault(t *testing.T) {
	for name, value := range map[string]string{
		"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_REGION": "eu-central-1", "SNOWFLAKE_DISABLE_PLATFORM_DETECTION": "true",
	} {
		t.Setenv(name, value)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	host, port, _ := net.SplitHostPort(listener.Addr().String())
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	number, _ := strconv.Atoi(port)
	_, err = snowflake.Open(t.Context(), snowflake.Config{Account: "local", Host: host, Port: number, Protocol: "http"})
	var f *fault.Fault
	if !errors.As(err, &f) || f.Code != fault.SnowflakeAway {
		t.Errorf("got %v, want %s", err, fault.SnowflakeAway)
	}
}
