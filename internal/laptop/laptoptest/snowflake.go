package laptoptest

import (
	"os"
	"strconv"
	"testing"

	"github.com/firn-data/firn/internal/snowflake"
	"github.com/firn-data/firn/internal/snowflake/migrate"
)

// SnowflakeConfig has the address of the Snowflake stand-in of Main.
func SnowflakeConfig() (snowflake.Config, error) {
	port, err := strconv.Atoi(os.Getenv("SNOWFLAKE_PORT"))
	return snowflake.Config{Account: "local", Host: os.Getenv("SNOWFLAKE_HOST"), Port: port, Protocol: "http"}, err
}

// OpenSnowflake opens a session on the Snowflake stand-in of Main, until the end of the
// test. The session uses the database and its schema RAW, and makes both if they are
// missing. With an empty name the session has no database.
func OpenSnowflake(t testing.TB, database string) *snowflake.Session {
	t.Helper()
	config, err := SnowflakeConfig()
	if err != nil {
		t.Fatal(err)
	}
	if database != "" {
		config.Database, config.Schema = database, "RAW"
	}
	session, err := snowflake.Open(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := session.Close(); err != nil {
			t.Error(err)
		}
	})
	return session
}

// MakeTables runs a script of ddl.File, which makes tables.
func MakeTables(t testing.TB, session *snowflake.Session, script string) {
	t.Helper()
	for _, statement := range migrate.Split(script) {
		if _, err := session.Query(t.Context(), "make tables", statement); err != nil {
			t.Fatal(err)
		}
	}
}
