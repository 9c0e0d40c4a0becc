// Package journal keeps the state of each object in one DynamoDB table. The journal
// answers the question "where is my file?" and drives retries. The journal proves no
// load: only the ledger in Snowflake proves the loaded rows.
//
// # States
//
// An [Entry] describes one object. Most objects pass through the states Received,
// Transforming, Transformed and Loaded. Each method of [Table] changes objects in
// certain states only:
//
//   - Receive makes an entry in Received, and Ignore makes an entry in Ignored.
//   - Start: from Received or Transforming to Transforming.
//   - Release: from Transforming to Received.
//   - Transformed: from Received, Transforming or Failed to Transformed.
//   - Loaded: from Received, Transforming, Transformed, Failed or Dismissed to Loaded.
//   - Superseded: from any other state except Ignored and Withdrawn to Superseded.
//   - Withdrawn: from any other state except Ignored to Withdrawn.
//   - Fail: from Received, Transforming, Transformed or Failed to Failed.
//   - Dismiss: from Received, Transforming, Transformed or Failed to Dismissed.
//   - Redrive: from Failed or Dismissed to Received or Transformed.
//   - Reload: from Loaded, Failed or Dismissed to Received.
//
// In any other state the method changes nothing, so a repeated or late message does no
// harm.
//
// # Claims and attempts
//
// [Table.Start] claims an object for a transform until a deadline. The owner of the
// claim is the id of an SQS message; for an object in a Glue run, the run or the
// manifest. Until the deadline only the owner may claim again, after SQS delivered the
// same message again. After the deadline any message may claim the object. The end of a
// claim alone changes no state: the object stays in Transforming until the next claim.
//
// Start counts an attempt before the transform begins, so a killed attempt counts too.
// [Table.Release] ends a claim early and subtracts the attempt: an outage of a
// dependency is no attempt at the object.
//
// One Glue run transforms all objects of a manifest. [Table.Assign] records the
// manifest of a claimed object before the run starts. [Table.SetRun] then makes the run
// the owner of the claim, for seven days at most. [Table.Reassign] moves an object to
// another manifest if the run ended without a receipt of the object, and counts an
// attempt.
//
// # Generations
//
// The generation of an object is the number of reloads, from 0. [Table.Reload] adds one
// and puts a loaded, failed or dismissed object back to Received. The earlier rows stay
// in the Snowflake table until the load of the new generation replaces the rows.
//
// Work messages, receipts, faults and loads have a generation. Start,
// [Table.Transformed], [Table.Loaded], [Table.Fail] and [Table.Delayed] change nothing if
// the entry has a later generation. If the entry has an earlier generation and an allowed
// state, the entry takes over the later generation, except after Delayed. That happens
// after a loss of the entry: [Table.Receive] then makes a new entry with generation 0.
// [Table.Superseded] and [Table.Withdrawn] apply to any generation.
//
// # Conditional writes
//
// Each change of an entry is one conditional UpdateItem request. The condition names
// the allowed states before the change. Depending on the method, the condition also
// names the owner, the generation or the manifest. DynamoDB checks the condition and
// writes in one step, so only one of two simultaneous workers succeeds. A condition
// that doesn't hold is no error: the method changes nothing, and reports the unchanged
// entry or false if the method has such a result.
//
// If DynamoDB doesn't answer, a method returns a fault with the code journal_away. This
// fault is retried without a count of attempts.
//
// # Progress and delays
//
// The time of progress shows the age of a wait. Each change of state is progress, with
// two exceptions: Start and Release begin and end a try. A try that comes back later
// leaves a [Delay] in the entry by [Table.Delayed]: cause, number of tries and time of
// the next try. Progress removes the delay.
//
// # Unsent messages
//
// A redrive and a reload first change the entry. Then the caller sends a message. The
// change writes a mark, and [Table.Sent] removes the mark after the send. So the next
// command finds the objects whose message was never sent ([Table.Unsent]). Every other
// change of the state removes the mark too.
//
// # Failures of older versions
//
// A failed version of a key has no rows to wait for after a newer version is loaded. So
// [Table.Fail] makes a version superseded instead of failed if a newer version is
// loaded. The item of the key has the ids of the failed versions: the load of a newer
// version makes these versions superseded ([Table.FailedVersions]).
//
// # Ingestion runs
//
// A [Run] describes one ingestion run, from its order to its end. Each method of [Table]
// changes runs in certain states only:
//
//   - OrderRun: from no record, Waiting or Failed to Ordered. An ordered or running run
//     keeps its state.
//   - StartRun: from any state except Finished to Running. A waiting run needs a claim of
//     ClaimResume, or the end of its wait.
//   - SaveCheckpoint: from any state to Running or Finished; a finished run stays
//     finished. A checkpoint is progress.
//   - DelayRun: from Ordered, Running or Waiting to Waiting.
//   - ClaimResume and RecordResume: from Waiting to Ordered.
//   - Fail: from any state except Finished to Failed.
//
// A running run has a message in a queue or in a function. A short wait is a [Delay] of a
// running run, and the queue keeps the message. A long wait is in the journal alone: the
// run is waiting, and no queue has a message, because a queue deletes a message after
// some days. [Table.EachDueRun] finds the runs whose wait is over. [Table.EachStuckRun]
// finds the runs that may have lost their message.
//
// A change of a run is a read, and then a write on the condition that no other change
// came between. After a refusal the change is computed again.
//
// # Lost answers
//
// The AWS client repeats a request without an answer, although DynamoDB may have made
// the change already. Without protection the repetition would count a second attempt.
// So each change of an entry stores a new random id in the attribute "change". The
// condition refuses a change if the entry has the id of the same change already. After
// a refusal the journal reads the entry. The id of the change in the entry proves that
// the first request made the change, and the method reports success. The protection
// holds as long as no other change of the entry comes between the two requests.
//
// # Items
//
// The partition key "pk" of an object's item is the object's id. The table also has
// items with other keys, and without the attribute "state":
//
//   - "key#" and a hash of bucket and key: the newest version of the key
//     ([Table.Newest]) and the failed versions ([Table.FailedVersions]).
//   - "run#", a dataset, "/" and a run id: an ingestion run with its checkpoint
//     ([Table.StartRun]). The attribute of its state is "run_state".
//   - "breaker#" and a dependency: the outage of the dependency ([Table.Outage]).
//   - "deliveries#" and a dataset: the current and the held deliveries of a snapshot
//     ([Table.Deliveries]).
//   - "columns#" and a dataset: the reported new columns of files ([Table.NewColumns]).
//   - "volumes#" and a dataset: the sizes and the rejects of the newest loads
//     ([Table.Volumes]).
//   - "notice#", a kind, "#", a dataset, "#" and a code: the mails about one dataset and
//     code ([Table.Notice]). DynamoDB deletes the item 30 days after the end of the
//     notice.
//   - "mails#" and an hour in UTC: the number of the hour's mails ([Table.CountMail]).
//     DynamoDB deletes the item after two days.
//   - "post#" and a random id: a message for the webhook ([Table.AddPost]). DynamoDB
//     deletes the item after seven days.
//   - "posts": the number of undelivered messages for the webhook
//     ([Table.UndeliveredPosts]).
//   - "loads": the number of committed loads ([Table.CountLoad]).
//   - "sweep": the progress of the sweeps ([Table.SweptUntil]).
//
// # Indexes
//
// Two global secondary indexes find objects, runs, notices and messages for the webhook.
// Both indexes are sparse: an item without the attributes of an index is not in the
// index. The request that changes the state also changes these attributes.
//
//   - "stuck" has the objects in Received, Transforming and Transformed, for
//     [Table.EachStuck], [Table.StuckPage] and [Table.OldestMoving]. The partition is the
//     state and the first hexadecimal digit of the id. The order is the time of the last
//     progress.
//   - "work" has the objects in Transformed, for [Table.Waiting], in the order of time.
//     The index also has the objects in Failed, for [Table.Failed] and
//     [Table.FailedByCode], in the order of code and time. Objects with an unsent message
//     are in the index for [Table.Unsent]. The partition is "waiting", "failed" or
//     "unsent", and the dataset.
//
// Runs have partitions of their own in both indexes. In "stuck" the partition is "run#"
// and the state. Ordered and running runs are in the order of the last progress, waiting
// runs in the order of the next try. In "work" the partition is "run#" and the dataset,
// with all runs that aren't finished, for [Table.Runs].
//
// Two more partitions of "work" have no objects. "notice" has the open and the recovered
// notices, in the order of kind, dataset and code ([Table.OpenNotices]). "post" has the
// waiting messages for the webhook, in the order of the next try ([Table.DuePosts]).
//
// Only [Table.Each] reads the whole table. Every other read is by key, or of one part of
// an index, page by page. Reads by key are strongly consistent. Reads of an index are
// eventually consistent: a query can miss a recent change.
package journal

