// Package snowflake opens sessions on Snowflake and turns its errors into
// faults. It knows nothing of what is loaded.
package snowflake

import (
	"cmp"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"strconv"
	"time"

	sf "github.com/snowflakedb/gosnowflake/v2"
)

// Config says where a session logs in, as whom, and how long it waits.
type Config struct {
	// Account is the account identifier, "<organization>-<account>".
	Account string
	// Database, Schema, Warehouse and Role are the session's own. Empty ones
	// take the user's defaults; one that doesn't exist refuses the login.
	Database, Schema, Warehouse, Role string
	// User is needed with PrivateKey only.
	User string
	// PrivateKey logs in by key pair. Without it and Keys the login is by
	// workload identity: the AWS role that the process has, without a secret
	// (docs.snowflake.com, user-guide/workload-identity-federation).
	PrivateKey *rsa.PrivateKey
	// Keys logs in by the key pair of a secret, in place of User and PrivateKey.
	Keys *Keyring
	// SkipRevocation leaves out the question whether a certificate of
	// Snowflake's was revoked. The driver asks by OCSP over port 80, and lets the
	// login through if nobody answers: without that port a function's first login
	// stalls, up to LoginTimeout and then fails. Defaults to asking.
	SkipRevocation bool
	// Host, Port and Protocol are those of a stand-in. Empty takes the
	// account's own address.
	Host     string
	Port     int
	Protocol string
	// Tag is the QUERY_TAG of every statement, at most 2,000 characters.
	Tag string
	// StatementTimeout ends a statement on the server, so that none outlives
	// the caller. Defaults to 5 minutes; Snowflake's own default is 2 days.
	StatementTimeout time.Duration
	// Now is the clock by which the time of a login is logged; without one it is
	// logged as 0.
	Now func() time.Time `json:"-"`
	// LockTimeout is how long a statement waits for another transaction.
	// Defaults to 5 seconds; Snowflake's own default is 12 hours.
	LockTimeout time.Duration
	// LoginTimeout bounds a login with all its tries. Defaults to 20 seconds.
	LoginTimeout time.Duration
}

const (
	loginTimeout     = 20 * time.Second
	retries          = 2
	statementTimeout = 5 * time.Minute
	lockTimeout      = 5 * time.Second
	longestTag       = 2000
)

// driverConfig bounds what the driver leaves open: a wrong host name costs
// minutes with its defaults (300 s for a login, 7 retries).
func (c Config) driverConfig() sf.Config {
	driver := sf.Config{
		Account: c.Account, User: c.User,
		Database: c.Database, Schema: c.Schema, Warehouse: c.Warehouse, Role: c.Role,
		Host: c.Host, Port: c.Port, Protocol: c.Protocol,
		LoginTimeout: c.loginLimit(), MaxRetryCount: retries,
		DisableOCSPChecks: c.SkipRevocation,
		Params:            c.parameters(),
		Tracing:           "off", // its log lines hold what the error holds, in another form; faults carry it
	}
	if c.PrivateKey != nil {
		driver.Authenticator = sf.AuthTypeJwt
		driver.PrivateKey = c.PrivateKey
		return driver
	}
	driver.Authenticator = sf.AuthTypeWorkloadIdentityFederation
	driver.WorkloadIdentityProvider = "AWS"
	return driver
}

func (c Config) now() time.Time {
	if c.Now == nil {
		return time.Time{}
	}
	return c.Now()
}

// parameters travel in the login request, so they cost no round trip. What
// each does: docs.snowflake.com, sql-reference/parameters.
func (c Config) parameters() map[string]*string {
	parameters := make(map[string]*string)
	set := func(name, value string) { parameters[name] = &value }
	set("TIMEZONE", "UTC")
	set("LOCK_TIMEOUT", seconds(c.LockTimeout, lockTimeout))
	set("STATEMENT_TIMEOUT_IN_SECONDS", seconds(c.StatementTimeout, statementTimeout))
	set("ABORT_DETACHED_QUERY", "true")
	set("TRANSACTION_ABORT_ON_ERROR", "true")
	set("CLIENT_TELEMETRY_ENABLED", "false")
	set("QUERY_TAG", c.Tag[:min(len(c.Tag), longestTag)])
	return parameters
}

func (c Config) loginLimit() time.Duration { return cmp.Or(c.LoginTimeout, loginTimeout) }

func seconds(d, fallback time.Duration) string {
	if d <= 0 {
		d = fallback
	}
	return strconv.Itoa(max(1, int(d.Seconds())))
}

// ParsePrivateKey reads an unencrypted PKCS #8 key in PEM, the only form that
// the driver takes (docs.snowflake.com, user-guide/key-pair-auth).
func ParsePrivateKey(text []byte) (*rsa.PrivateKey, error) {
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, errors.New("parse private key: it is no PEM")
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("parse private key: %w", err)
	}
	private, ok := key.(*rsa.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("parse private key: it is a %T, not RSA", key)
	}
	return private, nil
}
