package fault

import "slices"

// Code is the fixed name of a kind of fault. Mails are grouped by code, `firn redrive
// --code` takes a code, and docs/runbook.md has an entry for each code.
type Code string

// The codes for faults of objects, messages and functions.
const (
	Undecodable       Code = "undecodable_message"
	NoDataset         Code = "no_dataset"
	ObjectGone        Code = "object_gone"
	ObjectDenied      Code = "object_denied"
	ObjectArchived    Code = "object_archived"
	KeyRefused        Code = "key_refused"
	BadHeader         Code = "bad_header"
	BadEncoding       Code = "bad_encoding"
	BadQuoting        Code = "bad_quoting"
	BadCompression    Code = "bad_compression"
	RecordTooLong     Code = "record_too_long"
	EmptyObject       Code = "empty_object"
	TooManyRejects    Code = "too_many_rejects"
	NoGoodRow         Code = "no_good_row"
	NewColumn         Code = "new_column"
	ColumnNotLoaded   Code = "column_not_loaded"
	UnsupportedFormat Code = "unsupported_format"
	ReceiptMismatch   Code = "receipt_mismatch"
	ReceiptMissing    Code = "receipt_missing"
	CopyRefused       Code = "copy_refused"
	DuplicateContent  Code = "duplicate_content"
	NoDelivery        Code = "no_delivery"
	DeliveryHeld      Code = "delivery_held"
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
	NotWithdrawn      Code = "not_withdrawn"
)

// The codes for data that doesn't come, or that looks unusual. No object is failed.
const (
	DataMissing Code = "data_missing"
	FewRows     Code = "few_rows"
	ManyRejects Code = "many_rejects"
)

// The codes for dependencies. These faults never count as attempts.
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
	TableMissing     Code = "table_missing"
	DatasetPaused    Code = "dataset_paused"
	SourceAway       Code = "source_away"
	// SourceUnknownHost becomes permanent after several tries of a run, and so does
	// SourceUntrusted.
	SourceUnknownHost Code = "source_unknown_host"
	SourceUntrusted   Code = "source_untrusted"
	CommitUnknown     Code = "commit_unknown"
	TopicAway         Code = "topic_away"
	GlueAway          Code = "glue_away"
	SecretAway        Code = "secret_away"
	NotTried          Code = "not_tried"
)

