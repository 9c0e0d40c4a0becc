package fault

import "slices"

// Code is the stable name of a cause. Mails group by it, `firn redrive --code`
// takes it, and docs/runbook.md has one entry for each.
type Code string

// The codes of objects and messages that can't be handled as they are.
const (
	Undecodable       Code = "undecodable_message"
	NoDataset         Code = "no_dataset"
	ObjectGone        Code = "object_gone"
	BadHeader         Code = "bad_header"
	BadEncoding       Code = "bad_encoding"
	BadQuoting        Code = "bad_quoting"
	BadCompression    Code = "bad_compression"
	RecordTooLong     Code = "record_too_long"
	EmptyObject       Code = "empty_object"
	TooManyRejects    Code = "too_many_rejects"
	UnsupportedFormat Code = "unsupported_format"
	ReceiptMismatch   Code = "receipt_mismatch"
	ReceiptMissing    Code = "receipt_missing"
	CopyRefused       Code = "copy_refused"
	DuplicateContent  Code = "duplicate_content"
	NoDelivery        Code = "no_delivery"
	TableMissing      Code = "table_missing"
	LedgerBroken      Code = "ledger_broken"
	Exhausted         Code = "exhausted"
	Crashed           Code = "crashed"
	Unexpected        Code = "unexpected"
	OutOfTime         Code = "out_of_time"
	StatementTimeout  Code = "statement_timeout"
	BadRequest        Code = "bad_request"
	SourceRefused     Code = "source_refused"
	GlueFailed        Code = "glue_failed"
	Stuck             Code = "stuck"
)

// The codes of dependencies that are away; none of them counts as an attempt.
const (
	AccessDenied     Code = "access_denied"
	StoreAway        Code = "store_away"
	JournalAway      Code = "journal_away"
	QueueAway        Code = "queue_away"
	SnowflakeAway    Code = "snowflake_away"
	SnowflakeRefused Code = "snowflake_login_refused"
	WarehouseAway    Code = "warehouse_away"
	LockBusy         Code = "lock_busy"
	TableBehind      Code = "table_behind"
	DatasetPaused    Code = "dataset_paused"
	SourceAway       Code = "source_away"
	CommitUnknown    Code = "commit_unknown"
	TopicAway        Code = "topic_away"
	GlueAway         Code = "glue_away"
	SecretAway       Code = "secret_away"
)

var hints = map[Code]string{
	Undecodable:       "Find out who sent this message: only S3 and firn write to the queue.",
	NoDataset:         "Add a contract that claims this key, deploy, then redrive the object; or delete it.",
	ObjectGone:        "This version was deleted before it was read; put the file again.",
	BadHeader:         "Compare the file's first line with the contract's columns, then put the corrected file again.",
	BadEncoding:       "Write the file as UTF-8 and put it again.",
	BadQuoting:        "Mend the quotes at the named record and put the file again.",
	BadCompression:    "The compressed file is damaged or isn't what its name says; put it again.",
	RecordTooLong:     "Split the record, or look for a quote that was never closed, and put the file again.",
	EmptyObject:       "The file has no header line; put the complete file again.",
	TooManyRejects:    "Look at the first rejects; mend the file, or raise firn.maxRejectRatio in the contract.",
	UnsupportedFormat: "Name the file .csv, .ndjson, or either with .gz, as its contract says.",
	ReceiptMismatch:   "The files hold other counts than their receipt says: transform the object again with redrive.",
	ReceiptMissing:    "The receipt or a file it names was deleted: transform the object again with redrive.",
	CopyRefused:       "Look the query up in Snowflake; the file or the table's columns don't fit.",
	DuplicateContent:  "Its rows are loaded under the other key: delete this one, or, if both are meant, set firn.duplicateContent to load, deploy and redrive.",
	NoDelivery:        "Put the file under a key of the form that the contract's firn.delivery says, or mend that, deploy and redrive.",
	TableMissing:      "Run `firn migrate`, then redrive.",
	LedgerBroken:      "The ledger's lock row isn't there exactly once: restore the ledger table by Time Travel, then redrive.",
	Exhausted:         "It failed on every attempt; look at the cause, mend it, then redrive.",
	Crashed:           "The function died while it worked on this object; look at its log, then redrive.",
	Unexpected:        "Look at the function's log for this object, then redrive.",
	BadRequest:        "Mend the request (dataset, start, end) and send it again.",
	SourceRefused:     "The source refuses this request; look at its answer, mend the contract's firn.ingest.",
	AccessDenied:      "The function's role lacks a grant: deploy the stack again.",
	StoreAway:         "S3 doesn't answer; nothing to do unless it lasts.",
	JournalAway:       "DynamoDB doesn't answer; nothing to do unless it lasts.",
	QueueAway:         "SQS doesn't answer; nothing to do unless it lasts.",
	SnowflakeAway:     "Snowflake doesn't answer; look at its status page and at the network.",
	SnowflakeRefused:  "Snowflake refuses the login: check the account, user, key and role that the stack was given, and its network policies.",
	WarehouseAway:     "The warehouse can't run: resume it, raise its resource monitor's quota, or give the loader's role USAGE on it.",
	LockBusy:          "Another loader holds the dataset; nothing to do unless it lasts over ten minutes.",
	TableBehind:       "Run `firn migrate`: the contract, or firn itself, is newer than the table.",
	DatasetPaused:     "Once the change of its table is over, run `firn resume DATASET`; what waits is loaded then.",
	SourceAway:        "The source doesn't answer; it is tried again.",
	GlueFailed:        "Look at the run's log and at the object, mend what the cause names, then redrive.",
	Stuck:             "Look at the log of the stage that it waits for, mend what the lines name, then redrive.",
	GlueAway:          "Glue doesn't answer, or all its runs are taken; nothing to do unless it lasts.",
	SecretAway:        "Secrets Manager doesn't answer, or has no such secret; if that lasts, deploy the stack again.",
	TopicAway:         "SNS doesn't answer; nothing to do unless it lasts.",
	OutOfTime:         "The object is too large for one invocation of the function: write it as gzip, so that Glue takes it, or split it.",
	StatementTimeout:  "The statement takes longer than it may: of a COPY or DELETE, make the loader's warehouse larger, or split the file, then redrive; of another one, give the warehouse less to do.",
	CommitUnknown:     "The connection broke during COMMIT; the next attempt reads the ledger.",
}

// Hint returns the sentence that tells a person what to do about the code.
func (c Code) Hint() string { return hints[c] }

// Codes returns every code, sorted.
func Codes() []Code {
	codes := make([]Code, 0, len(hints))
	for code := range hints {
		codes = append(codes, code)
	}
	slices.Sort(codes)
	return codes
}
