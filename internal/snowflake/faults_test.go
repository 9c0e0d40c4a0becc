package snowflake_test

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	sf "github.com/snowflakedb/gosnowflake/v2"

	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/snowflake"
)

func TestFaultByErrorNumber(t *testing.T) {
	t.Parallel()
	const copying, updating = "COPY INTO raw.x FROM @raw.curated", "update raw.x_loads set seq = seq + 1"
	tests := []struct {
		name        string
		statement   string
		err         error
		code        fault.Code
		disposition fault.Disposition
	}{
		{"no answer", updating, errors.New("connection refused"), fault.SnowflakeAway, fault.RetryAfter},
		{"caller's deadline passed", copying, fmt.Errorf("copy: %w", context.DeadlineExceeded), fault.SnowflakeAway, fault.RetryAfter},
		{"bad connection", updating, driver.ErrBadConn, fault.SnowflakeAway, fault.RetryAfter},
		{"HTTP 401 of a restarted server", updating, answer(261000, "08006", "failed to POST"), fault.SnowflakeAway, fault.RetryAfter},
		{"result chunk missing", updating, answer(262000, "08006", "chunk"), fault.SnowflakeAway, fault.RetryAfter},
		{"session expired", updating, answer(390111, "08004", "session is gone"), fault.SnowflakeAway, fault.RetryAfter},
		{"cancelled", copying, answer(604, "57014", "SQL execution canceled"), fault.SnowflakeAway, fault.RetryAfter},
		{"too many waiters", updating, answer(625, "57014", "waiters for this lock exceeds the 20 statements limit"), fault.LockBusy, fault.RetryAfter},
		{"lock timeout of unknown number", updating, answer(1234, "57014", "lock timeout"), fault.LockBusy, fault.RetryAfter},
		{"statement timeout of a COPY", copying, answer(630, "57014", "reached its statement timeout"), fault.StatementTimeout, fault.Retry},
		{"statement timeout of a DELETE", "delete from raw.x", answer(630, "57014", "reached its statement timeout"), fault.StatementTimeout, fault.Retry},
		{"statement timeout of the lock", updating, answer(630, "57014", "reached its statement timeout"), fault.StatementTimeout, fault.RetryAfter},
		{"missing table", updating, answer(2003, "42S02", "Object 'RAW.X_LOADS' does not exist or not authorized"), fault.TableMissing, fault.RetryAfter},
		{"missing column", updating, answer(904, "42000", "invalid identifier 'BYTES'"), fault.TableBehind, fault.RetryAfter},
		{"missing stage", copying, answer(2003, "02000", "Stage 'RAW.CURATED' does not exist or not authorized"), fault.TableMissing, fault.RetryAfter},
		{"missing privilege", copying, answer(3001, "42501", "Insufficient privileges to operate on stage"), fault.AccessDenied, fault.RetryAfter},
		{"missing warehouse", updating, answer(606, "57P03", "No active warehouse selected"), fault.WarehouseAway, fault.RetryAfter},
		{"credit quota reached", copying, answer(90073, "22000", "Warehouse cannot be resumed"), fault.WarehouseAway, fault.RetryAfter},
		{"file missing", copying, answer(91016, "22000", "Remote file 's3://c/x' was not found"), fault.ReceiptMissing, fault.Permanent},
		{"no access to bucket", copying, answer(91003, "55000", "Failed to access remote file: access denied"), fault.AccessDenied, fault.RetryAfter},
		{"bad cast in a COPY", copying, answer(100038, "22018", "Numeric value is not recognized"), fault.CopyRefused, fault.Permanent},
		{"COPY in lower case", " copy into x", answer(1003, "42000", "syntax"), fault.CopyRefused, fault.Permanent},
		{"any other error", updating, answer(1003, "42000", "syntax"), fault.Unexpected, fault.Retry},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got := snowflake.Fault("run statement", test.statement, test.err)
			if got.Code != test.code || got.Disposition != test.disposition {
				t.Errorf("got %s, %s; want %s, %s", got.Code, got.Disposition, test.code, test.disposition)
			}
			if !errors.Is(got, test.err) {
				t.Error("the fault doesn't wrap the driver's error")
			}
		})
	}
}

func TestFaultKeepsQueryID(t *testing.T) {
	t.Parallel()
	for given, want := range map[string]string{"01b2-3": "01b2-3", "-1": "", "": ""} {
		got := snowflake.Fault("run statement", "select 1", &sf.SnowflakeError{Number: 1003, QueryID: given})
		if got.QueryID != want {
			t.Errorf("query id of driver error %q: got %q, want %q", given, got.QueryID, want)
		}
	}
}

func TestLoginFaultByError(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		err  error
		code fault.Code
	}{
		{"wrong password", answer(390100, "08004", "Incorrect username or password was specified"), fault.SnowflakeRefused},
		{"missing role", answer(390189, "08004", "Role does not exist"), fault.SnowflakeRefused},
		{"unknown key", answer(394304, "08001", "JWT token is invalid"), fault.SnowflakeRefused},
		{"attestation refused", answer(390100, "08001", "malformed"), fault.SnowflakeRefused},
		{"HTTP 403", answer(260008, "08004", "verify account name"), fault.SnowflakeRefused},
		{"HTTP 503", answer(260007, "08001", "service is unavailable"), fault.SnowflakeAway},
		{"unknown host", errors.New("no such host"), fault.SnowflakeAway},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got := snowflake.LoginFault(fmt.Errorf("%w of Lovelace", test.err))
			if strings.Contains(got.Error(), "Lovelace") {
				t.Errorf("the fault isn't cleaned: %v", got)
			}
			if got.Code != test.code || got.Disposition != fault.RetryAfter {
				t.Errorf("got %s, %s; want %s, retry_after", got.Code, got.Disposition, test.code)
			}
			if refused := test.code == fault.SnowflakeRefused; refused != (got.After >= time.Minute) {
				t.Errorf("the next login is after %v", got.After)
			}
		})
	}
}

func answer(number int, state, message string) error {
	return &sf.SnowflakeError{Number: number, SQLState: state, Message: message}
}