var hints = map[Code]string{
	Undecodable:       "Find the sender of this message: only S3 and firn write to the queue.",
	NoDataset:         "Add a contract for this key, deploy, then redrive the object; or dismiss the object.",
	ObjectGone:        "This version was deleted before the transform; put the file again.",
	ObjectDenied:      "A policy denies the read of this one object: remove the denial for the transform function's role, then redrive.",
	ObjectArchived:    "The object is in an archive storage class: restore the object in S3, then redrive; or put the file again.",
	KeyRefused:        "AWS KMS refuses the key of this object: enable the key, or let the transform function's role decrypt with the key, then redrive.",
	BadHeader:         "Compare the file's first line with the contract's columns, then put the corrected file again.",
	BadEncoding:       "Write the file as UTF-8 and put the file again.",
	BadQuoting:        "Fix the quotes at the named record and put the file again.",
	BadCompression:    "The compressed file is damaged, or the ending of its name is wrong; put the file again.",
	RecordTooLong:     "Split the record, or look for a quote without an end, and put the file again.",
	EmptyObject:       "The file has no header line; put the complete file again.",
	TooManyRejects:    "Look at the first rejects; fix the file, or raise firn.maxRejects or firn.maxRejectRatio in the contract and deploy.",
	NoGoodRow:         "Look at the first rejects: the file has another form than the contract. Put the correct file again, or fix the contract and deploy.",
	NewColumn:         "Add the column to the contract, or set firn.newColumns to report, and deploy; or put the file again without the column.",
	ColumnNotLoaded:   "Add the columns to the contract and deploy, run `firn migrate`, then reload the files. To leave the columns out, do nothing.",
	UnsupportedFormat: "Put the file under a name with .csv or .ndjson as in the contract, with .gz for a compressed file. Then dismiss this object.",
	ReceiptMismatch:   "The counts of the receipt and of the files differ: transform the object again with redrive.",
	ReceiptMissing:    "The receipt or a file in the receipt was deleted: transform the object again with redrive.",
	CopyRefused:       "Look up the query in Snowflake: the Parquet file is broken, or doesn't match the columns of the table. Then redrive: firn transforms the object again.",
	DuplicateContent:  "The rows are already loaded under the other key: dismiss this object. To load both objects, set firn.duplicateContent to load, deploy and redrive.",
	NoDelivery:        "Put the file under a key of the form in firn.delivery, then dismiss this object. If the form is wrong, fix the contract, deploy and redrive.",
	DeliveryHeld:      "Compare the delivery with the delivery before it. If the delivery is right, accept it with `firn accept DATASET DELIVERY`; if not, put the complete files again.",
	TableMissing:      "Run `firn migrate`, which restores a missing table, view, stage or grant. If the table was renamed, rename the table back first. Then the waiting objects are loaded.",
	LedgerBroken:      "Run `firn audit`, type its commands for the ledger, then redrive. If the ledger is missing, run `firn migrate` first.",
	Exhausted:         "Every attempt failed; find and fix the cause, then redrive.",
	Crashed:           "The function crashed while it worked on this object; look at the function's log, then redrive.",
	Unexpected:        "Look at the function's log for this object, then redrive.",
	BadRequest:        "Fix the request (dataset, start, end) and send the request again.",
	SourceRefused:     "The source refuses this request; look at the answer and fix firn.ingest in the contract.",
	AccessDenied:      "The function's role lacks a grant: deploy the stack again. For a grant in Snowflake, run `firn migrate`.",
	StoreAway:         "S3 doesn't answer; act only if the outage lasts.",
	JournalAway:       "DynamoDB doesn't answer; act only if the outage lasts.",
	QueueAway:         "SQS doesn't answer; act only if the outage lasts.",
	SnowflakeAway:     "Snowflake doesn't answer; look at Snowflake's status page and at the network.",
	SnowflakeRefused:  "Snowflake refuses the login: check the stack's account, user, key and role, and Snowflake's network policies.",
	WarehouseAway:     "The warehouse can't run: resume the warehouse, raise the quota of its resource monitor, or run `firn migrate` for a missing grant.",
	LockBusy:          "Another loader holds the lock of the dataset; act only if this lasts over ten minutes.",
	TableBehind:       "Run `firn migrate`: the contract, or firn itself, is newer than the table.",
	DatasetPaused:     "After the change of the table, run `firn resume DATASET`; then the waiting objects are loaded.",
	SourceAway:        "The source doesn't answer; firn tries again.",
	SourceUnknownHost: "DNS doesn't know the host: compare firn.ingest.url in the contract with the address of the source, and deploy.",
	SourceUntrusted:   "The certificate of the source isn't valid for this host: compare firn.ingest.url in the contract with the names in the certificate, and look for a proxy between firn and the source.",
	GlueFailed:        "Look at the run's log and at the object, fix the named cause, then redrive.",
	Stuck:             "Look at the log of the stage that the object waits for, fix the cause, then redrive.",
	NotWithdrawn:      "Remove the cause, then run `firn withdraw` with the object's URI and a reason.",
	GlueAway:          "Glue doesn't answer, or has no free run; act only if this lasts.",
	SecretAway:        "Secrets Manager doesn't answer, or has no such secret; if this lasts, deploy the stack again.",
	TopicAway:         "SNS doesn't answer; act only if the outage lasts.",
	DataMissing:       "Ask the sender of the files, or compare frequency and latency of the contract's slaProperties with the deliveries.",
	FewRows:           "Compare the file with the files before. If the file isn't complete, put the complete file again.",
	ManyRejects:       "Compare the rejects with the file, then fix the file, or fix the contract and deploy.",
	NotTried:          "No function has tried the object: check that the function starts, then run `firn sweep` to send the work again.",
	OutOfTime:         "The object is too large for one invocation of the function: put the file as gzip, so that Glue can read the file, or in parts. Then dismiss this object.",
	StatementTimeout:  "The statement exceeds its time limit. For a COPY or DELETE, use a larger warehouse for the loader, or split the file, then redrive. For other statements, give the warehouse less work.",
	CommitUnknown:     "The connection broke during COMMIT; the next attempt reads the ledger.",
}

// Hint returns the next step for a person; empty for an unknown code.
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
