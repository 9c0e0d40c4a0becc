package snowflake

import "maps"

// fixedParameters are the session parameters with the same value in every session of
// firn. Without them, a value of the account or of the user could change a result, for
// example the time zone of a cast. docs/session-parameters.md has every session
// parameter of Snowflake with the reason.
//
// The values are Snowflake's defaults (docs.snowflake.com, sql-reference/parameters)
// except these:
//   - ABORT_DETACHED_QUERY and TRANSACTION_ABORT_ON_ERROR are part of the load protocol.
//   - ERROR_ON_NONDETERMINISTIC_UPDATE makes an ambiguous UPDATE fail.
//   - OPT_OUT_ERROR_LOGGING keeps a table's DML error logging off. Error logging would move a bad row to another table, without a record in the ledger.
//   - TIMEZONE is UTC.
//   - TIMESTAMP_LTZ_OUTPUT_FORMAT and TIMESTAMP_TZ_OUTPUT_FORMAT have no default. The value is the default of TIMESTAMP_OUTPUT_FORMAT.
//   - USE_CACHED_RESULT makes every statement read the tables.
//   - CLIENT_TELEMETRY_ENABLED is a parameter of the driver.
var fixedParameters = map[string]string{
	"ABORT_DETACHED_QUERY":                "true",
	"AUTOCOMMIT":                          "true",
	"BINARY_INPUT_FORMAT":                 "HEX",
	"BINARY_OUTPUT_FORMAT":                "HEX",
	"CLIENT_TELEMETRY_ENABLED":            "false",
	"DATE_INPUT_FORMAT":                   "AUTO",
	"DATE_OUTPUT_FORMAT":                  "YYYY-MM-DD",
	"DEFAULT_NULL_ORDERING":               "LAST",
	"ERROR_ON_NONDETERMINISTIC_MERGE":     "true",
	"ERROR_ON_NONDETERMINISTIC_UPDATE":    "true",
	"JSON_INDENT":                         "2",
	"MULTI_STATEMENT_COUNT":               "1",
	"OPT_OUT_ERROR_LOGGING":               "true",
	"QUOTED_IDENTIFIERS_IGNORE_CASE":      "false",
	"ROWS_PER_RESULTSET":                  "0",
	"STATEMENT_QUEUED_TIMEOUT_IN_SECONDS": "0",
	"STRICT_JSON_OUTPUT":                  "false",
	"TIMESTAMP_DAY_IS_ALWAYS_24H":         "false",
	"TIMESTAMP_INPUT_FORMAT":              "AUTO",
	"TIMESTAMP_LTZ_OUTPUT_FORMAT":         "YYYY-MM-DD HH24:MI:SS.FF3 TZHTZM",
	"TIMESTAMP_NTZ_OUTPUT_FORMAT":         "YYYY-MM-DD HH24:MI:SS.FF3",
	"TIMESTAMP_OUTPUT_FORMAT":             "YYYY-MM-DD HH24:MI:SS.FF3 TZHTZM",
	"TIMESTAMP_TYPE_MAPPING":              "TIMESTAMP_NTZ",
	"TIMESTAMP_TZ_OUTPUT_FORMAT":          "YYYY-MM-DD HH24:MI:SS.FF3 TZHTZM",
	"TIMEZONE":                            "UTC",
	"TIME_INPUT_FORMAT":                   "AUTO",
	"TIME_OUTPUT_FORMAT":                  "HH24:MI:SS",
	"TRANSACTION_ABORT_ON_ERROR":          "true",
	"TWO_DIGIT_CENTURY_START":             "1970",
	"USE_CACHED_RESULT":                   "false",
	"WEEK_OF_YEAR_POLICY":                 "0",
	"WEEK_START":                          "0",
}

// parameters returns the session parameters. The driver sends the parameters in the
// login request, without an extra round trip.
func (c Config) parameters() map[string]*string {
	values := maps.Clone(fixedParameters)
	values["LOCK_TIMEOUT"] = seconds(c.LockTimeout, lockTimeout)
	values["STATEMENT_TIMEOUT_IN_SECONDS"] = seconds(c.StatementTimeout, statementTimeout)
	values["QUERY_TAG"] = c.Tag[:min(len(c.Tag), maxTagLength)]
	parameters := make(map[string]*string, len(values))
	for name, value := range values {
		parameters[name] = &value
	}
	return parameters
}
