package operator

import (
	"context"
	"fmt"
	"os"

	"github.com/firn-data/firn/internal/app/environment"
	"github.com/firn-data/firn/internal/snowflake"
)

// login is who an operator is in Snowflake. Without a key file it is the AWS
// role of the environment (workload identity).
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

// OpenSnowflake opens a session for the operator in the database that firn
// loads.
func OpenSnowflake(ctx context.Context, lookup environment.Lookup) (*snowflake.Session, error) {
	return openSnowflake(ctx, lookup, true)
}

// OpenSnowflakeAccount opens a session that is in no database, for scripts that
// make one.
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
		return l, fmt.Errorf("no Snowflake is named: start the laptop's cloud with `firn up`, or set the account's variables: %w", err)
	}
	return l, nil
}

// config is the account's, without anybody who logs in.
func (l login) config() snowflake.Config {
	return snowflake.Config{Account: l.Account, Host: l.Host, Port: l.Port, Protocol: l.Protocol, Tag: "firn operator"}
}
