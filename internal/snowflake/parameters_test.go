package snowflake_test

import (
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/firn-data/firn/internal/snowflake"
)

// sessionParameters are all parameters of type "Session" of Snowflake's page
// sql-reference/parameters.
var sessionParameters = strings.Fields(`
	ABORT_DETACHED_QUERY ACTIVE_PYTHON_PROFILER AUTOCOMMIT BINARY_INPUT_FORMAT BINARY_OUTPUT_FORMAT
	CLIENT_ENABLE_LOG_INFO_STATEMENT_PARAMETERS CLIENT_MEMORY_LIMIT CLIENT_METADATA_REQUEST_USE_CONNECTION_CTX
	CLIENT_METADATA_USE_SESSION_DATABASE CLIENT_PREFETCH_THREADS CLIENT_RESULT_CHUNK_SIZE
	CLIENT_RESULT_COLUMN_CASE_INSENSITIVE CLIENT_SESSION_KEEP_ALIVE CLIENT_SESSION_KEEP_ALIVE_HEARTBEAT_FREQUENCY
	CLIENT_TIMESTAMP_TYPE_MAPPING CSV_TIMESTAMP_FORMAT DATE_INPUT_FORMAT DATE_OUTPUT_FORMAT DEFAULT_NULL_ORDERING
	ENABLE_GET_DDL_USE_DATA_TYPE_ALIAS ENABLE_UNHANDLED_EXCEPTIONS_REPORTING ENABLE_UNLOAD_PHYSICAL_TYPE_OPTIMIZATION
	ERROR_ON_NONDETERMINISTIC_MERGE ERROR_ON_NONDETERMINISTIC_UPDATE GEOGRAPHY_OUTPUT_FORMAT GEOMETRY_OUTPUT_FORMAT
	HYBRID_TABLE_LOCK_TIMEOUT ICEBERG_TIMESTAMP_DEFAULT_PRECISION JDBC_ENABLE_PUT_GET JDBC_TREAT_DECIMAL_AS_INT
	JDBC_TREAT_TIMESTAMP_NTZ_AS_UTC JDBC_USE_SESSION_TIMEZONE JSON_INDENT JS_TREAT_INTEGER_AS_BIGINT LOCK_TIMEOUT
	LOG_EVENT_LEVEL LOG_LEVEL METRIC_LEVEL MULTI_STATEMENT_COUNT NOORDER_SEQUENCE_AS_DEFAULT ODBC_TREAT_DECIMAL_AS_INT
	OPT_OUT_ERROR_LOGGING PYTHON_PROFILER_MODULES PYTHON_PROFILER_TARGET_STAGE QUERY_TAG QUOTED_IDENTIFIERS_IGNORE_CASE
	ROWS_PER_RESULTSET S3_STAGE_VPCE_DNS_NAME SEARCH_PATH SIMULATED_DATA_SHARING_CONSUMER
	STATEMENT_QUEUED_TIMEOUT_IN_SECONDS STATEMENT_TIMEOUT_IN_SECONDS STRICT_JSON_OUTPUT TIMESTAMP_DAY_IS_ALWAYS_24H
	TIMESTAMP_INPUT_FORMAT TIMESTAMP_LTZ_OUTPUT_FORMAT TIMESTAMP_NTZ_OUTPUT_FORMAT TIMESTAMP_OUTPUT_FORMAT
	TIMESTAMP_TYPE_MAPPING TIMESTAMP_TZ_OUTPUT_FORMAT TIMEZONE TIME_INPUT_FORMAT TIME_OUTPUT_FORMAT TRACE_LEVEL
	TRANSACTION_ABORT_ON_ERROR TRANSACTION_DEFAULT_ISOLATION_LEVEL TWO_DIGIT_CENTURY_START UNSUPPORTED_DDL_ACTION
	USE_CACHED_RESULT WEEK_OF_YEAR_POLICY WEEK_START`)

// decision is one row of the table in docs/session-parameters.md. The value "–" means
// the account's value.
type decision struct{ firn, dbt, reason string }

const undecided = "–"

