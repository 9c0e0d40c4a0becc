package snowflake

import (
	"context"
	"database/sql"
	"time"

	sf "github.com/snowflakedb/gosnowflake/v2"

	"github.com/firn-data/firn/internal/telemetry"
)

// Session is one session on one connection. A Session isn't safe for concurrent use.
//
// After an error, roll back and close the session: a failed statement leaves the
// transaction open, and BEGIN inside an open transaction is ignored
// (docs.snowflake.com, sql-reference/transactions).
type Session struct {
	pool *sql.DB
	conn *sql.Conn
}

// rollbackTimeout limits a ROLLBACK after the end of the caller's time.
const rollbackTimeout = 10 * time.Second

// Open logs in and logs the duration. The error is a fault of code
// snowflake_login_refused or snowflake_away. With Keys, the error can also be an error
// of Secret.Read.
func Open(ctx context.Context, c Config) (*Session, error) {
	if c.Keys != nil {
		return c.Keys.open(ctx, c)
	}
	return logIn(ctx, c)
}

// logIn sends one login request. Only a request without an answer, or with HTTP 408,
// 429 or 5xx, is sent again (gosnowflake v2.1.0, retry.go).
func logIn(ctx context.Context, c Config) (*Session, error) {
	began := c.now()
	pool := sql.OpenDB(sf.NewConnector(&sf.SnowflakeDriver{}, c.driverConfig()))
	pool.SetMaxOpenConns(1)
	// The driver's own limit covers the waits between retries, not a hanging request.
	limited, cancel := context.WithTimeout(ctx, c.loginLimit())
	defer cancel()
	conn, err := pool.Conn(limited)
	took := c.now().Sub(began).Milliseconds()
	if err != nil {
		_ = pool.Close()
		f := loginFault(err)
		telemetry.Logger(ctx).WarnContext(ctx, "login to Snowflake failed", telemetry.KeyDuration, took, telemetry.KeyCode, string(f.Code))
		return nil, f
	}
	telemetry.Logger(ctx).InfoContext(ctx, "logged in to Snowflake", telemetry.KeyDuration, took)
	return &Session{pool: pool, conn: conn}, nil
}

// Result is the answer to a statement.
type Result struct {
	// QueryID is Snowflake's id of the statement; empty if the answer had no id.
	QueryID string
	// Affected is the number of rows that INSERT, UPDATE or DELETE changed; 0 for
	// Query.
	Affected int64
	// Columns are the names in lower case, in order.
	Columns []string
	// Rows holds every value as text. Times are in RFC 3339.
	Rows [][]sql.NullString
}

// Exec runs INSERT, UPDATE or DELETE and returns the number of changed rows. The
// operation is a verb phrase for faults.
func (s *Session) Exec(ctx context.Context, op, statement string, args ...any) (Result, error) {
	ctx, queryID := withQueryID(ctx)
	answer, err := s.conn.ExecContext(ctx, statement, args...)
	if err != nil {
		return Result{}, Fault(op, statement, err)
	}
	affected, err := answer.RowsAffected()
	if err != nil {
		return Result{}, Fault(op, statement, err)
	}
	return Result{QueryID: queryID(), Affected: affected}, nil
}

// Query runs a statement and reads the whole answer. Use Query for COPY: Exec drops the
// answer's rows, one for each file.
func (s *Session) Query(ctx context.Context, op, statement string, args ...any) (Result, error) {
	ctx, queryID := withQueryID(ctx)
	rows, err := s.conn.QueryContext(ctx, statement, args...)
	if err != nil {
		return Result{}, Fault(op, statement, err)
	}
	defer rows.Close()
	result, err := read(rows)
	if err != nil {
		return Result{}, Fault(op, statement, err)
	}
	result.QueryID = queryID()
	return result, nil
}

// QueryPages runs a statement and calls do with each page of at most size rows. The first
// error of do ends the read and is returned as it is. The last page can be empty. Only one
// page and the driver's buffer are in memory.
func (s *Session) QueryPages(ctx context.Context, op, statement string, size int, do func(Result) error) error {
	rows, err := s.conn.QueryContext(ctx, statement)
	if err != nil {
		return Fault(op, statement, err)
	}
	defer rows.Close()
	for {
		page, err := readUpTo(rows, size)
		if err != nil {
			return Fault(op, statement, err)
		}
		if err := do(page); err != nil || len(page.Rows) < size {
			return err
		}
	}
}

// Begin opens a transaction. The package sends BEGIN, COMMIT and ROLLBACK as text, not
// through database/sql's Tx: a Tx sends no COMMIT or ROLLBACK after the end of the
// context of BeginTx.
func (s *Session) Begin(ctx context.Context) error {
	return s.control(ctx, "begin transaction", "BEGIN TRANSACTION")
}

// Commit commits. After an error, the outcome is unknown.
func (s *Session) Commit(ctx context.Context) error {
	return s.control(ctx, "commit", "COMMIT")
}

// Rollback ends the transaction within ten seconds, even if the caller's context is
// over.
func (s *Session) Rollback(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), rollbackTimeout)
	defer cancel()
	return s.control(ctx, "roll back", "ROLLBACK")
}

// control runs a statement without a row count. For such a statement, the driver
// answers RowsAffected with an error.
func (s *Session) control(ctx context.Context, op, statement string) error {
	if _, err := s.conn.ExecContext(ctx, statement); err != nil {
		return Fault(op, statement, err)
	}
	return nil
}

// Close ends the session. Snowflake rolls back an open transaction.
func (s *Session) Close() error {
	err := s.conn.Close()
	if closed := s.pool.Close(); err == nil {
		err = closed
	}
	return cleaned(err, "")
}

// withQueryID asks the driver for the statement's id. The returned function never
// waits: a request without an answer has no id.
func withQueryID(ctx context.Context) (context.Context, func() string) {
	ids := make(chan string, 1)
	return sf.WithQueryIDChan(ctx, ids), func() string {
		select {
		case id := <-ids:
			return id
		default:
			return ""
		}
	}
}
