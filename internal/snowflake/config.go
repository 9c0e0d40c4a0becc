// Package snowflake opens sessions on Snowflake and turns Snowflake's errors into
// faults. The package doesn't depend on the statements that run in a session.
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

// Config holds the address, the login and the timeouts of a session.
type Config struct {
	// Account is the account identifier, "<organization>-<account>".
	Account string
	// Database, Schema, Warehouse and Role apply to the session. An empty field takes
	// the user's default. If Snowflake doesn't have the database, schema, warehouse or
	// role, the login fails.
	Database, Schema, Warehouse, Role string
	// User is required with PrivateKey only.
	User string
	// PrivateKey logs in by key pair. Without PrivateKey and Keys, the login uses
	// workload identity: the AWS role of the process, without a secret
	// (docs.snowflake.com, user-guide/workload-identity-federation).
	PrivateKey *rsa.PrivateKey
	// Keys logs in by the key pair of a secret, in place of User and PrivateKey.
	Keys *Keyring
	// SkipRevocation turns off the check for revoked certificates of Snowflake. The
	// driver checks by OCSP over port 80 and accepts the certificate if the OCSP server
	// doesn't answer. In a function without access to port 80, the first login waits up
	// to LoginTimeout and then fails. Defaults to false: the driver checks.
	SkipRevocation bool
	// Host, Port and Protocol are the address of a stand-in. Empty values take the
	// account's own address.
	Host     string
	Port     int
	Protocol string
	// Tag is the QUERY_TAG of every statement. Longer tags are cut to 2,000 characters.
	Tag string
	// StatementTimeout ends a statement on the server, so that no statement runs longer
	// than the caller. Defaults to 5 minutes; Snowflake's own default is 2 days.
	StatementTimeout time.Duration
	// Now is the clock for the logged duration of a login. With nil, the logged
	// duration is 0.
	Now func() time.Time `json:"-"`
	// LockTimeout is the time that a statement waits for another transaction. Defaults
	// to 5 seconds; Snowflake's own default is 12 hours.
	LockTimeout time.Duration
	// LoginTimeout limits a login with all retries. Defaults to 20 seconds.
	LoginTimeout time.Duration
}

const (
	loginTimeout     = 20 * time.Second
	maxRetries       = 2
	statementTimeout = 5 * time.Minute
	lockTimeout      = 5 * time.Second
	maxTagLength     = 2000
)

// driverConfig limits the login time and the retries: with the driver's defaults (300 s
// for a login, 7 retries), a wrong host name costs minutes.
func (c Config) driverConfig() sf.Config {
	driver := sf.Config{
		Account: c.Account, User: c.User,
		Database: c.Database, Schema: c.Schema, Warehouse: c.Warehouse, Role: c.Role,
		Host: c.Host, Port: c.Port, Protocol: c.Protocol,
		LoginTimeout: c.loginLimit(), MaxRetryCount: maxRetries,
		DisableOCSPChecks: c.SkipRevocation,
		Params:            c.parameters(),
		Tracing:           "off", // the driver's log repeats the text of the error, and the fault has the error
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

func (c Config) loginLimit() time.Duration { return cmp.Or(c.LoginTimeout, loginTimeout) }

func seconds(d, fallback time.Duration) string {
	if d <= 0 {
		d = fallback
	}
	return strconv.Itoa(max(1, int(d.Seconds())))
}

// ParsePrivateKey reads an unencrypted PKCS #8 key in PEM, the only form that the
// driver takes (docs.snowflake.com, user-guide/key-pair-auth).
func ParsePrivateKey(text []byte) (*rsa.PrivateKey, error) {
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, errors.New("parse private key: the text is not PEM")
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("parse private key: %w", err)
	}
	private, ok := key.(*rsa.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("parse private key: a %T is not an RSA key", key)
	}
	return private, nil
}