import (
	"context"
	"errors"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/object"
	"github.com/firn-data/firn/internal/work"
)

// State is the state of an object.
type State string

// The states. Loaded, Superseded, Withdrawn, Dismissed and Ignored are final.
const (
	// Received: the journal has an entry, and no worker has a claim.
	Received State = "received"
	// Transforming: a worker has claimed the object for a transform.
	Transforming State = "transforming"
	// Transformed: the transform's receipt is accepted, and the rows wait for a load.
	Transformed State = "transformed"
	// Loaded: the ledger has the object.
	Loaded State = "loaded"
	// Superseded: a newer version of the same key replaced the object.
	Superseded State = "superseded"
	// Withdrawn: a person, or a deletion in S3, withdrew the object. Snowflake has no
	// rows of the object, and no load brings the rows back.
	Withdrawn State = "withdrawn"
	// Failed: a permanent fault stopped the object. An operator's redrive or reload, a
	// new receipt, a committed load or a newer version changes the state.
	Failed State = "failed"
	// Dismissed: a person gave the object up. No work message continues the object. An
	// operator's redrive or reload, a committed load, a newer version or a withdrawal
	// changes the state.
	Dismissed State = "dismissed"
	// Ignored: firn doesn't process the object on purpose. For example, the object is a
	// folder marker.
	Ignored State = "ignored"
)

