//go:build endtoend

package path_test

import (
	"os"
	"slices"
	"strings"
	"testing"
)

// notEnforced lists the grants that the AWS stand-in doesn't check. A test without such
// a grant would prove nothing. The tests of infra/stack check these grants in the
// template. An empty role, statement or action matches any value.
var notEnforced = []struct{ role, statement, action, reason string }{
	{"", "Log", "", "the stand-in itself writes a function's log"},
	{"", "Consume", "sqs:DeleteMessage", "the stand-in's poller checks no grant"},
	{"", "Consume", "sqs:GetQueueAttributes", "the stand-in's poller checks no grant"},
	{"", "Consume", "sqs:ReceiveMessage", "the stand-in's poller checks no grant"},
	{"IngestRole", "DataKey", "kms:Decrypt", "only uploads in parts need the right, and ingest uploads each page in one request"},
	{"", "TopicKey", "", "the stand-in's SNS checks no grant on a key"},
	{"LoadRole", "ReadReceiptsMissing", "s3:ListBucket", "the stand-in answers 404 for a missing object without a check"},
	{"", "ReadCuratedMissing", "s3:ListBucket", "the stand-in answers 404 for a missing object without a check"},
	{"", "ReadLandingMissing", "s3:ListBucket", "the stand-in answers 404 for a missing object without a check"},
	{"GlueRole", "Measure", "", "the stand-in's runs publish no metrics"},
	{"GlueRole", "WriteCurated", "s3:AbortMultipartUpload", "S3A aborts only failed uploads, and uploads of this size don't fail"},
	{"GlueRole", "ReadScript", "", "the stand-in itself reads the script"},
	{"TickRole", "", "", "the stand-in's Scheduler sends as root"},
	{"SweepRole", "", "", "the stand-in's Scheduler sends as root"},
	{"ScheduleRole", "", "", "the stand-in's Scheduler sends as root"},
	{"StorageRole", "", "", "the stand-in for Snowflake reads as root"},
}

// granted is one action on one resource in the template.
type granted struct{ role, statement, action, resource string }

// withdrawGrant is in the template only if a contract has firn.onDelete: withdraw, as in
// the made-up project. The contracts of infra/stack's golden file have no such property.
var withdrawGrant = granted{"LoadRole", "DeleteCurated", "s3:DeleteObject", "${CuratedBucket.Arn}/*"}

// Each grant of the template is in exactly one of grantRows and notEnforced. A new
// grant needs a test or a reason.
func TestEveryGrantIsTestedOrExplained(t *testing.T) {
	rows, reasons := make(map[int]bool), make(map[int]bool)
	for _, g := range append(templateGrants(t), withdrawGrant) {
		tested, reason := false, reasonFor(g)
		for i, row := range slices.Concat(grantRows, runRows) {
			if row.function+"Role" == g.role && row.statement == g.statement && row.action == g.action &&
				(row.queue == "" || g.resource == "${"+row.queue+".Arn}") {
				tested, rows[i] = true, true
			}
		}
		if reason >= 0 {
			reasons[reason] = true
		}
		if tested == (reason >= 0) {
			t.Errorf("%+v: tested %t, in notEnforced %t, want exactly one", g, tested, reason >= 0)
		}
	}
	if len(rows) != len(grantRows)+len(runRows) || len(reasons) != len(notEnforced) {
		t.Errorf("%d of %d rows and %d of %d reasons match a grant of the template, want all",
			len(rows), len(grantRows)+len(runRows), len(reasons), len(notEnforced))
	}
}

// templateGrants reads the golden file of infra/stack. The file has roles,
// statements, actions and resources, each level with two more spaces.
func templateGrants(t *testing.T) []granted {
	t.Helper()
	content, err := os.ReadFile("../../infra/stack/testdata/grants.golden")
	if err != nil {
		t.Fatal(err)
	}
	var all []granted
	var role, statement string
	var actions []string
	for line := range strings.Lines(string(content)) {
		text := strings.TrimSpace(line)
		switch len(line) - len(strings.TrimLeft(line, " ")) {
		case 0:
			role = text
		case 2:
			statement = text
		case 4:
			actions = strings.Fields(text)
		default:
			for _, action := range actions {
				all = append(all, granted{role, statement, action, text})
			}
		}
	}
	for _, function := range functions {
		if !slices.ContainsFunc(all, func(g granted) bool { return g.role == function+"Role" }) {
			t.Fatalf("the golden file has no grants of %s", function)
		}
	}
	return all
}

// The use cases work without all grants that the stand-in doesn't check. If this test
// fails, a newer stand-in checks more grants, and notEnforced must become shorter.
func TestStandInIgnoresUnenforcedGrants(t *testing.T) {
	for _, function := range functions {
		var all []removedGrant
		for _, g := range templateGrants(t) {
			removed := removedGrant{function: function, statement: g.statement, action: g.action}
			if g.role == function+"Role" && reasonFor(g) >= 0 && !slices.Contains(all, removed) {
				all = append(all, removed)
			}
		}
		removeGrants(t, all...)
	}
	for _, u := range []useCase{customerFile, ingestRun, silentDeadLetter, deletedObject} {
		t.Run(u.name, func(t *testing.T) { eventually(t, u.name, u.start(t).done) })
	}
}

// reasonFor returns the index of a grant's reason in notEnforced, or -1.
func reasonFor(g granted) int {
	matches := func(pattern, value string) bool { return pattern == "" || pattern == value }
	for i, n := range notEnforced {
		if matches(n.role, g.role) && matches(n.statement, g.statement) && matches(n.action, g.action) {
			return i
		}
	}
	return -1
}
