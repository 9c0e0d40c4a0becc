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
	taken
	deed deed
	// told is the line of the function's log that says what was refused; empty
	// is that of a message that failed.
	told string
	// silent says that S3 refuses without words: an answer to HEAD has no body
	// (AmazonS3/latest/API/API_HeadObject).
	silent bool
	// besides is taken away as well, to make a fault that asks for the grant.
	besides *taken
}

const (
	messageFailed = "message failed"
	notBuried     = "dead letter not sent"
	notPutOff     = "backoff not set"
)

// grantRows are the grants that the laptop's cloud enforces. These tests change
// roles, so they don't run beside others.
var grantRows = []grantRow{
	{taken: taken{"Ingest", "Bury", "sqs:SendMessage", ""}, deed: poison("IngestQueue"), told: notBuried},
	{taken: taken{"Ingest", "Journal", "dynamodb:GetItem", ""}, deed: ingestRun},
	{taken: taken{"Ingest", "Journal", "dynamodb:PutItem", ""}, deed: ingestRun},
	{taken: taken{"Ingest", "WriteLanding", "s3:PutObject", ""}, deed: ingestRun},
	{
		taken: taken{"Ingest", "Consume", "sqs:ChangeMessageVisibility", ""}, deed: soonSeenAgain("IngestQueue", ingestRun), told: notPutOff,
		besides: &taken{"Ingest", "WriteLanding", "s3:PutObject", ""},
	},
	{taken: taken{"Ingest", "Send", "sqs:SendMessage", ""}, deed: soonSeenAgain("IngestQueue", handOver)},

	{taken: taken{"Route", "Bury", "sqs:SendMessage", "RouteDeadLetters"}, deed: poison("RouteQueue"), told: notBuried},
	{taken: taken{"Route", "Bury", "sqs:SendMessage", "ReceiptsDeadLetters"}, deed: poison("ReceiptsQueue"), told: notBuried},
	{taken: taken{"Route", "Send", "sqs:SendMessage", "RouteQueue"}, deed: unannouncedFile},
	{taken: taken{"Route", "LandingVersions", "s3:ListBucketVersions", ""}, deed: unannouncedFile},
	{taken: taken{"Route", "JournalIndex", "dynamodb:Query", ""}, deed: unannouncedReceipt},
	{taken: taken{"Route", "ReadReceiptsMissing", "s3:ListBucket", ""}, deed: unannouncedReceipt},
	{taken: taken{"Route", "Send", "sqs:SendMessage", "TransformQueue"}, deed: customerFile},
	{taken: taken{"Route", "Send", "sqs:SendMessage", "LoadQueue"}, deed: customerFile},
	{taken: taken{"Route", "Journal", "dynamodb:GetItem", ""}, deed: refusedFile},
	{taken: taken{"Route", "Journal", "dynamodb:UpdateItem", ""}, deed: customerFile},
	{taken: taken{"Route", "ReadReceipts", "s3:GetObject", ""}, deed: customerFile},
	{
		taken: taken{"Route", "Consume", "sqs:ChangeMessageVisibility", ""}, deed: soonSeenAgain("RouteQueue", customerFile), told: notPutOff,
		besides: &taken{"Route", "Journal", "dynamodb:UpdateItem", ""},
	},

	{taken: taken{"Transform", "Bury", "sqs:SendMessage", "TransformDeadLetters"}, deed: poison("TransformQueue"), told: notBuried},
	{taken: taken{"Transform", "Bury", "sqs:SendMessage", "GlueDeadLetters"}, deed: poison("GlueQueue"), told: notBuried},
	{taken: taken{"Transform", "Send", "sqs:SendMessage", ""}, deed: forcedToGlue},
	{taken: taken{"Transform", "SeeNewest", "s3:GetObject", ""}, deed: forcedToGlue, silent: true},
	{taken: taken{"Transform", "Runs", "glue:StartJobRun", ""}, deed: forcedToGlue},
	{taken: taken{"Transform", "Runs", "glue:GetJobRun", ""}, deed: endOfARun},
	{taken: taken{"Transform", "ReadCurated", "s3:GetObject", ""}, deed: endOfARun},
	{taken: taken{"Transform", "JournalIndex", "dynamodb:Query", ""}, deed: forgottenManifest},
	{taken: taken{"Transform", "Runs", "glue:GetJobRuns", ""}, deed: forgottenManifest},
	{taken: taken{"Transform", "Journal", "dynamodb:GetItem", ""}, deed: repeatedWork},
	{taken: taken{"Transform", "Journal", "dynamodb:UpdateItem", ""}, deed: customerFile},
	{taken: taken{"Transform", "ReadLanding", "s3:GetObjectVersion", ""}, deed: customerFile},
	{taken: taken{"Transform", "WriteCurated", "s3:PutObject", ""}, deed: customerFile},
	{taken: taken{"Transform", "WriteCurated", "s3:AbortMultipartUpload", ""}, deed: largeBrokenFile, told: "upload not aborted"},
	{
		taken: taken{"Transform", "Consume", "sqs:ChangeMessageVisibility", ""}, deed: soonSeenAgain("TransformQueue", customerFile), told: notPutOff,
		besides: &taken{"Transform", "ReadLanding", "s3:GetObjectVersion", ""},
	},

	{taken: taken{"Load", "Bury", "sqs:SendMessage", ""}, deed: poison("LoadQueue"), told: notBuried},
	{taken: taken{"Load", "Journal", "dynamodb:GetItem", ""}, deed: customerFile},
	{taken: taken{"Load", "Journal", "dynamodb:UpdateItem", ""}, deed: customerFile},
	{taken: taken{"Load", "JournalIndex", "dynamodb:Query", ""}, deed: lostLoadMessage, told: "waiting objects not read"},
	{taken: taken{"Load", "ReadReceipts", "s3:GetObject", ""}, deed: customerFile},
	{taken: taken{"Load", "LandingVersions", "s3:ListBucketVersions", ""}, deed: newVersionWithoutSequencer},
	{taken: taken{"Load", "Publish", "sns:Publish", ""}, deed: customerFile},
	{
		taken: taken{"Load", "Consume", "sqs:ChangeMessageVisibility", ""}, deed: soonSeenAgain("LoadQueue", customerFile), told: notPutOff,
		besides: &taken{"Load", "ReadReceipts", "s3:GetObject", ""},
	},

	{taken: taken{"Alert", "Journal", "dynamodb:GetItem", ""}, deed: silentDeadLetter},
	{taken: taken{"Alert", "Journal", "dynamodb:UpdateItem", ""}, deed: silentDeadLetter},
	{taken: taken{"Alert", "Publish", "sns:Publish", ""}, deed: silentDeadLetter},
	{taken: taken{"Alert", "Bury", "sqs:SendMessage", ""}, deed: poison("AlertQueue"), told: notBuried},
	{taken: taken{"Alert", "JournalIndex", "dynamodb:Query", ""}, deed: outageCounted, told: "waiting objects not counted"},
	{
		taken: taken{"Alert", "Consume", "sqs:ChangeMessageVisibility", ""}, deed: soonSeenAgain("TransformDeadLetters", silentDeadLetter), told: notPutOff,
		besides: &taken{"Alert", "Publish", "sns:Publish", ""},
	},
}

