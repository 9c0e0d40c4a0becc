package operator

import (
	"context"
	"fmt"
	"os"

	"github.com/firn-data/firn/internal/app/environment"
	"github.com/firn-data/firn/internal/snowflake"
)

// login has the Snowflake settings of an operator. Without a key file, the login uses
// the AWS role of the environment (workload identity).
type login struct {
	Account   string `env:"SNOWFLAKE_ACCOUNT"`
	Database  string `env:"SNOWFLAKE_DATABASE,default=FIRN"`
	Warehouse string `env:"SNOWFLAKE_WAREHOUSE,optional"`
	Role      string `env:"SNOWFLAKE_ROLE,optional"`
	User      string `env:"SNOWFLAKE_USER,optional"`
	KeyFile   string `env:"SNOWFLAKE_PRIVATE_KEY_FILE,optional"`
	Host      string `env:"SNOWFLAKE_HOST,optional"`
	Port      int    `env:"SNOWFLAKE_PORT,default=443"`
	Protocol  string `env:"SNOWFLAKE_PROTOCOL,default=https"`
}

// OpenSnowflake opens an operator's session in firn's database.
func OpenSnowflake(ctx context.Context, lookup environment.Lookup) (*snowflake.Session, error) {
	return openSnowflake(ctx, lookup, true)
}

// OpenSnowflakeAccount opens an operator's session without a database, for scripts that
// create a database.
func OpenSnowflakeAccount(ctx context.Context, lookup environment.Lookup) (*snowflake.Session, error) {
	return openSnowflake(ctx, lookup, false)
}

func openSnowflake(ctx context.Context, lookup environment.Lookup, inDatabase bool) (*snowflake.Session, error) {
	l, err := readLogin(lookup)
	if err != nil {
		return nil, err
	}
	c := l.config()
	c.User, c.Warehouse, c.Role = l.User, l.Warehouse, l.Role
	if inDatabase {
		c.Database = l.Database
	}
	if l.KeyFile != "" {
		key, err := os.ReadFile(l.KeyFile)
		if err != nil {
			return nil, fmt.Errorf("read SNOWFLAKE_PRIVATE_KEY_FILE: %w", err)
		}
		if c.PrivateKey, err = snowflake.ParsePrivateKey(key); err != nil {
			return nil, fmt.Errorf("SNOWFLAKE_PRIVATE_KEY_FILE %s: %w", l.KeyFile, err)
		}
	}
	return snowflake.Open(ctx, c)
}

func readLogin(lookup environment.Lookup) (login, error) {
	var l login
	if err := environment.Decode(lookup, &l); err != nil {
		return l, fmt.Errorf("the Snowflake settings are incomplete: start the laptop's cloud with `firn up`, or set the account's variables: %w", err)
	}
	return l, nil
}

// config returns the account's configuration without user and key.
func (l login) config() snowflake.Config {
	return snowflake.Config{Account: l.Account, Host: l.Host, Port: l.Port, Protocol: l.Protocol, Tag: "firn operator"}
}
