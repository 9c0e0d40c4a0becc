package snowflake

import (
	"errors"
	"strings"
	"time"

	sf "github.com/snowflakedb/gosnowflake/v2"

	"github.com/firn-data/firn/internal/fault"
)

// Error numbers and SQL states. Snowflake documents few of these numbers. The others
// are from the driver's source (internal/errors/errors.go) and from reports of users.
// The table in docs/runbook.md explains each number, and a test compares the table with
// the code.
const (
	numberCancelled        = 604
	numberNoWarehouse      = 606
	numberNoColumn         = 904
	numberLockBusy         = 625
	numberStatementTimeout = 630
	numberDoesNotExist     = 2003
	numberNoPrivilege      = 3001
	numberEndedTransaction = 90070
	numberOverQuota        = 90073
	numberFileMissing      = 91016
	firstDriverNumber      = 260000
	lastDriverNumber       = 269999
	firstSessionNumber     = 390000
	// lastSessionNumber includes the numbers of a key pair's token, 394300 to 394307
	// (docs.snowflake.com, user-guide/key-pair-auth-troubleshooting).
	lastSessionNumber = 394999
	stateLock         = "57014"
	stateRejected     = "08004"
	stateConnection   = "08"
)

// errorClass is the code and the disposition of an error number.
type errorClass struct {
	code        fault.Code
	disposition fault.Disposition
}

// errorClasses has the numbers with the same meaning for every statement.
var errorClasses = map[int]errorClass{
	numberCancelled:   {fault.SnowflakeAway, fault.RetryAfter},
	numberNoWarehouse: {fault.WarehouseAway, fault.RetryAfter},
	numberOverQuota:   {fault.WarehouseAway, fault.RetryAfter},
	numberLockBusy:    {fault.LockBusy, fault.RetryAfter},
	// Snowflake ends an idle transaction while another session waits for its lock
	// (docs.snowflake.com, sql-reference/transactions). The loader was too slow between two
	// statements, so no object is the cause. The number also answers a statement after a
	// failed one, and no loader sends such a statement.
	numberEndedTransaction: {fault.LockBusy, fault.RetryAfter},
	numberNoPrivilege:      {fault.AccessDenied, fault.RetryAfter},
	// The object is missing, was renamed, or the role has lost a grant: no object of the
	// landing bucket is the cause, and a person can undo each of these.
	numberDoesNotExist: {fault.TableMissing, fault.RetryAfter},
	numberNoColumn:     {fault.TableBehind, fault.RetryAfter}, // firn was deployed before the migration
}

// refusedDelay is the pause after a refused login: five refused logins lock a user for
// 15 minutes (docs.snowflake.com, user-guide/admin-user-management).
const refusedDelay = 5 * time.Minute

// Fault classifies the driver's error of one statement. The operation is a verb phrase.
//
// An error without a rule is a permanent copy_refused for a COPY. For any other
// statement, such an error is a retry that counts as an attempt.
//
// The text of the fault has no values of rows. The driver's error is in the chain.
func Fault(op, statement string, err error) *fault.Fault {
	f := classify(op, statement, err)
	f.Err = cleaned(err, statement)
	f.QueryID = queryIDOf(err)
	return f
}

func classify(op, statement string, err error) *fault.Fault {
	var answer *sf.SnowflakeError
	if !errors.As(err, &answer) {
		return fault.Dependency(op, fault.SnowflakeAway, err) // no answer: a network error, or the end of the caller's time
	}
	m, known := errorClasses[answer.Number]
	if !known {
		m = classOf(statement, answer)
	}
	return &fault.Fault{Op: op, Code: m.code, Disposition: m.disposition, Err: err}
}

// classOf classifies an answer by its number, its SQL state, its message and the
// statement.
func classOf(statement string, answer *sf.SnowflakeError) errorClass {
	copying := startsWith(statement, "copy")
	switch number := answer.Number; {
	case number == numberStatementTimeout && (copying || startsWith(statement, "delete")):
		return errorClass{fault.StatementTimeout, fault.Retry} // COPY and DELETE take longer with more objects, so a retry may never succeed
	case number == numberStatementTimeout:
		return errorClass{fault.StatementTimeout, fault.RetryAfter} // the statement has few rows: the warehouse is busy
	case answer.SQLState == stateLock:
		return errorClass{fault.LockBusy, fault.RetryAfter}
	case inRange(number, firstDriverNumber, lastDriverNumber), inRange(number, firstSessionNumber, lastSessionNumber),
		strings.HasPrefix(answer.SQLState, stateConnection):
		return errorClass{fault.SnowflakeAway, fault.RetryAfter}
	case copying && deniesAccess(answer.Message):
		return errorClass{fault.AccessDenied, fault.RetryAfter}
	case copying && (number == numberFileMissing || strings.Contains(answer.Message, "was not found")):
		return errorClass{fault.ReceiptMissing, fault.Permanent}
	case copying:
		return errorClass{fault.CopyRefused, fault.Permanent}
	}
	return errorClass{fault.Unexpected, fault.Retry}
}

// loginFault classifies the error of a login. The code is snowflake_login_refused if
// Snowflake refused the login, or if the process has no AWS identity.
func loginFault(err error) *fault.Fault {
	const op = "log in to Snowflake"
	var answer *sf.SnowflakeError
	given := errors.As(err, &answer)
	err = cleaned(err, "")
	switch {
	case !given:
		return fault.Dependency(op, fault.SnowflakeAway, err)
	case answer.SQLState == stateRejected, inRange(answer.Number, firstSessionNumber, lastSessionNumber):
		f := fault.Dependency(op, fault.SnowflakeRefused, err)
		f.After = refusedDelay
		return f
	}
	return fault.Dependency(op, fault.SnowflakeAway, err)
}

func inRange(number, first, last int) bool { return first <= number && number <= last }

// startsWith reports whether the statement's first word is the word, in any case.
func startsWith(statement, word string) bool {
	words := strings.Fields(statement)
	return len(words) > 0 && strings.EqualFold(words[0], word)
}

// deniesAccess reports whether a stage may not read its bucket. Snowflake reports
// missing access and a missing file both as errors of the remote file.
func deniesAccess(message string) bool {
	message = strings.ToLower(message)
	return strings.Contains(message, "access denied") || strings.Contains(message, "forbidden")
}

func queryIDOf(err error) string {
	var answer *sf.SnowflakeError
	if errors.As(err, &answer) && answer.QueryID != "-1" {
		return answer.QueryID
	}
	return ""
}