// Without any one of its grants a function can't do its work; with the grant
// back, what failed gets through by itself: so it is the grant that was missing.
func TestEveryGrantIsNeeded(t *testing.T) {
	for _, row := range grantRows {
		t.Run(row.String(), func(t *testing.T) {
			since := time.Now()
			all := []taken{row.taken}
			if row.besides != nil {
				all = append(all, *row.besides)
			}
			putBack := takeAway(t, all...)
			attempt := row.deed.try(t)
			line := awaitRefusal(t, row, since)
			if done, last := attempt.done(); done {
				t.Fatalf("%s got through without the grant: %s", row.deed.name, last)
			}
			t.Logf("after %.1f s: %s: %s", time.Since(since).Seconds(), line.Message, line.Error)
			putBack()
			if attempt.afterwards != nil {
				attempt.afterwards()
			}
			eventually(t, row.deed.name+" gets through with the grant", attempt.done)
		})
	}
}

// awaitRefusal waits for the line that tells of the grant's refusal, to the
// function's own role.
func awaitRefusal(t *testing.T, row grantRow, since time.Time) logLine {
	t.Helper()
	told := row.told
	if told == "" {
		told = messageFailed
	}
	var found logLine
	eventually(t, "the log of "+row.function+" tells of "+row.action, func() (bool, string) {
		lines := logOf(t, row.function, since)
		for _, line := range lines {
			named := strings.Contains(line.Error, "is not authorized to perform: "+row.action)
			if line.Message == told && (named || row.silent && line.Code == "access_denied") {
				found = line
				return true, ""
			}
		}
		return false, fmt.Sprint(lines)
	})
	if told == messageFailed && found.Code != "access_denied" {
		t.Errorf("the code is %q", found.Code)
	}
	if !row.silent && !strings.Contains(found.Error, ":assumed-role/"+roleName(row.function)+"/") {
		t.Errorf("it isn't the role %s that is refused: %s", roleName(row.function), found.Error)
	}
	return found
}
