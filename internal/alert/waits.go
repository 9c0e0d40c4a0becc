package alert

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/firn-data/firn/internal/breaker"
	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/help"
	"github.com/firn-data/firn/internal/journal"
	"github.com/firn-data/firn/internal/shell"
)

// waitSchema names the form of the JSON part of mails about waits. New versions of the
// code may add keys under this name, but never rename or remove a key.
const waitSchema = "firn.wait/1"

// WaitWatcher sends two mails about each wait of a dataset's objects, or of its ingestion
// runs, with the same cause: one when the wait lasts too long, and one after the end. It
// also measures the waits of objects.
type WaitWatcher struct {
	Waits   Waits
	Outages interface {
		Outage(ctx context.Context, dependency string) (breaker.Outage, error)
	}
	Notices StateNotices
	Mailer  Mailer
	// Meter writes the metrics of the queues and waits; nil for none.
	Meter *Meter
	// Now is the clock.
	Now func() time.Time
}

// Check reports the waits of this moment.
func (w *WaitWatcher) Check(ctx context.Context) error {
	c, err := takeCensus(ctx, w.Waits, w.Now())
	if err != nil {
		return err
	}
	var faults []error
	if w.Meter != nil {
		faults = append(faults, w.Meter.measure(ctx, c))
	}
	return errors.Join(append(faults, w.report(ctx, c))...)
}

func (w *WaitWatcher) report(ctx context.Context, c *census) error {
	hidden, err := w.inOutage(ctx)
	if err != nil {
		return err
	}
	open, err := w.Notices.OpenNotices(ctx)
	if err != nil {
		return err
	}
	notify := notifier{notices: w.Notices, mailer: w.Mailer, now: w.Now}
	var faults []error
	for _, wait := range c.sorted() {
		if !hidden[wait.code] {
			faults = append(faults, ignoreLater(notify.begin(ctx, wait.notice(), wait.count, composeWait(wait, w.Mailer.Site))))
		}
	}
	for _, notice := range open {
		_, lasts := c.waits[waitKey{notice.Kind, notice.Dataset, fault.Code(notice.Code)}]
		if notice.Kind != kindWait && notice.Kind != kindRun || lasts || hidden[fault.Code(notice.Code)] {
			continue
		}
		faults = append(faults, ignoreLater(notify.end(ctx, notice.NoticeKey, func(n journal.Notice) mail { return composeWaitEnd(n, w.Now(), w.Mailer.Site) })))
	}
	return errors.Join(faults...)
}

// afterOutage is the time after the end of an outage in which waiting objects get their
// next try.
const afterOutage = 20 * time.Minute

// codesOfSnowflake are the codes of waits during an outage of Snowflake.
var codesOfSnowflake = []fault.Code{fault.SnowflakeAway, fault.SnowflakeRefused, fault.WarehouseAway, fault.CommitUnknown}

// inOutage returns the codes whose waits the mail about an outage reports.
func (w *WaitWatcher) inOutage(ctx context.Context) (map[fault.Code]bool, error) {
	outage, err := w.Outages.Outage(ctx, breaker.Snowflake)
	if err != nil {
		return nil, err
	}
	hidden := make(map[fault.Code]bool)
	if outage.Open || w.Now().Sub(outage.Ended) < afterOutage {
		for _, code := range codesOfSnowflake {
			hidden[code] = true
		}
	}
	return hidden, nil
}

func (w *wait) notice() journal.NoticeKey {
	return journal.NoticeKey{Kind: w.kind, Dataset: w.dataset, Code: string(w.code)}
}

// composeWait writes the mail about a wait.
func composeWait(w *wait, site Site) mail {
	text := &mailText{}
	text.linef("%s: %s", w.describeCount(ofDataset(w.dataset)), w.code)
	text.linef("")
	text.field("To do", firstLine(w.hint()))
	text.field("Then type", w.command())
	text.field("To look", statusOf(w.dataset))
	text.field("Data", fmt.Sprintf("Nothing is lost. The %ss wait, and no try uses up an attempt.", nounOf(w.kind)))
	text.field("If ignored", w.ifIgnored())
	text.field("More", site.entry(string(w.code)))
	text.linef("")
	text.field("cause", truncate(firstLine(w.cause())))
	text.field("first", w.first.describe())
	if w.count > 1 {
		text.field("last", w.last.describe())
	}
	if !w.next.IsZero() {
		text.field("next try", formatTime(w.next))
	}
	text.linef("")
	text.linef("A second mail reports the end of the wait.")
	return mail{
		subject: site.subject(topicOf(w.dataset), w.describeCount("")+": "+string(w.code)),
		text:    text.String(), machine: encode(w.machine(site)),
	}
}

// delay returns the recorded cause of the longest wait; nil if the wait has another cause,
// for example no try for a long time.
func (w *wait) delay() *journal.Delay {
	if d := w.first.delay(); d != nil && d.Code == w.code {
		return d
	}
	return nil
}

func (w *wait) hint() string {
	if d := w.delay(); d != nil {
		return d.Hint
	}
	return w.code.Hint()
}

func (w *wait) ifIgnored() string {
	switch {
	case w.code == fault.NotTried:
		return fmt.Sprintf("The %ss wait until a sweep sends the work again and a function starts.", nounOf(w.kind))
	case w.kind == kindRun:
		return "firn tries again at least every hour, or later if the source asks for it. After the end of the cause the runs continue without a command."
	default:
		return "firn tries again at least every 15 minutes. After the end of the cause firn loads the objects without a command."
	}
}

