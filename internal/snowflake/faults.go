package snowflake

import (
	"errors"
	"strings"
	"time"

	sf "github.com/snowflakedb/gosnowflake/v2"

	"github.com/firn-data/firn/internal/fault"
)

// Error numbers and SQL states. Snowflake documents few of them; the others
// are from the driver's source (internal/errors/errors.go) and from reports.
// The table in docs/runbook.md says what each means, and a test holds it.
const (
	numberCancelled        = 604
	numberNoWarehouse      = 606
	numberNoColumn         = 904
	numberLockBusy         = 625
	numberStatementTimeout = 630
	numberDoesNotExist     = 2003
	numberNoPrivilege      = 3001
	numberOverQuota        = 90073
	numberFileMissing      = 91016
	firstDriverNumber      = 260000
	lastDriverNumber       = 269999
	firstSessionNumber     = 390000
	// lastSessionNumber includes those of a key pair's token, 394300 to 394307
	// (docs.snowflake.com, user-guide/key-pair-auth-troubleshooting).
	lastSessionNumber = 394999
	stateLock         = "57014"
	stateRejected     = "08004"
	stateConnection   = "08"
)

// meaning is what a number says of the message whose statement failed.
type meaning struct {
	code        fault.Code
	disposition fault.Disposition
}

// meanings are the numbers that say the same of every statement.
var meanings = map[int]meaning{
	numberCancelled:   {fault.SnowflakeAway, fault.RetryAfter},
	numberNoWarehouse: {fault.WarehouseAway, fault.RetryAfter},
	numberOverQuota:   {fault.WarehouseAway, fault.RetryAfter},
	numberLockBusy:    {fault.LockBusy, fault.RetryAfter},
	numberNoPrivilege: {fault.AccessDenied, fault.RetryAfter},
	numberNoColumn:    {fault.TableBehind, fault.RetryAfter}, // firn was deployed before it migrated
}

// refusedDelay spaces logins out: five refused ones lock a user for 15 minutes
// (docs.snowflake.com, user-guide/admin-user-management).
const refusedDelay = 5 * time.Minute

// Fault classifies the driver's error of one statement. The operation is a
// verb phrase. Of a COPY, what nothing else explains is a permanent
// copy_refused; of any other statement, a counted retry.
func Fault(op, statement string, err error) *fault.Fault {
	f := classify(op, statement, err)
	f.QueryID = queryIDOf(err)
	return f
}

func classify(op, statement string, err error) *fault.Fault {
	var answer *sf.SnowflakeError
	if !errors.As(err, &answer) {
		return fault.Dependency(op, fault.SnowflakeAway, err) // no answer: the network, or the caller's time is over
	}
	m, known := meanings[answer.Number]
	if !known {
		m = meaningOf(statement, answer)
	}
	return &fault.Fault{Op: op, Code: m.code, Disposition: m.disposition, Err: err}
}

// meaningOf is the meaning of an answer that depends on the statement, or on more
// than its number.
func meaningOf(statement string, answer *sf.SnowflakeError) meaning {
	copying := begins(statement, "copy")
	switch number := answer.Number; {
	case number == numberStatementTimeout && (copying || begins(statement, "delete")):
		return meaning{fault.StatementTimeout, fault.Retry} // it grows with the objects, so it may never fit
	case number == numberStatementTimeout:
		return meaning{fault.StatementTimeout, fault.RetryAfter} // a few rows: the warehouse is busy
	case answer.SQLState == stateLock:
		return meaning{fault.LockBusy, fault.RetryAfter}
	case number == numberDoesNotExist && namesStage(answer.Message):
		return meaning{fault.TableMissing, fault.RetryAfter} // a stand-in forgets its stages; they are made again at its start
	case number == numberDoesNotExist:
		return meaning{fault.TableMissing, fault.Permanent}
	case within(number, firstDriverNumber, lastDriverNumber), within(number, firstSessionNumber, lastSessionNumber),
		strings.HasPrefix(answer.SQLState, stateConnection):
		return meaning{fault.SnowflakeAway, fault.RetryAfter}
	case copying && deniesAccess(answer.Message):
		return meaning{fault.AccessDenied, fault.RetryAfter}
	case copying && (number == numberFileMissing || strings.Contains(answer.Message, "was not found")):
		return meaning{fault.ReceiptMissing, fault.Permanent}
	case copying:
		return meaning{fault.CopyRefused, fault.Permanent}
	}
	return meaning{fault.Unexpected, fault.Retry}
}

// loginFault classifies the error of a login: refused if Snowflake said no,
// or if the process has no AWS identity to show.
func loginFault(err error) *fault.Fault {
	const op = "log in to Snowflake"
	var answer *sf.SnowflakeError
	switch {
	case !errors.As(err, &answer):
		return fault.Dependency(op, fault.SnowflakeAway, err)
	case answer.SQLState == stateRejected, within(answer.Number, firstSessionNumber, lastSessionNumber):
		f := fault.Dependency(op, fault.SnowflakeRefused, err)
		f.After = refusedDelay
		return f
	}
	return fault.Dependency(op, fault.SnowflakeAway, err)
}

func within(number, first, last int) bool { return first <= number && number <= last }

// begins reports whether a word in lower case begins the statement.
func begins(statement, word string) bool {
	words := strings.Fields(statement)
	return len(words) > 0 && strings.EqualFold(words[0], word)
}

func namesStage(message string) bool { return strings.Contains(strings.ToLower(message), "stage") }

// deniesAccess tells a stage that may not read its bucket from a file that
// isn't there: Snowflake gives both as errors of the remote file.
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