// Final reports whether the processing of the object has ended: the state is Loaded,
// Superseded, Withdrawn, Dismissed or Ignored. A reload, a newer version or a withdrawal
// can still change a loaded object, and a redrive can continue a dismissed object.
func (s State) Final() bool {
	return s == Loaded || s == Superseded || s == Withdrawn || s == Dismissed || s == Ignored
}

// ErrNotFound is the error for an object without an entry.
var ErrNotFound = errors.New("the journal has no such object")

// Entry is the journal's record of one object.
type Entry struct {
	ID     object.ID     `json:"id"`
	Object object.Object `json:"object"`
	// Dataset is empty if no contract names the object's key.
	Dataset string `json:"dataset,omitempty"`
	State   State  `json:"state"`
	// Times has the time of the last write of each state. A repeated claim or a new
	// Glue run writes Transforming again.
	Times map[State]time.Time `json:"times"`
	// Attempts counts the started transforms since the last redrive or reload, with the
	// current one. A released claim doesn't count.
	Attempts int `json:"attempts"`
	// Generation is the number of reloads; 0 is the first load.
	Generation int `json:"generation"`
	// Progressed is the time of the last progress: the arrival, a receipt, the start of a
	// Glue run, a redrive, a reload or an end. A further try is no progress.
	Progressed time.Time `json:"progressed_at,omitzero"`
	// Delay describes the last try since the last progress that will be repeated; nil
	// for none.
	Delay *Delay `json:"delay,omitempty"`
	// Receipt is the location of the accepted receipt; nil without a receipt.
	Receipt *work.Location `json:"receipt,omitempty"`
	// Engine is the engine of the transform, from the receipt.
	Engine string `json:"engine,omitempty"`
	// Manifest and Run are the current or last Glue run of the object. A manifest
	// without a run means that the run is about to start.
	Manifest string `json:"manifest,omitempty"`
	Run      string `json:"run,omitempty"`
	// RowsRead, RowsWritten and RowsRejected are the counts of the receipt.
	RowsRead     int64 `json:"rows_read"`
	RowsWritten  int64 `json:"rows_written"`
	RowsRejected int64 `json:"rows_rejected"`
	// RejectsByRule has the number of rejects of the rules with the most rejects, at
	// most 20 rules: an item of DynamoDB is limited to 400 KB.
	RejectsByRule map[string]int64 `json:"rejects_by_rule,omitempty"`
	// RowsLoaded is the number of loaded rows, and LoadID is the id of the last load's
	// transaction. During a reload, and after a failed reload, both belong to the
	// earlier generation.
	RowsLoaded int64  `json:"rows_loaded"`
	LoadID     string `json:"load_id,omitempty"`
	// QueryID is Snowflake's id of the last load's COPY statement. A failure replaces the
	// id with the id of the failed statement, or removes the id.
	QueryID string `json:"query_id,omitempty"`
	// DuplicateOf is the first object of another key with the same bytes, from the last
	// load; empty for none.
	DuplicateOf object.ID `json:"duplicate_of,omitempty"`
	// SupersededBy is the id of the newer version of the same key.
	SupersededBy object.ID `json:"superseded_by,omitempty"`
	// Reason is the reason for ignoring, withdrawing or dismissing the object.
	Reason string `json:"reason,omitempty"`
	// WithdrawnBy is the person or the event that withdrew the object.
	WithdrawnBy string `json:"withdrawn_by,omitempty"`
	// DismissedBy is the person that dismissed the object.
	DismissedBy string `json:"dismissed_by,omitempty"`
	// Stage, Code, Cause and Hint are the fault of a failed object: the failed stage,
	// the kind of fault, the cause and the advice to the operator. A dismissed object
	// keeps its fault.
	Stage string `json:"stage,omitempty"`
	Code  string `json:"code,omitempty"`
	Cause string `json:"cause,omitempty"`
	Hint  string `json:"hint,omitempty"`
	// Message and Queue are the failed message and the name of the message's queue.
	// Redrive sends Message again for an object without a dataset. Message is empty before
	// the first failure.
	Message string `json:"-"`
	Queue   string `json:"queue,omitempty"`
	// Redrives and Reloads count the commands of operators for this entry.
	Redrives int `json:"redrives"`
	Reloads  int `json:"reloads"`
	// Unsent reports whether an operator's command stopped before the send of the
	// object's message. The same command sends the message.
	Unsent bool `json:"unsent,omitempty"`
	// SweepCount counts the sweeps that found the object without progress since the
	// last receipt, delay, redrive or reload. LastSweepAt is the time of the last such
	// sweep; the zero time for none.
	SweepCount  int       `json:"looks,omitempty"`
	LastSweepAt time.Time `json:"looked_at,omitzero"`
}

