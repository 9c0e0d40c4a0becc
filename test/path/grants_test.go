//go:build endtoend

package path_test

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// grantRow is one grant, and the least that can't be done without it.
type grantRow struct {
	removedGrant
	deed useCase
	// logLine is the line of the function's log that says what was refused; empty
	// is that of a message that failed.
	logLine string
	// noText says that S3 refuses without words: an answer to HEAD has no body
	// (AmazonS3/latest/API/API_HeadObject).
	noText bool
	// besides is taken away as well, to make a fault that asks for the grant.
	besides *removedGrant
}

const (
	messageFailed    = "message failed"
	deadLetterFailed = "dead letter not sent"
	backoffFailed    = "backoff not set"
)

// grantRows are the grants that the laptop's cloud enforces. These tests change
// roles, so they don't run beside others.
var grantRows = []grantRow{
	{removedGrant: removedGrant{"Ingest", "Bury", "sqs:SendMessage", ""}, deed: unreadableMessage("IngestQueue"), logLine: deadLetterFailed},
	{removedGrant: removedGrant{"Ingest", "Journal", "dynamodb:GetItem", ""}, deed: ingestRun},
	{removedGrant: removedGrant{"Ingest", "Journal", "dynamodb:PutItem", ""}, deed: ingestRun},
	{removedGrant: removedGrant{"Ingest", "WriteLanding", "s3:PutObject", ""}, deed: ingestRun},
	{
		removedGrant: removedGrant{"Ingest", "Consume", "sqs:ChangeMessageVisibility", ""}, deed: withShortVisibility("IngestQueue", ingestRun), logLine: backoffFailed,
		besides: &removedGrant{"Ingest", "WriteLanding", "s3:PutObject", ""},
	},
	{removedGrant: removedGrant{"Ingest", "Send", "sqs:SendMessage", ""}, deed: withShortVisibility("IngestQueue", handOver)},

	{removedGrant: removedGrant{"Route", "Bury", "sqs:SendMessage", "RouteDeadLetters"}, deed: unreadableMessage("RouteQueue"), logLine: deadLetterFailed},
	{removedGrant: removedGrant{"Route", "Bury", "sqs:SendMessage", "ReceiptsDeadLetters"}, deed: unreadableMessage("ReceiptsQueue"), logLine: deadLetterFailed},
	{removedGrant: removedGrant{"Route", "Send", "sqs:SendMessage", "RouteQueue"}, deed: unannouncedFile},
	{removedGrant: removedGrant{"Route", "LandingVersions", "s3:ListBucketVersions", ""}, deed: unannouncedFile},
	{removedGrant: removedGrant{"Route", "JournalIndex", "dynamodb:Query", ""}, deed: unannouncedReceipt},
	{removedGrant: removedGrant{"Route", "ReadReceiptsMissing", "s3:ListBucket", ""}, deed: unannouncedReceipt},
	{removedGrant: removedGrant{"Route", "Send", "sqs:SendMessage", "TransformQueue"}, deed: customerFile},
	{removedGrant: removedGrant{"Route", "Send", "sqs:SendMessage", "LoadQueue"}, deed: customerFile},
	{removedGrant: removedGrant{"Route", "Journal", "dynamodb:GetItem", ""}, deed: refusedFile},
	{removedGrant: removedGrant{"Route", "Journal", "dynamodb:UpdateItem", ""}, deed: customerFile},
	{removedGrant: removedGrant{"Route", "ReadReceipts", "s3:GetObject", ""}, deed: customerFile},
	{
		removedGrant: removedGrant{"Route", "Consume", "sqs:ChangeMessageVisibility", ""}, deed: withShortVisibility("RouteQueue", customerFile), logLine: backoffFailed,
		besides: &removedGrant{"Route", "Journal", "dynamodb:UpdateItem", ""},
	},

	{removedGrant: removedGrant{"Transform", "Bury", "sqs:SendMessage", "TransformDeadLetters"}, deed: unreadableMessage("TransformQueue"), logLine: deadLetterFailed},
	{removedGrant: removedGrant{"Transform", "Bury", "sqs:SendMessage", "GlueDeadLetters"}, deed: unreadableMessage("GlueQueue"), logLine: deadLetterFailed},
	{removedGrant: removedGrant{"Transform", "Send", "sqs:SendMessage", ""}, deed: fileByGlue},
	{removedGrant: removedGrant{"Transform", "SeeNewest", "s3:GetObject", ""}, deed: fileByGlue, noText: true},
	{removedGrant: removedGrant{"Transform", "Runs", "glue:StartJobRun", ""}, deed: fileByGlue},
	{removedGrant: removedGrant{"Transform", "Runs", "glue:GetJobRun", ""}, deed: endOfARun},
	{removedGrant: removedGrant{"Transform", "ReadCurated", "s3:GetObject", ""}, deed: endOfARun},
	{removedGrant: removedGrant{"Transform", "JournalIndex", "dynamodb:Query", ""}, deed: forgottenManifest},
	{removedGrant: removedGrant{"Transform", "Runs", "glue:GetJobRuns", ""}, deed: forgottenManifest},
	{removedGrant: removedGrant{"Transform", "Journal", "dynamodb:GetItem", ""}, deed: repeatedWork},
	{removedGrant: removedGrant{"Transform", "Journal", "dynamodb:UpdateItem", ""}, deed: customerFile},
	{removedGrant: removedGrant{"Transform", "ReadLanding", "s3:GetObjectVersion", ""}, deed: customerFile},
	{removedGrant: removedGrant{"Transform", "WriteCurated", "s3:PutObject", ""}, deed: customerFile},
	{removedGrant: removedGrant{"Transform", "WriteCurated", "s3:AbortMultipartUpload", ""}, deed: largeBrokenFile, logLine: "upload not aborted"},
	{
		removedGrant: removedGrant{"Transform", "Consume", "sqs:ChangeMessageVisibility", ""}, deed: withShortVisibility("TransformQueue", customerFile), logLine: backoffFailed,
		besides: &removedGrant{"Transform", "ReadLanding", "s3:GetObjectVersion", ""},
	},

	{removedGrant: removedGrant{"Load", "Bury", "sqs:SendMessage", ""}, deed: unreadableMessage("LoadQueue"), logLine: deadLetterFailed},
	{removedGrant: removedGrant{"Load", "Journal", "dynamodb:GetItem", ""}, deed: customerFile},
	{removedGrant: removedGrant{"Load", "Journal", "dynamodb:UpdateItem", ""}, deed: customerFile},
	{removedGrant: removedGrant{"Load", "JournalIndex", "dynamodb:Query", ""}, deed: lostLoadMessage, logLine: "waiting objects not read"},
	{removedGrant: removedGrant{"Load", "ReadReceipts", "s3:GetObject", ""}, deed: customerFile},
	{removedGrant: removedGrant{"Load", "LandingVersions", "s3:ListBucketVersions", ""}, deed: newVersionWithoutSequencer},
	{removedGrant: removedGrant{"Load", "Publish", "sns:Publish", ""}, deed: customerFile},
	{
		removedGrant: removedGrant{"Load", "Consume", "sqs:ChangeMessageVisibility", ""}, deed: withShortVisibility("LoadQueue", customerFile), logLine: backoffFailed,
		besides: &removedGrant{"Load", "ReadReceipts", "s3:GetObject", ""},
	},

	{removedGrant: removedGrant{"Alert", "Journal", "dynamodb:GetItem", ""}, deed: silentDeadLetter},
	{removedGrant: removedGrant{"Alert", "Journal", "dynamodb:UpdateItem", ""}, deed: silentDeadLetter},
	{removedGrant: removedGrant{"Alert", "Publish", "sns:Publish", ""}, deed: silentDeadLetter},
	{removedGrant: removedGrant{"Alert", "Bury", "sqs:SendMessage", ""}, deed: unreadableMessage("AlertQueue"), logLine: deadLetterFailed},
	{removedGrant: removedGrant{"Alert", "JournalIndex", "dynamodb:Query", ""}, deed: outageCounted, logLine: "waiting objects not counted"},
	{
		removedGrant: removedGrant{"Alert", "Consume", "sqs:ChangeMessageVisibility", ""}, deed: withShortVisibility("TransformDeadLetters", silentDeadLetter), logLine: backoffFailed,
		besides: &removedGrant{"Alert", "Publish", "sns:Publish", ""},
	},
}

