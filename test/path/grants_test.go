//go:build endtoend

package path_test

import (
	"cmp"
	"fmt"
	"strings"
	"testing"
	"time"
)

// grantRow is one grant with a small use case that fails without the grant.
type grantRow struct {
	removedGrant
	useCase useCase
	// logLine is the message of the function's log line about the refusal. Empty for
	// messageFailed.
	logLine string
	// code is the code of the log line. Empty for access_denied.
	code string
	// noText is for a refusal without a text: an answer to HEAD has no body
	// (AmazonS3/latest/API/API_HeadObject).
	noText bool
	// alsoRemoved is a second removed grant, which causes a fault. Only after this
	// fault does the function use the first grant.
	alsoRemoved *removedGrant
}

const (
	messageFailed    = "message failed"
	deadLetterFailed = "dead letter not sent"
	backoffFailed    = "backoff not set"
)

// grantRows lists the grants that the AWS stand-in checks. These tests change roles, so
// the tests don't run in parallel.
var grantRows = []grantRow{
	{removedGrant: removedGrant{"Ingest", "Bury", "sqs:SendMessage", ""}, useCase: unreadableMessage("IngestQueue"), logLine: deadLetterFailed},
	{removedGrant: removedGrant{"Ingest", "Journal", "dynamodb:GetItem", ""}, useCase: ingestRun},
	{removedGrant: removedGrant{"Ingest", "Journal", "dynamodb:UpdateItem", ""}, useCase: ingestRun},
	{removedGrant: removedGrant{"Ingest", "WriteLanding", "s3:PutObject", ""}, useCase: ingestRun},
	{removedGrant: removedGrant{"Ingest", "DataKey", "kms:GenerateDataKey", ""}, useCase: ingestRun},
	{
		removedGrant: removedGrant{"Ingest", "Consume", "sqs:ChangeMessageVisibility", ""}, useCase: withShortVisibility("IngestQueue", ingestRun), logLine: backoffFailed,
		alsoRemoved: &removedGrant{"Ingest", "WriteLanding", "s3:PutObject", ""},
	},
	{removedGrant: removedGrant{"Ingest", "Send", "sqs:SendMessage", ""}, useCase: withShortVisibility("IngestQueue", handOver)},

	{removedGrant: removedGrant{"Route", "Bury", "sqs:SendMessage", "RouteDeadLetters"}, useCase: unreadableMessage("RouteQueue"), logLine: deadLetterFailed},
	{removedGrant: removedGrant{"Route", "Bury", "sqs:SendMessage", "ReceiptsDeadLetters"}, useCase: unreadableMessage("ReceiptsQueue"), logLine: deadLetterFailed},
	{removedGrant: removedGrant{"Route", "Send", "sqs:SendMessage", "RouteQueue"}, useCase: unannouncedFile},
	{removedGrant: removedGrant{"Route", "LandingVersions", "s3:ListBucketVersions", ""}, useCase: unannouncedFile},
	{removedGrant: removedGrant{"Route", "JournalIndex", "dynamodb:Query", ""}, useCase: unannouncedReceipt},
	{removedGrant: removedGrant{"Route", "ReadReceiptsMissing", "s3:ListBucket", ""}, useCase: unannouncedReceipt},
	{removedGrant: removedGrant{"Route", "Send", "sqs:SendMessage", "TransformQueue"}, useCase: customerFile},
	{removedGrant: removedGrant{"Route", "Send", "sqs:SendMessage", "LoadQueue"}, useCase: customerFile},
	{removedGrant: removedGrant{"Route", "Send", "sqs:SendMessage", "IngestQueue"}, useCase: lostRun},
	{removedGrant: removedGrant{"Route", "Journal", "dynamodb:GetItem", ""}, useCase: refusedFile},
	{removedGrant: removedGrant{"Route", "Journal", "dynamodb:UpdateItem", ""}, useCase: customerFile},
	{removedGrant: removedGrant{"Route", "ReadReceipts", "s3:GetObject", ""}, useCase: customerFile},
	{removedGrant: removedGrant{"Route", "DataKey", "kms:Decrypt", ""}, useCase: customerFile},
	{
		removedGrant: removedGrant{"Route", "Consume", "sqs:ChangeMessageVisibility", ""}, useCase: withShortVisibility("RouteQueue", customerFile), logLine: backoffFailed,
		alsoRemoved: &removedGrant{"Route", "Journal", "dynamodb:UpdateItem", ""},
	},

	{removedGrant: removedGrant{"Transform", "Bury", "sqs:SendMessage", "TransformDeadLetters"}, useCase: unreadableMessage("TransformQueue"), logLine: deadLetterFailed},
	{removedGrant: removedGrant{"Transform", "Bury", "sqs:SendMessage", "GlueDeadLetters"}, useCase: unreadableMessage("GlueQueue"), logLine: deadLetterFailed},
	{removedGrant: removedGrant{"Transform", "Send", "sqs:SendMessage", ""}, useCase: fileByGlue},
	{removedGrant: removedGrant{"Transform", "SeeNewest", "s3:GetObject", ""}, useCase: fileByGlue, noText: true},
	{removedGrant: removedGrant{"Transform", "Runs", "glue:StartJobRun", ""}, useCase: fileByGlue},
	{
		removedGrant: removedGrant{"Transform", "WriteMarker", "s3:PutObject", ""}, useCase: customerFileWithoutMarker,
		alsoRemoved: &removedGrant{"Transform", "ReadLanding", "s3:GetObjectVersion", ""},
	},
	{removedGrant: removedGrant{"Transform", "DataKey", "kms:Decrypt", ""}, useCase: customerFile, code: "key_refused"},
	{removedGrant: removedGrant{"Transform", "DataKey", "kms:GenerateDataKey", ""}, useCase: customerFile},
	{removedGrant: removedGrant{"Transform", "Runs", "glue:GetJobRun", ""}, useCase: endOfRun},
	{removedGrant: removedGrant{"Transform", "ReadCurated", "s3:GetObject", ""}, useCase: endOfRun},
	{removedGrant: removedGrant{"Transform", "JournalIndex", "dynamodb:Query", ""}, useCase: forgottenManifest},
	{removedGrant: removedGrant{"Transform", "Runs", "glue:GetJobRuns", ""}, useCase: forgottenManifest},
	{removedGrant: removedGrant{"Transform", "Journal", "dynamodb:GetItem", ""}, useCase: repeatedWork},
	{removedGrant: removedGrant{"Transform", "Journal", "dynamodb:UpdateItem", ""}, useCase: customerFile},
	{removedGrant: removedGrant{"Transform", "ReadLanding", "s3:GetObjectVersion", ""}, useCase: customerFile},
	{removedGrant: removedGrant{"Transform", "WriteCurated", "s3:PutObject", ""}, useCase: customerFile},
	{removedGrant: removedGrant{"Transform", "WriteCurated", "s3:AbortMultipartUpload", ""}, useCase: largeBrokenFile, logLine: "upload not aborted"},
	{
		removedGrant: removedGrant{"Transform", "Consume", "sqs:ChangeMessageVisibility", ""}, useCase: withShortVisibility("TransformQueue", customerFile), logLine: backoffFailed,
		alsoRemoved: &removedGrant{"Transform", "ReadLanding", "s3:GetObjectVersion", ""},
	},

	{removedGrant: removedGrant{"Load", "Bury", "sqs:SendMessage", ""}, useCase: unreadableMessage("LoadQueue"), logLine: deadLetterFailed},
	{removedGrant: removedGrant{"Load", "Journal", "dynamodb:GetItem", ""}, useCase: customerFile},
	{removedGrant: removedGrant{"Load", "Journal", "dynamodb:UpdateItem", ""}, useCase: customerFile},
	{removedGrant: removedGrant{"Load", "JournalIndex", "dynamodb:Query", ""}, useCase: lostLoadMessage, logLine: "waiting objects not read"},
	{removedGrant: removedGrant{"Load", "ReadReceipts", "s3:GetObject", ""}, useCase: customerFile},
	{removedGrant: removedGrant{"Load", "DataKey", "kms:Decrypt", ""}, useCase: customerFile},
	{removedGrant: removedGrant{"Load", "LandingVersions", "s3:ListBucketVersions", ""}, useCase: newVersionWithoutSequencer},
	{removedGrant: removedGrant{"Load", "DeleteCurated", "s3:DeleteObject", ""}, useCase: deletedFile},
	{removedGrant: removedGrant{"Load", "Publish", "sns:Publish", ""}, useCase: customerFile},
	{
		removedGrant: removedGrant{"Load", "Consume", "sqs:ChangeMessageVisibility", ""}, useCase: withShortVisibility("LoadQueue", customerFile), logLine: backoffFailed,
		alsoRemoved: &removedGrant{"Load", "ReadReceipts", "s3:GetObject", ""},
	},

	{removedGrant: removedGrant{"Alert", "Journal", "dynamodb:GetItem", ""}, useCase: silentDeadLetter},
	{removedGrant: removedGrant{"Alert", "Journal", "dynamodb:UpdateItem", ""}, useCase: silentDeadLetter},
	{removedGrant: removedGrant{"Alert", "Publish", "sns:Publish", ""}, useCase: silentDeadLetter},
	{removedGrant: removedGrant{"Alert", "Bury", "sqs:SendMessage", ""}, useCase: unreadableMessage("AlertQueue"), logLine: deadLetterFailed},
	{removedGrant: removedGrant{"Alert", "Send", "sqs:SendMessage", ""}, useCase: waitingRun},
	{removedGrant: removedGrant{"Alert", "Depth", "sqs:GetQueueAttributes", ""}, useCase: completeTick},
	{removedGrant: removedGrant{"Alert", "JournalIndex", "dynamodb:Query", ""}, useCase: outageCounted, logLine: "waiting objects not counted"},
	{
		removedGrant: removedGrant{"Alert", "Consume", "sqs:ChangeMessageVisibility", ""}, useCase: withShortVisibility("TransformDeadLetters", silentDeadLetter), logLine: backoffFailed,
		alsoRemoved: &removedGrant{"Alert", "Publish", "sns:Publish", ""},
	},
}