// command returns the command that ends the wait; empty if firn continues by itself. A
// waiting run needs no command.
func (w *wait) command() string {
	if w.kind == kindRun && w.code != fault.NotTried {
		return ""
	}
	subject := help.Subject{Dataset: w.dataset, Code: w.code, Objects: w.count, InJournal: true}
	way, found := help.ForCode(w.code).Main(subject)
	if !found {
		return ""
	}
	return way.Command(subject).String()
}

func (w *wait) cause() string {
	if d := w.delay(); d != nil {
		return d.Cause
	}
	return "no function has tried the " + nounOf(w.kind) + " for long"
}

func (w waitingObject) describe() string {
	return fmt.Sprintf("%s, no progress since %s (object id %s)", printable(w.Object.URI()), formatTime(w.Progressed), w.ID)
}

func (w waitingRun) describe() string {
	return fmt.Sprintf("%s, no progress since %s", printable(w.ID), formatTime(w.Progressed))
}

// nounOf returns the name of a waiting object or run.
func nounOf(kind string) string {
	if kind == kindRun {
		return "run"
	}
	return "object"
}

// describeCount returns the number of waiting objects or runs. of is the dataset with its
// preposition; empty for none.
func (w *wait) describeCount(of string) string {
	if w.count == 1 {
		return "1 " + nounOf(w.kind) + of + " waits"
	}
	return fmt.Sprintf("%d %ss%s wait", w.count, nounOf(w.kind), of)
}

func ofDataset(dataset string) string {
	if dataset == "" {
		return ""
	}
	return " of " + plain(dataset)
}

func topicOf(dataset string) string {
	if dataset == "" {
		return "no dataset"
	}
	return dataset
}

func statusOf(dataset string) string {
	if dataset == "" {
		return statusCommand
	}
	return statusCommand + " --dataset " + shell.Quote(dataset)
}

// composeWaitEnd writes the mail about the end of a wait.
func composeWaitEnd(n journal.Notice, now time.Time, site Site) mail {
	lasted := formatDuration(now.Sub(n.OpenedAt))
	text := &mailText{}
	text.linef("No %s%s waits with %s any more.", nounOf(n.Kind), ofDataset(n.Dataset), plain(n.Code))
	text.linef("")
	text.field("To do", "Nothing.")
	text.field("To look", statusOf(n.Dataset))
	text.field("More", site.entry(n.Code))
	text.linef("")
	text.field("lasted", fmt.Sprintf("%s after the first mail, until %s", lasted, formatTime(now)))
	return mail{
		subject: site.subject(topicOf(n.Dataset), "no wait any more after "+lasted+": "+n.Code), text: text.String(),
		machine: encode(machineWait{
			Schema: waitSchema, Environment: site.Environment, State: stateRecovered, Dataset: n.Dataset, Code: n.Code,
			Command: statusOf(n.Dataset), Runbook: site.entry(n.Code), Objects: []machineWaitObject{},
		}),
	}
}

// stateWaiting is the state in the JSON part of a mail about a wait.
const stateWaiting = "waiting"

type machineWait struct {
	Schema      string              `json:"schema"`
	Environment string              `json:"environment"`
	State       string              `json:"state"`
	Dataset     string              `json:"dataset"`
	Code        string              `json:"code"`
	Hint        string              `json:"hint"`
	Command     string              `json:"command"`
	Runbook     string              `json:"runbook"`
	Cause       string              `json:"cause"`
	Count       int                 `json:"count"`
	NextTry     string              `json:"next_try,omitempty"`
	Objects     []machineWaitObject `json:"objects"`
	Runs        []machineWaitRun    `json:"runs,omitempty"`
}

type machineWaitObject struct {
	ObjectID   string `json:"object_id"`
	Bucket     string `json:"bucket"`
	Key        string `json:"key"`
	Version    string `json:"version"`
	State      string `json:"state"`
	Progressed string `json:"progressed_at"`
	Tries      int    `json:"tries"`
}

type machineWaitRun struct {
	RunID      string `json:"run_id"`
	State      string `json:"state"`
	Progressed string `json:"progressed_at"`
	Tries      int    `json:"tries"`
}

func (w *wait) machine(site Site) machineWait {
	m := machineWait{
		Schema: waitSchema, Environment: site.Environment, State: stateWaiting, Dataset: w.dataset, Code: string(w.code),
		Hint: w.hint(), Command: cmp.Or(w.command(), statusOf(w.dataset)), Runbook: site.entry(string(w.code)), Cause: truncate(w.cause()), Count: w.count,
		Objects: []machineWaitObject{},
	}
	w.first.addTo(&m)
	if w.count > 1 {
		w.last.addTo(&m)
	}
	if !w.next.IsZero() {
		m.NextTry = w.next.UTC().Format(time.RFC3339)
	}
	return m
}

func (w waitingObject) addTo(m *machineWait) {
	m.Objects = append(m.Objects, machineWaitObject{
		ObjectID: string(w.ID), Bucket: w.Object.Bucket, Key: w.Object.Key, Version: w.Object.Version,
		State: string(w.State), Progressed: w.Progressed.UTC().Format(time.RFC3339), Tries: triesOf(w.Delay),
	})
}

func (w waitingRun) addTo(m *machineWait) {
	m.Runs = append(m.Runs, machineWaitRun{
		RunID: w.ID, State: string(w.State), Progressed: w.Progressed.UTC().Format(time.RFC3339), Tries: triesOf(w.Delay),
	})
}

func triesOf(d *journal.Delay) int {
	if d == nil {
		return 0
	}
	return d.Tries
}
