//go:build endtoend

package path_test

import (
	"os"
	"slices"
	"strings"
	"testing"
)

// notEnforced are the grants that the laptop's cloud doesn't ask for, so that
// taking them away would prove nothing. The tests of infra/stack hold them
// against what needs them instead. An empty role, statement or action is any.
var notEnforced = []struct{ role, statement, action, reason string }{
	{"", "Log", "", "the stand-in writes a function's log itself"},
	{"", "Consume", "sqs:DeleteMessage", "the stand-in's poller asks for no grant"},
	{"", "Consume", "sqs:GetQueueAttributes", "the stand-in's poller asks for no grant"},
	{"", "Consume", "sqs:ReceiveMessage", "the stand-in's poller asks for no grant"},
	{"", "DataKey", "", "the stand-in's S3 asks for no grant on a key"},
	{"", "TopicKey", "", "the stand-in's SNS asks for no grant on a key"},
	{"LoadRole", "ReadReceiptsMissing", "s3:ListBucket", "the stand-in tells everybody that an object isn't there"},
	{"", "ReadCuratedMissing", "s3:ListBucket", "the stand-in tells everybody that an object isn't there"},
	{"", "ReadLandingMissing", "s3:ListBucket", "the stand-in tells everybody that an object isn't there"},
	{"GlueRole", "Measure", "", "the stand-in's runs measure nothing"},
	{"GlueRole", "WriteCurated", "s3:AbortMultipartUpload", "S3A aborts uploads that failed only, and parts of this size don't"},
	{"GlueRole", "ReadScript", "", "the stand-in fetches the script itself"},
	{"TickRole", "", "", "the stand-in's Scheduler sends as root"},
	{"SweepRole", "", "", "the stand-in's Scheduler sends as root"},
	{"ScheduleRole", "", "", "the stand-in's Scheduler sends as root"},
	{"StorageRole", "", "", "the stand-in for Snowflake reads as root"},
}

// granted is one action on one resource in the template.
type granted struct{ role, statement, action, resource string }

// Each grant of the template is in exactly one of grantRows and notEnforced: a
// new one must be tested, or the reason told.
func TestEveryGrantIsTestedOrExplained(t *testing.T) {
	rows, reasons := make(map[int]bool), make(map[int]bool)
	for _, g := range grantsOfTheTemplate(t) {
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
			t.Errorf("%+v: tested %t, listed as not enforced %t; want one of them", g, tested, reason >= 0)
		}
	}
	if len(rows) != len(grantRows)+len(runRows) || len(reasons) != len(notEnforced) {
		t.Errorf("%d of %d rows and %d of %d reasons are about grants that the template has",
			len(rows), len(grantRows)+len(runRows), len(reasons), len(notEnforced))
	}
}

// grantsOfTheTemplate reads what the tests of infra/stack wrote down: role,
// statement, actions and resources, each indented by two more.
func grantsOfTheTemplate(t *testing.T) []granted {
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
			t.Fatalf("no grants of %s were read", function)
		}
	}
	return all
}

// What the laptop's cloud doesn't ask for can go all at once. When this fails,
// a newer stand-in enforces more, and the list above must become shorter.
func TestStandInIgnoresUnenforcedGrants(t *testing.T) {
	for _, function := range functions {
		var all []removedGrant
		for _, g := range grantsOfTheTemplate(t) {
			w := removedGrant{function: function, statement: g.statement, action: g.action}
			if g.role == function+"Role" && reasonFor(g) >= 0 && !slices.Contains(all, w) {
				all = append(all, w)
			}
		}
		removeGrants(t, all...)
	}
	for _, d := range []useCase{customerFile, ingestRun, silentDeadLetter, deletedObject} {
		t.Run(d.name, func(t *testing.T) { eventually(t, d.name, d.start(t).done) })
	}
}

// reasonFor is the place of a grant's reason in notEnforced, or -1.
func reasonFor(g granted) int {
	is := func(pattern, value string) bool { return pattern == "" || pattern == value }
	for i, n := range notEnforced {
		if is(n.role, g.role) && is(n.statement, g.statement) && is(n.action, g.action) {
			return i
		}
	}
	return -1
}
