package alert

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/firn-data/firn/internal/contract"
	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/shell"
	"github.com/firn-data/firn/internal/telemetry"
	"github.com/firn-data/firn/internal/work"
)

// ReportedColumns has the new columns that mails have reported. A column gets one mail:
// the caller with the claim of the dataset reads the columns, sends the mail, and records
// the columns. A killed caller's claim ends by itself, and the announcement comes back.
type ReportedColumns interface {
	NewColumns(ctx context.Context, dataset string) (work.NewColumns, error)
	// ClaimNewColumns returns false if another caller has the claim. claim is a random text
	// of the caller.
	ClaimNewColumns(ctx context.Context, dataset, claim string) (bool, error)
	// RecordNewColumns records all reported columns of a dataset and ends the claim. It
	// returns false, without a record, if another caller has taken the claim since.
	RecordNewColumns(ctx context.Context, n work.NewColumns, claim string) (bool, error)
}

// newColumns returns the new columns of an announcement, or nil for another dead letter.
func newColumns(code, body string) *work.NewColumns {
	if fault.Code(code) != fault.ColumnNotLoaded {
		return nil
	}
	if n, ok := work.DecodeNewColumns(body); ok {
		return &n
	}
	return nil
}

// hasOnlyColumns reports whether every dead letter of the group announces new columns.
func (g *group) hasOnlyColumns() bool {
	return !g.has(func(f failure) bool { return f.announced == nil })
}

// reportColumns sends a mail about the columns of the group's announcements, without the
// columns of earlier mails. Without a further column there is no mail.
func (a *Alerter) reportColumns(ctx context.Context, g *group) error {
	c := a.Contracts.ByDataset(g.dataset)
	found := work.NewColumns{Dataset: g.dataset}
	for _, f := range g.failures {
		found = found.With(*f.announced)
	}
	found = found.MissingIn(c)
	reported, err := a.Journal.NewColumns(ctx, g.dataset)
	if err != nil {
		return fault.ForObject(err, "", 0, g.dataset, "")
	}
	if found.Unreported(reported.MissingIn(c)).IsEmpty() {
		telemetry.Logger(ctx).InfoContext(ctx, "new columns are reported already", telemetry.KeyDataset, g.dataset)
		return nil
	}
	claim := rand.Text()
	mine, err := a.Journal.ClaimNewColumns(ctx, g.dataset, claim)
	if err != nil {
		return fault.ForObject(err, "", 0, g.dataset, "")
	}
	if !mine {
		f := fault.Dependency("report new columns", fault.LockBusy, fmt.Errorf("another invocation sends a mail about new columns of %s", g.dataset))
		f.Hint, f.Dataset = "The announcement comes back after the other mail; act only if this lasts over ten minutes.", g.dataset
		return f
	}
	return a.reportClaimed(ctx, g, c, found, claim)
}

// reportClaimed is reportColumns with the claim. The record is after the mail, so a crash
// between the two sends the mail twice, and never loses the mail. If the mail takes longer
// than the claim and another caller has the next claim, only that caller records. Then the
// next load with the column sends another announcement.
func (a *Alerter) reportClaimed(ctx context.Context, g *group, c *contract.Contract, found work.NewColumns, claim string) error {
	reported, err := a.Journal.NewColumns(ctx, g.dataset)
	if err != nil {
		return fault.ForObject(err, "", 0, g.dataset, "")
	}
	reported = reported.MissingIn(c)
	news := found.Unreported(reported)
	var notSent error
	if !news.IsEmpty() {
		g.setColumns(news, c)
		notSent = a.afterLimit(a.send(ctx, g), g.dataset)
	}
	if notSent == nil {
		reported = reported.With(news)
	}
	recorded, err := a.Journal.RecordNewColumns(ctx, reported, claim)
	if err != nil {
		telemetry.Logger(ctx).WarnContext(ctx, "reported columns not recorded", telemetry.Fault(fault.As(err))...)
		return cmp.Or(notSent, error(fault.ForObject(err, "", 0, g.dataset, "")))
	}
	if !recorded {
		telemetry.Logger(ctx).WarnContext(ctx, "reported columns not recorded: another invocation has the claim", telemetry.KeyDataset, g.dataset)
	}
	return notSent
}

// afterLimit returns the fault of an unsent mail about columns. Above the hourly limit, the
// announcement comes back in the next hour, without a counted attempt.
func (a *Alerter) afterLimit(err error, dataset string) error {
	if !errors.Is(err, errLimit) {
		return err
	}
	f := fault.Dependency("report new columns", fault.TopicAway, err)
	f.Dataset, f.Hint, f.After = dataset, "The mail follows in the next hour.", nextHour(a.Now()).Sub(a.Now())
	return f
}

// columnReport is the content of a mail about new columns of one dataset.
type columnReport struct {
	columns work.NewColumns
	// draft are lines of YAML for the contract; empty without a contract. file is the
	// contract's path in the project.
	draft, file string
	// withoutLines are the displayed names of the columns that aren't in draft.
	withoutLines []string
}

