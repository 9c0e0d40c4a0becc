package help

import (
	"maps"
	"slices"

	"github.com/firn-data/firn/internal/fault"
)

// codes has the ways for each fault code.
//
// A corrected file under the same key ends the failure by itself: the newer version
// supersedes the failed version. A file under another key doesn't, so the failed object
// is dismissed.
var codes = map[fault.Code]Help{
	fault.Undecodable:       ways(wayAfter("stop the sender of the message", Wait)),
	fault.NoDataset:         ways(wayAfter("deploy a contract for the key", Redrive), way(Dismiss)),
	fault.ObjectGone:        ways(way(Put), way(Dismiss)),
	fault.ObjectDenied:      ways(wayAfter("remove the denial", Redrive), way(Dismiss)),
	fault.ObjectArchived:    ways(wayAfter("restore the object in S3", Redrive), way(Dismiss)),
	fault.KeyRefused:        ways(wayAfter("enable the key, or allow its use", Redrive), way(Dismiss)),
	fault.BadHeader:         fileOrContract,
	fault.BadEncoding:       fileOrContract,
	fault.BadQuoting:        fileOrContract,
	fault.BadCompression:    ways(wayAfter("compress the complete file again", Put), way(Dismiss)),
	fault.RecordTooLong:     fileOrContract,
	fault.EmptyObject:       ways(wayAfter("get the complete file", Put), way(Dismiss)),
	fault.TooManyRejects:    fileOrContract,
	fault.NoGoodRow:         fileOrContract,
	fault.NewColumn:         fileOrContract,
	fault.ColumnNotLoaded:   ways(wayAfter("add the columns to the contract and deploy", Migrate)),
	fault.UnsupportedFormat: keyOrContract,
	fault.ReceiptMismatch:   ways(way(Redrive)),
	fault.ReceiptMissing:    ways(way(Redrive)),
	fault.CopyRefused:       ways(wayAfter("change the table back, if a person changed the table", Redrive)),
	fault.DuplicateContent:  ways(way(Dismiss), wayAfter("set firn.duplicateContent to load and deploy", Redrive)),
	fault.NoDelivery:        keyOrContract,
	fault.DeliveryHeld:      ways(way(Accept), wayAfter("get the complete files", Put)),
	fault.LedgerBroken:      ways(wayAfter("restore the ledger", Redrive)),
	fault.Exhausted:         runOrObject,
	fault.Crashed:           runOrObject,
	fault.Unexpected:        runOrObject,
	fault.OutOfTime:         ways(wayAfter("put the file as gzip or in parts, under other keys", Dismiss), way(Redrive)),
	fault.StatementTimeout:  ways(wayAfter("make the warehouse larger, or give the warehouse less work", Redrive)),
	fault.BadRequest:        ways(wayAfter("correct the interval", Ingest)),
	fault.SourceRefused:     ways(wayAfter("fix firn.ingest in the contract and deploy", Ingest)),
	fault.GlueFailed:        ways(wayAfter("fix the cause in the run's message", Redrive)),
	fault.Stuck:             ways(wayAfter("resume or migrate, if the dataset waits for that", Redrive), way(Dismiss)),
	fault.NotWithdrawn:      ways(wayAfter("fix the cause in the mail", Withdraw)),

	fault.AccessDenied:      ways(wayAfter("grant the missing permission", Wait)),
	fault.StoreAway:         ways(way(Wait)),
	fault.JournalAway:       ways(way(Wait)),
	fault.QueueAway:         ways(way(Wait)),
	fault.SnowflakeAway:     ways(wayAfter("repair the network, if Snowflake's status page shows no outage", Wait)),
	fault.SnowflakeRefused:  ways(wayAfter("correct account, user, key, role or network policy", Wait)),
	fault.WarehouseAway:     ways(wayAfter("resume the warehouse, raise the quota, or grant USAGE", Wait)),
	fault.LockBusy:          ways(way(Wait)),
	fault.TableBehind:       ways(way(Migrate)),
	fault.TableMissing:      ways(way(Migrate), wayAfter("grant the missing privilege", Wait), way(Dismiss)),
	fault.DatasetPaused:     ways(way(Resume)),
	fault.SourceAway:        ways(Way{Kind: Ingest, applies: isRun}, way(Wait)),
	fault.SourceUnknownHost: ways(wayAfter("correct firn.ingest in the contract and deploy", Ingest)),
	fault.SourceUntrusted:   ways(wayAfter("correct firn.ingest, or the certificate of the source", Ingest)),
	fault.CommitUnknown:     ways(way(Wait)),
	fault.TopicAway:         ways(way(Wait)),
	fault.GlueAway:          ways(way(Wait)),
	fault.SecretAway:        ways(wayAfter("restore the secret, if the secret was deleted", Wait)),
	fault.DataMissing:       ways(wayAfter("ask the sender of the files", Wait)),
	fault.FewRows:           ways(wayAfter("compare the file with the files before", Put), way(Wait)),
	fault.ManyRejects:       ways(wayAfter("correct the file", Put), wayAfter("change the contract and deploy", Reload), way(Wait)),
	fault.NotTried:          ways(wayAfter("check that the stage's function starts", Sweep), way(Dismiss)),
}