// Without any one of its grants a function can't do its work; with the grant
// back, what failed gets through by itself: so it is the grant that was missing.
func TestEveryGrantIsNeeded(t *testing.T) {
	for _, row := range grantRows {
		t.Run(row.String(), func(t *testing.T) {
			since := time.Now()
			all := []removedGrant{row.removedGrant}
			if row.besides != nil {
				all = append(all, *row.besides)
			}
			putBack := removeGrants(t, all...)
			attempt := row.deed.start(t)
			line := awaitRefusal(t, row, since)
			if done, last := attempt.done(); done {
				t.Fatalf("%s got through without the grant: %s", row.deed.name, last)
			}
			t.Logf("after %.1f s: %s: %s", time.Since(since).Seconds(), line.Message, line.Error)
			putBack()
			if attempt.repair != nil {
				attempt.repair()
			}
			eventually(t, row.deed.name+" gets through with the grant", attempt.done)
		})
	}
}

// awaitRefusal waits for the line that tells of the grant's refusal, to the
// function's own role.
func awaitRefusal(t *testing.T, row grantRow, since time.Time) logLine {
	t.Helper()
	told := row.logLine
	if told == "" {
		told = messageFailed
	}
	var found logLine
	eventually(t, "the log of "+row.function+" tells of "+row.action, func() (bool, string) {
		lines := logOf(t, row.function, since)
		for _, line := range lines {
			named := strings.Contains(line.Error, "is not authorized to perform: "+row.action)
			if line.Message == told && (named || row.noText && line.Code == "access_denied") {
				found = line
				return true, ""
			}
		}
		return false, fmt.Sprint(lines)
	})
	if told == messageFailed && found.Code != "access_denied" {
		t.Errorf("the code is %q", found.Code)
	}
	if !row.noText && !strings.Contains(found.Error, ":assumed-role/"+roleName(row.function)+"/") {
		t.Errorf("it isn't the role %s that is refused: %s", roleName(row.function), found.Error)
	}
	return found
}