// setColumns makes a group of new columns, with an entry for each named column.
func (g *group) setColumns(n work.NewColumns, c *contract.Contract) {
	stage, hint, message := g.failures[0].stage, g.failures[0].hint, g.failures[0].messageID
	g.report = &columnReport{columns: n}
	g.failures = nil
	for i := range n.Columns {
		f := failure{
			messageID: message, stage: stage, code: g.code, dataset: g.dataset, hint: hint,
			cause: "the contract doesn't have the column " + strconv.Quote(n.Columns[i].Name), subject: n.Columns[i].Object, at: n.Columns[i].LoadedAt, column: &n.Columns[i],
		}
		f.setObject()
		g.failures = append(g.failures, f)
	}
	if len(g.failures) == 0 {
		g.failures = []failure{{messageID: message, stage: stage, code: g.code, dataset: g.dataset, hint: hint, cause: n.Cause()}}
	}
	if c != nil {
		g.report.setDraft(c)
	}
}

// setDraft writes the lines for the contract, without a line for a name that is cut or
// that no contract can have.
func (r *columnReport) setDraft(c *contract.Contract) {
	var names []string
	for _, column := range r.columns.Columns {
		if column.IsCut() {
			r.withoutLines = append(r.withoutLines, column.Display())
			continue
		}
		names = append(names, column.Name)
	}
	lines, unnamable := c.Draft(names)
	for _, name := range unnamable {
		r.withoutLines = append(r.withoutLines, strconv.Quote(name))
	}
	r.draft, r.file = lines, "datasets/"+c.Source+"/"+c.Entity+"/"+contract.FileName
}

// since returns the day of the earliest load with a new column; empty if unknown.
func (r *columnReport) since() string {
	var first time.Time
	for _, column := range r.columns.Columns {
		if first.IsZero() || column.LoadedAt.Before(first) {
			first = column.LoadedAt
		}
	}
	if first.IsZero() {
		return ""
	}
	return first.UTC().Format(time.DateOnly)
}

// namesNoColumn reports whether the mail is about new columns without a name.
func (g *group) namesNoColumn() bool { return g.report != nil && len(g.report.columns.Columns) == 0 }

func (g *group) columnHeadline() string {
	verb := "is"
	if g.size() > 1 {
		verb = "are"
	}
	return fmt.Sprintf("%d new %s of %s %s not loaded: %s", g.size(), g.noun(), plain(g.dataset), verb, g.code)
}

// columnCommands returns the commands after the change of the contract. Without a named
// column the view with all columns comes first.
func (g *group) columnCommands() commands {
	if g.namesNoColumn() {
		return commands{next: "firn query " + shell.Quote("select * from OPS.NEW_COLUMNS where DATASET = '"+g.dataset+"'")}
	}
	reload := "firn reload --dataset " + shell.Quote(g.dataset)
	if since := g.report.since(); since != "" {
		reload += " --since " + since
	}
	return commands{next: "firn migrate", reload: reload, show: g.status()}
}

func (g *group) columnOutcome() outcome {
	task := g.hint()
	if g.report.draft != "" {
		task += " Start with the lines below: check name, type and description, and raise the version of the contract. " +
			"Before the deployment, `firn contract diff OLD NEW` shows the effect."
	}
	ifIgnored := "firn loads the files without the new columns. No other mail reports the same columns."
	if g.report.columns.More > 0 {
		ifIgnored += fmt.Sprintf(" firn names at most %d new columns of a dataset. "+
			"No further new column gets a mail before the contract has one of the named columns.", work.MaxNewColumns)
	}
	return outcome{
		task: task,
		data: "firn loaded all other columns of the files. The values of the new columns aren't in the table. " +
			"The files in the landing bucket keep the values, and a reload after the change of the contract loads the values.",
		ifIgnored: ifIgnored,
	}
}

// writeDraft writes the lines for the contract.
func (r *columnReport) writeDraft(text *mailText) {
	if r.draft != "" {
		text.linef("\nLines for %s, below properties:\n\n%s", r.file, strings.TrimSuffix(r.draft, "\n"))
	}
	if len(r.withoutLines) > 0 {
		text.linef("\nNo lines for: %s. A contract can't have the name, or firn has cut the name after 200 characters.", strings.Join(slices.Compact(r.withoutLines), ", "))
	}
}

// columnTitle returns the title of an entry.
func (g *group) columnTitle(f *failure) string {
	if f.column == nil {
		return fmt.Sprintf("%d columns beyond the %d that firn names", g.report.columns.More, work.MaxNewColumns)
	}
	return "column " + f.column.Display()
}

// writeColumn writes the entry of a new column.
func (f *failure) writeColumn(line func(name, value string)) {
	if f.column == nil {
		return
	}
	line("first file", printable(f.subject))
	line("loaded", f.when())
}