// decisions reads the table of session parameters.
func decisions(t *testing.T) map[string]decision {
	t.Helper()
	_, section, found := strings.Cut(readFile(t, "../../docs/session-parameters.md"), "\n## Session parameters\n")
	if !found {
		t.Fatal("the page has no section \"Session parameters\"")
	}
	section, _, _ = strings.Cut(section, "\n## ")
	decisions := make(map[string]decision)
	for _, row := range regexp.MustCompile("(?m)^\\| `([A-Z0-9_]+)` \\| ([^|]+) \\| ([^|]+) \\| ([^|]+) \\| ([^|]+) \\|$").FindAllStringSubmatch(section, -1) {
		decisions[row[1]] = decision{firn: strings.Trim(row[3], "`"), dbt: strings.Trim(row[4], "`"), reason: row[5]}
	}
	return decisions
}

func readFile(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestEverySessionParameterIsDecided(t *testing.T) {
	t.Parallel()
	decisions := decisions(t)
	var names []string
	for name, d := range decisions {
		names = append(names, name)
		if d.reason == "" {
			t.Errorf("%s has no reason", name)
		}
	}
	slices.Sort(names)
	if diff := cmp.Diff(sessionParameters, names); diff != "" {
		t.Errorf("parameters (-Snowflake +page):\n%s", diff)
	}
}

// TestSessionParametersMatchPage compares the values of the login request with the page.
func TestSessionParametersMatchPage(t *testing.T) {
	t.Parallel()
	sent := snowflake.DriverConfig(snowflake.Config{Account: "org-account", Tag: "firn …"}).Params
	for name, d := range decisions(t) {
		value, isSent := sent[name]
		switch {
		case isSent && *value != d.firn:
			t.Errorf("%s: firn sends %q, the page has %q", name, *value, d.firn)
		case !isSent && d.firn != undecided:
			t.Errorf("%s: firn sends no value, the page has %q", name, d.firn)
		}
	}
	for name := range sent {
		if !slices.Contains(sessionParameters, name) && name != "CLIENT_TELEMETRY_ENABLED" {
			t.Errorf("firn sends %s, which isn't a session parameter of Snowflake", name)
		}
	}
}

// sentByDBT are the values that dbt sends without the macro: the adapter always logs in
// with AUTOCOMMIT (dbt-snowflake 1.12, connections.py), and the profile has the tag.
var sentByDBT = map[string]string{"AUTOCOMMIT": "true", "QUERY_TAG": "firn dbt"}

// TestParametersOfDBTMatchPage compares the values of dbt's macro with the page.
func TestParametersOfDBTMatchPage(t *testing.T) {
	t.Parallel()
	set := make(map[string]string)
	for _, found := range regexp.MustCompile(`'([A-Z0-9_]+)':\s+'([^']*)'`).FindAllStringSubmatch(readFile(t, "../../dbt/macros/session.sql"), -1) {
		set[found[1]] = found[2]
	}
	if strings.Count(readFile(t, "../../dbt/profiles.yml"), "query_tag: firn dbt\n") != 2 {
		t.Error("a target of the profile doesn't have the query tag")
	}
	maps.Copy(set, sentByDBT)
	for name, d := range decisions(t) {
		value, isSet := set[name]
		if !isSet {
			value = undecided
		}
		if value != d.dbt {
			t.Errorf("%s: dbt sets %q, the page has %q", name, value, d.dbt)
		}
	}
	for name := range set {
		if !slices.Contains(sessionParameters, name) {
			t.Errorf("dbt sets %s, which isn't a session parameter of Snowflake", name)
		}
	}
}

// TestEveryResultParameterIsFixedForBoth: a parameter that changes the result of a query
// has the same value in firn's sessions and in dbt's sessions.
func TestEveryResultParameterIsFixedForBoth(t *testing.T) {
	t.Parallel()
	onlyFirn := []string{ // protocol, limits and speed
		"ABORT_DETACHED_QUERY", "LOCK_TIMEOUT", "MULTI_STATEMENT_COUNT", "STATEMENT_QUEUED_TIMEOUT_IN_SECONDS", "STATEMENT_TIMEOUT_IN_SECONDS",
		"TRANSACTION_ABORT_ON_ERROR", "USE_CACHED_RESULT", "QUERY_TAG",
	}
	for name, d := range decisions(t) {
		if d.firn != d.dbt && !slices.Contains(onlyFirn, name) {
			t.Errorf("%s is %q for firn and %q for dbt", name, d.firn, d.dbt)
		}
	}
}