var (
	// fileOrContract: a corrected file, or a redrive under a changed contract.
	fileOrContract = ways(wayAfter("correct the file", Put), wayAfter("change the contract and deploy", Redrive), way(Dismiss))
	// keyOrContract: a file under another key, or a redrive under a changed contract.
	keyOrContract = ways(wayAfter("put the file under a key that the contract allows", Dismiss), wayAfter("change the contract and deploy", Redrive))
	// runOrObject: the failure of a run, or of an object.
	runOrObject = ways(Way{First: "fix the cause", Kind: Ingest, applies: isRun}, wayAfter("fix the cause", Redrive), way(Dismiss))
)

// differences has the ways for each kind of difference of the audit.
var differences = map[string]Help{
	"no_table":             ways(way(Migrate)),
	"lock_row":             ways(way(Query), way(Migrate)),
	"object_twice":         ways(way(Query)),
	"key_twice":            ways(way(Query)),
	"rows_read":            ways(way(Reload)),
	"rows_loaded":          ways(way(Reload)),
	"orphans":              ways(way(Query)),
	"reject_orphans":       ways(way(Query)),
	"table_rows":           ways(way(Reload)),
	"reject_rows":          ways(way(Reload)),
	"unannounced":          ways(way(Sweep)),
	"stuck":                ways(Way{Kind: Resume, applies: func(s Subject) bool { return s.Paused }}, Way{Kind: Migrate, applies: func(s Subject) bool { return s.Behind }}, way(Sweep), way(Dismiss)),
	"journal_lost":         ways(way(Reload)),
	"not_in_ledger":        ways(way(Reload)),
	"other_load":           ways(way(Reload)),
	"journal_behind":       ways(way(Reload)),
	"no_successor":         successor,
	"superseded_in_ledger": successor,
	"failed_in_ledger":     ways(way(Redrive)),
	"not_withdrawn":        ways(way(Withdraw)),
	"file_deleted":         ways(way(Withdraw), way(Put)),
	"receipt_gone":         ways(way(Reload)),
}

// successor: a reload of the newer version, or the file again.
var successor = ways(Way{Kind: Reload, applies: func(s Subject) bool { return s.Successor != "" }}, way(Put))

func ways(all ...Way) Help { return Help{Ways: all} }

// way returns a way whose command alone helps.
func way(kind Kind) Way { return Way{Kind: kind} }

// wayAfter returns a way with work before the command.
func wayAfter(first string, kind Kind) Way { return Way{First: first, Kind: kind} }

// ForCode returns the help for a fault code. A code that only another version of firn
// knows has a redrive.
func ForCode(code fault.Code) Help {
	if h, known := codes[code]; known {
		return h
	}
	return ways(way(Redrive))
}

// ForDifference returns the help for a kind of difference of the audit. An unknown kind
// has no way.
func ForDifference(kind string) Help { return differences[kind] }

// Codes returns the codes with an entry, sorted.
func Codes() []fault.Code { return slices.Sorted(maps.Keys(codes)) }

// Differences returns the kinds of differences with an entry, sorted.
func Differences() []string { return slices.Sorted(maps.Keys(differences)) }
