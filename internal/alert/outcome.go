package alert

import (
	"slices"

	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/help"
	"github.com/firn-data/firn/internal/journal"
	"github.com/firn-data/firn/internal/work"
)

// outcome has the sentences of a mail about the consequences of the failures.
type outcome struct {
	// task is the next step of the reader.
	task string
	// data names the missing and the kept data; empty if alert doesn't know them.
	data string
	// ifIgnored describes the future without a command; empty if no step is left.
	ifIgnored string
}

// afterCommitCodes are the codes of failures that can happen after the commit of a
// load. After any other failure of a load, the transaction was rolled back.
var afterCommitCodes = []fault.Code{fault.Crashed, fault.Exhausted, fault.Unexpected, fault.Stuck}

// outcome returns the consequences of the group's failures.
func (g *group) outcome() outcome {
	switch {
	case g.isHeld():
		return g.heldOutcome()
	case g.report != nil:
		return g.columnOutcome()
	case g.has(func(f failure) bool { return f.objectID == "" }):
		return g.messageOutcome()
	case g.settled():
		return g.settledOutcome()
	}
	o := outcome{task: g.task()}
	o.data, o.ifIgnored = g.missingRows()
	return o
}

// task returns the next step of the reader for failed objects: the hint, and the
// sentences that the commands need.
func (g *group) task() string {
	if g.isUnannounced() {
		return "The journal has no entry for " + g.someObjects() + ". `firn sweep` announces the file again if the bucket still has the file. Otherwise put the file again."
	}
	task, ways := g.hint(), g.help()
	usual, _ := ways.Main(g.commandSubject())
	switch {
	case ways.Has(help.Put):
		task += " firn loads the new file without a command."
	case usual.Kind == help.Dismiss && usual.First != "":
		task += " firn loads a file under another key without a command."
	default:
		return task
	}
	if ways.Has(help.Redrive) {
		task += " Redrive only after a change of the contract."
	}
	return task
}

// someObjects names the objects of a sentence that may be true for a part of the group.
func (g *group) someObjects() string {
	if len(g.failures) > 1 {
		return "some objects"
	}
	return "this object"
}

// missingRows names the missing and the kept rows of failed objects, and the future
// of the objects without a command.
func (g *group) missingRows() (data, ifIgnored string) {
	const noRetry = "firn doesn't retry a failed object and sends no reminder. "
	const newRows = "until a redrive or a new version of the file succeeds."
	switch {
	case g.has(func(f failure) bool { return f.notInJournal }):
		return "No redrive finds an object without an entry in the journal. The rows may be in the table, if the journal lost the entry.",
			noRetry + "The rows may stay missing until a sweep or a new version of the file succeeds."
	case g.has(func(f failure) bool { return f.state == "" }):
		return "The journal didn't answer, so the current state of " + g.someObjects() + " is unknown.",
			noRetry + "The rows of a failed object stay missing " + newRows
	case g.has(func(f failure) bool {
		return f.stage == string(work.Load) && slices.Contains(afterCommitCodes, fault.Code(f.code))
	}):
		return "The rows may be in the table, if the failure happened after the commit. A redrive is safe: firn loads no object twice.",
			noRetry + "The rows may stay missing " + newRows
	}
	return g.fileSentence() + " " + g.rowsSentence(), noRetry + "The rows stay missing " + newRows
}

// fileSentence says whether the landing bucket still has the files of the group.
func (g *group) fileSentence() string {
	one := len(g.failures) == 1
	switch gone := fault.Code(g.code) == fault.ObjectGone; {
	case gone && one:
		return "This version isn't in the landing bucket any more."
	case gone:
		return "These versions aren't in the landing bucket any more."
	case one:
		return "The file stays in the landing bucket."
	default:
		return "The files stay in the landing bucket."
	}
}

// rowsSentence says which rows are missing in the table, and which rows stay.
func (g *group) rowsSentence() string {
	reloaded := g.has(func(f failure) bool { return f.reloadNote != "" })
	switch one := len(g.failures) == 1; {
	case g.dataset == "" && one:
		return "No row of this object is loaded."
	case g.dataset == "":
		return "No row of these objects is loaded."
	case !one:
		return "No new row of a failed object is loaded. The table keeps all earlier rows."
	case reloaded:
		return "No row of the reload is loaded. The table keeps all earlier rows."
	default:
		return "No row of this object is loaded. The table keeps the rows of all other objects and versions."
	}
}

// settledOutcome returns the outcome of objects that a later attempt has moved on.
func (g *group) settledOutcome() outcome {
	if len(g.failures) > 1 {
		return outcome{task: "Nothing. firn has processed these objects after the failures; the list shows the current states."}
	}
	switch g.failures[0].state {
	case journal.Loaded:
		return outcome{task: "Nothing. The object was loaded after this failure.", data: "Nothing is lost: the rows are in the table."}
	case journal.Superseded:
		return outcome{
			task: "Nothing. A newer version of the file was loaded after this failure.",
			data: "Nothing is lost: the table has the rows of the newer version.",
		}
	case journal.Withdrawn:
		return outcome{task: "Nothing. The object was withdrawn after this failure.", data: "The table has no rows of the object, on purpose."}
	case journal.Dismissed:
		return outcome{
			task: "Nothing. A person dismissed the object after this failure: `firn status` shows the reason.",
			data: "The table has no new rows of the object, on purpose.",
		}
	case journal.Ignored:
		return outcome{task: "Nothing. firn leaves the object alone on purpose: `firn status` shows the reason."}
	default:
		return outcome{
			task:      "Nothing at the moment. firn is processing the object again.",
			ifIgnored: "firn continues without a command. Another failure causes another mail.",
		}
	}
}

// messageOutcome returns the outcome of failures without an object: ingestion runs,
// and messages that no stage can process.
func (g *group) messageOutcome() outcome {
	o := outcome{task: g.hint()}
	switch {
	case fault.Code(g.code) == fault.BadRequest:
		o.data = "firn refused the request, so the requested records are missing."
		o.ifIgnored = "firn doesn't retry the request and sends no reminder. The records stay missing."
	case g.onlyRuns():
		o.data = "firn keeps and loads the files that the run has already written. The rest of the interval is missing. " +
			"The next attempt resumes the run at its checkpoint."
		o.ifIgnored = "firn doesn't retry the run and sends no reminder. The rest of the interval stays missing."
	case fault.Code(g.code) == fault.NotWithdrawn:
		o.data = "The file was deleted in S3, but the table still has its rows."
		o.ifIgnored = "firn doesn't retry the withdrawal. The rows stay in the table, and `firn audit` reports them."
	case fault.Code(g.code) == fault.Undecodable:
		o.data = "No object is affected, because firn couldn't read the message."
		o.ifIgnored = "firn drops the message and sends no reminder."
	}
	return o
}

// onlyRuns reports whether every failure of the group is of an ingestion run.
func (g *group) onlyRuns() bool {
	return !g.has(func(f failure) bool {
		_, _, found := interval(f)
		return f.objectID != "" || f.stage != string(work.Ingest) && (f.stage != "" || !found)
	})
}

// settled reports whether no object of the group is failed any more, because later
// attempts have moved them on. It is false for messages, and if the journal is
// unavailable.
func (g *group) settled() bool {
	return !g.has(func(f failure) bool { return f.state == "" || f.state == journal.Failed })
}

func (g *group) has(property func(failure) bool) bool {
	return slices.ContainsFunc(g.failures, property)
}
