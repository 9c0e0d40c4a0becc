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
	lastSessionNumber      = 390999
	stateLock              = "57014"
	stateRejected          = "08004"
	stateConnection        = "08"
)

// refusedDelay spaces logins out: five refused ones lock a user for 15 minutes
// (docs.snowflake.com, user-guide/admin-user-management).
const refusedDelay = 5 * time.Minute

// Fault classifies the driver's error of one statement. The operation is a
// verb phrase. Of a COPY, what nothing else explains is a permanent
// copy_refused; of any other statement, a counted retry.
func Fault(op, statement string, err error) *fault.Fault {
	f := classify(op, isCopy(statement), err)
	f.QueryID = queryIDOf(err)
	return f
}

func classify(op string, copying bool, err error) *fault.Fault {
	var answer *sf.SnowflakeError
	if !errors.As(err, &answer) {
		return fault.Dependency(op, fault.SnowflakeAway, err) // no answer: the network, or the caller's time is over
	}
	switch number := answer.Number; {
	case number == numberStatementTimeout:
		f := fault.Retried(op, fault.SnowflakeAway, err)
		f.Hint = "The statement ran into its time limit: load smaller objects, or give the function more time."
		return f
	case number == numberCancelled, number == numberOverQuota:
		return fault.Dependency(op, fault.SnowflakeAway, err)
	case number == numberLockBusy, answer.SQLState == stateLock:
		return fault.Dependency(op, fault.LockBusy, err)
	case number == numberNoPrivilege:
		return fault.Dependency(op, fault.AccessDenied, err)
	case number == numberDoesNotExist && namesStage(answer.Message):
		return fault.Dependency(op, fault.TableMissing, err) // a stand-in forgets its stages; they are made again at its start
	case number == numberDoesNotExist:
		return &fault.Fault{Op: op, Code: fault.TableMissing, Disposition: fault.Permanent, Err: err}
	case number == numberNoColumn: // firn was deployed before it migrated
		return fault.Dependency(op, fault.TableBehind, err)
	case number == numberNoWarehouse:
		return refused(op, err)
	case within(number, firstDriverNumber, lastDriverNumber), within(number, firstSessionNumber, lastSessionNumber),
		strings.HasPrefix(answer.SQLState, stateConnection):
		return fault.Dependency(op, fault.SnowflakeAway, err)
	case copying && deniesAccess(answer.Message):
		return fault.Dependency(op, fault.AccessDenied, err)
	case copying && (number == numberFileMissing || strings.Contains(answer.Message, "was not found")):
		return &fault.Fault{Op: op, Code: fault.ReceiptMissing, Disposition: fault.Permanent, Err: err}
	case copying:
		return &fault.Fault{Op: op, Code: fault.CopyRefused, Disposition: fault.Permanent, Err: err}
	}
	return fault.Retried(op, fault.Unexpected, err)
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
		return refused(op, err)
	}
	return fault.Dependency(op, fault.SnowflakeAway, err)
}

func refused(op string, err error) *fault.Fault {
	f := fault.Dependency(op, fault.SnowflakeRefused, err)
	f.After = refusedDelay
	return f
}

func within(number, first, last int) bool { return first <= number && number <= last }

func isCopy(statement string) bool {
	words := strings.Fields(statement)
	return len(words) > 0 && strings.EqualFold(words[0], "copy")
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