// A function's work fails without any one of its grants. With the grant back, the
// failed work succeeds without a command. So the missing grant was the cause.
func TestEveryGrantIsNeeded(t *testing.T) {
	for _, row := range grantRows {
		t.Run(row.String(), func(t *testing.T) {
			since := time.Now()
			all := []removedGrant{row.removedGrant}
			if row.alsoRemoved != nil {
				all = append(all, *row.alsoRemoved)
			}
			restore := removeGrants(t, all...)
			started := row.useCase.start(t)
			line := awaitRefusal(t, row, since)
			if done, last := started.done(); done {
				t.Fatalf("%s: done without the grant: %s", row.useCase.name, last)
			}
			t.Logf("after %.1f s: %s: %s", time.Since(since).Seconds(), line.Message, line.Error)
			restore()
			if started.repair != nil {
				started.repair()
			}
			eventually(t, row.useCase.name+" is done with the grant", started.done)
		})
	}
}

// awaitRefusal waits for the log line about the refused grant of the function's own
// role.
func awaitRefusal(t *testing.T, row grantRow, since time.Time) logLine {
	t.Helper()
	message := row.logLine
	if message == "" {
		message = messageFailed
	}
	var found logLine
	eventually(t, "the log of "+row.function+" has the refusal of "+row.action, func() (bool, string) {
		lines := logOf(t, row.function, since)
		for _, line := range lines {
			refused := strings.Contains(line.Error, "is not authorized to perform: "+row.action)
			if line.Message == message && (refused || row.noText && line.Code == "access_denied") {
				found = line
				return true, ""
			}
		}
		return false, fmt.Sprint(lines)
	})
	if want := cmp.Or(row.code, "access_denied"); message == messageFailed && found.Code != want {
		t.Errorf("the code is %q, want %s", found.Code, want)
	}
	if !row.noText && !strings.Contains(found.Error, ":assumed-role/"+roleName(row.function)+"/") {
		t.Errorf("the refusal isn't about the role %s: %s", roleName(row.function), found.Error)
	}
	return found
}