// Done reports whether the work of a generation needs no more processing: the object is
// withdrawn, is in a final state of the same generation, or has a later generation.
func (e Entry) Done(generation int) bool {
	return e.State == Withdrawn || e.Generation > generation || e.State.Final() && e.Generation == generation
}

// KeepsEarlierRows reports whether the Snowflake table still has the rows of an earlier
// generation, during a reload or after a failed or dismissed reload.
func (e Entry) KeepsEarlierRows() bool {
	return e.Generation > 0 && e.LoadID != "" && (!e.State.Final() || e.State == Dismissed)
}

// DynamoDB is the part of the DynamoDB client that the journal uses. Only commands of an
// operator use BatchGetItem and Scan.
type DynamoDB interface {
	BatchGetItem(context.Context, *dynamodb.BatchGetItemInput, ...func(*dynamodb.Options)) (*dynamodb.BatchGetItemOutput, error)
	GetItem(context.Context, *dynamodb.GetItemInput, ...func(*dynamodb.Options)) (*dynamodb.GetItemOutput, error)
	UpdateItem(context.Context, *dynamodb.UpdateItemInput, ...func(*dynamodb.Options)) (*dynamodb.UpdateItemOutput, error)
	Query(context.Context, *dynamodb.QueryInput, ...func(*dynamodb.Options)) (*dynamodb.QueryOutput, error)
	Scan(context.Context, *dynamodb.ScanInput, ...func(*dynamodb.Options)) (*dynamodb.ScanOutput, error)
}

// Table is the journal.
type Table struct {
	Client DynamoDB
	// Name is the name of the DynamoDB table.
	Name string
	// Now is the clock.
	Now func() time.Time
}

// claimTime is the time for which a claim of a mail, of a report or of a run's next
// message excludes other callers: the timeout of the alert function.
const claimTime = time.Minute

// Withdrawal describes the withdrawal of an object.
type Withdrawal struct {
	// By is the person or the event behind the withdrawal, and Reason is the person's
	// reason.
	By, Reason string
	// LoadID is the id of the transaction, as in the ledger.
	LoadID string
}

// Dismissal describes the dismissal of an object.
type Dismissal struct {
	// By is the person, and Reason is the person's reason.
	By, Reason string
	// OnlyCode limits the dismissal to an object that is failed with the code. Empty for
	// any object that is failed or on its way.
	OnlyCode fault.Code
}

// Load is the result of a committed load for one object.
type Load struct {
	// LoadID is the id of the transaction, as in the ledger.
	LoadID string
	// Generation is the generation of the loaded rows.
	Generation int
	// QueryID is Snowflake's id of the COPY statement.
	QueryID string
	// Rows is the number of loaded rows.
	Rows int64
	// DuplicateOf is the first object of another key with the same bytes; empty for none.
	DuplicateOf object.ID
}
