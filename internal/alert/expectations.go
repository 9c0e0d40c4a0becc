package alert

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/firn-data/firn/internal/contract"
	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/journal"
	"github.com/firn-data/firn/internal/work"
)

// dataSchema names the form of the JSON part of mails about data. New versions of the
// code may add keys under this name, but never rename or remove a key.
const dataSchema = "firn.data/1"

const (
	// comparedLoads is the number of loads whose median is the usual number of records.
	comparedLoads = 14
	// minComparedLoads is the number of earlier loads below which nothing is usual.
	minComparedLoads = 5
)

// LoadVolumes has the sizes of the newest loads, and the comparisons made so far.
type LoadVolumes interface {
	Volumes(ctx context.Context, dataset string) (journal.Volumes, error)
	VolumesChecked(ctx context.Context, dataset string, until time.Time, days ...string) error
}

// DataWatcher compares the loads of each dataset with the expectations of the contract.
// It sends two mails about each deviation, and a daily mail about rejects.
type DataWatcher struct {
	Contracts contract.Set
	Volumes   LoadVolumes
	Waits     Waits
	// Objects finds failed objects: their files have arrived.
	Objects interface {
		HasFailedSince(ctx context.Context, dataset string, since time.Time) (bool, error)
	}
	Notices StateNotices
	Mailer  Mailer
	// Now is the clock.
	Now func() time.Time
}

// Check compares the new loads of all datasets. A fault of one dataset doesn't stop the
// checks of others.
func (w *DataWatcher) Check(ctx context.Context) error {
	var faults []error
	var rejects []rejectedDay
	for _, c := range w.Contracts {
		volumes, err := w.Volumes.Volumes(ctx, c.Dataset())
		if err != nil {
			faults = append(faults, fault.ForObject(err, "", 0, c.Dataset(), ""))
			continue
		}
		faults = append(faults, ignoreLater(w.checkMissing(ctx, c, volumes)), w.checkSizes(ctx, c, volumes))
		rejects = append(rejects, w.daysBefore(c.Dataset(), volumes)...)
	}
	return errors.Join(append(faults, w.reportRejects(ctx, rejects))...)
}

func (w *DataWatcher) notifier() notifier {
	return notifier{notices: w.Notices, mailer: w.Mailer, now: w.Now}
}

// hasArrived reports whether a file of the dataset arrived after the last load, or is on
// its way: an object that waits, an object that failed, or a run that waits for its
// source. Each of these has a mail of its own.
func (w *DataWatcher) hasArrived(ctx context.Context, dataset string, loaded time.Time) (bool, error) {
	waits := false
	for _, state := range waitingStates {
		err := w.Waits.EachStuck(ctx, state, w.Now(), func(e journal.Entry) bool {
			waits = e.Dataset == dataset
			return !waits
		})
		if err != nil || waits {
			return waits, err
		}
	}
	err := w.Waits.EachRunWithoutEnd(ctx, func(r journal.Run) bool {
		waits = r.Dataset == dataset && r.Delay != nil
		return !waits
	})
	if err != nil || waits {
		return waits, err
	}
	return w.Objects.HasFailedSince(ctx, dataset, loaded)
}

// checkMissing reports a dataset without a new file for longer than its contract
// expects. A dataset without any load gets no mail: nothing is usual yet.
func (w *DataWatcher) checkMissing(ctx context.Context, c *contract.Contract, v journal.Volumes) error {
	if c.Expect.NewFileWithin == 0 || len(v.Loads) == 0 {
		return nil
	}
	key := journal.NoticeKey{Kind: kindData, Dataset: c.Dataset(), Code: string(fault.DataMissing)}
	last := v.Loads[len(v.Loads)-1]
	due := last.LoadedAt.Add(c.Expect.NewFileWithin)
	if w.Now().Before(due) {
		return w.notifier().end(ctx, key, func(n journal.Notice) mail { return w.composeEnd(n, "A new file is loaded: "+printable(last.Key)) })
	}
	if arrived, err := w.hasArrived(ctx, c.Dataset(), last.LoadedAt); err != nil || arrived {
		return err
	}
	return w.notifier().begin(ctx, key, 1, w.compose(deviation{
		key: key, headline: "No new file" + ofDataset(c.Dataset()) + " since " + formatTime(last.LoadedAt), load: last,
		details: fmt.Sprintf("the contract expects a file within %s, so a file was due at %s", formatDuration(c.Expect.NewFileWithin), formatTime(due)),
		data:    "The tables keep all earlier rows.",
	}))
}

// checkSizes compares each load since the last check with the loads before. The check
// stops at the first load whose mail isn't sent yet, and the next tick continues there.
// Loads of one transaction have the same time, so the time moves after the last of them.
func (w *DataWatcher) checkSizes(ctx context.Context, c *contract.Contract, v journal.Volumes) error {
	if c.Expect.Rows == 0 && c.Expect.Rejects == nil {
		return nil
	}
	until := v.CheckedUntil
	var unfinished error
	for i, load := range v.Loads {
		if !load.LoadedAt.After(v.CheckedUntil) {
			continue
		}
		if unfinished = w.checkLoad(ctx, c, v.Loads[:i], load); unfinished != nil {
			break
		}
		if i+1 == len(v.Loads) || v.Loads[i+1].LoadedAt.After(load.LoadedAt) {
			until = load.LoadedAt
		}
	}
	unfinished = ignoreLater(unfinished)
	if !until.After(v.CheckedUntil) {
		return unfinished
	}
	return errors.Join(unfinished, w.Volumes.VolumesChecked(ctx, c.Dataset(), until))
}

func (w *DataWatcher) checkLoad(ctx context.Context, c *contract.Contract, before []journal.Volume, load journal.Volume) error {
	if c.Expect.Rows > 0 {
		if err := w.checkRows(ctx, c, before, load); err != nil {
			return err
		}
	}
	if c.Expect.Rejects != nil {
		return w.checkRejects(ctx, c, load)
	}
	return nil
}

func (w *DataWatcher) checkRows(ctx context.Context, c *contract.Contract, before []journal.Volume, load journal.Volume) error {
	if len(before) < minComparedLoads {
		return nil
	}
	usual := median(before[max(0, len(before)-comparedLoads):])
	key := journal.NoticeKey{Kind: kindData, Dataset: c.Dataset(), Code: string(fault.FewRows)}
	if float64(load.Read) >= c.Expect.Rows*usual {
		return w.notifier().end(ctx, key, func(n journal.Notice) mail { return w.composeEnd(n, "A usual file is loaded: "+printable(load.Key)) })
	}
	return w.notifier().begin(ctx, key, 1, w.compose(deviation{
		key: key, headline: fmt.Sprintf("A file%s has %d records, and %.0f are usual", ofDataset(c.Dataset()), load.Read, usual), load: load,
		details: fmt.Sprintf("firn.expectRows is %v, and the median of the %d files before is %.0f", c.Expect.Rows, min(len(before), comparedLoads), usual),
		data:    "The rows of the file are in the table.",
	}))
}

func (w *DataWatcher) checkRejects(ctx context.Context, c *contract.Contract, load journal.Volume) error {
	key := journal.NoticeKey{Kind: kindData, Dataset: c.Dataset(), Code: string(fault.ManyRejects)}
	if float64(load.Rejected) <= *c.Expect.Rejects*float64(load.Read) {
		return w.notifier().end(ctx, key, func(n journal.Notice) mail { return w.composeEnd(n, "A usual file is loaded: "+printable(load.Key)) })
	}
	return w.notifier().begin(ctx, key, 1, w.compose(deviation{
		key: key, headline: fmt.Sprintf("A file%s has %d rejects among %d records", ofDataset(c.Dataset()), load.Rejected, load.Read), load: load,
		details: fmt.Sprintf("firn.expectRejects is %v", *c.Expect.Rejects),
		data:    "The good rows of the file are in the table, and the rejects are in the table of rejects.",
	}))
}

// median returns the median number of records.
func median(loads []journal.Volume) float64 {
	read := make([]int64, len(loads))
	for i, load := range loads {
		read[i] = load.Read
	}
	slices.Sort(read)
	half := len(read) / 2
	if len(read)%2 == 1 {
		return float64(read[half])
	}
	return float64(read[half-1]+read[half]) / 2
}

// deviation is a difference between a load and an expectation.
type deviation struct {
	key      journal.NoticeKey
	headline string
	details  string
	data     string
	load     journal.Volume
}

func (w *DataWatcher) compose(d deviation) mail {
	code := fault.Code(d.key.Code)
	text := &mailText{}
	text.linef("%s: %s", d.headline, d.key.Code)
	text.linef("")
	text.field("To do", code.Hint())
	text.field("To look", statusOf(d.key.Dataset))
	text.field("Data", d.data)
	text.field("If ignored", "firn loads all files as usual and sends no reminder.")
	text.field("More", w.Mailer.Site.entry(d.key.Code))
	text.linef("")
	text.field("cause", d.details)
	text.field("file", printable(d.load.Key))
	text.field("loaded", formatTime(d.load.LoadedAt))
	text.linef("")
	text.linef("A second mail reports the next usual file.")
	return mail{
		subject: w.Mailer.Site.subject(topicOf(d.key.Dataset), d.key.Code), text: text.String(),
		machine: encode(w.machine(d.key, "deviates", d.load)),
	}
}

func (w *DataWatcher) composeEnd(n journal.Notice, data string) mail {
	text := &mailText{}
	text.linef("%s has ended%s.", n.Code, ofDataset(n.Dataset))
	text.linef("")
	text.field("To do", "Nothing.")
	text.field("To look", statusOf(n.Dataset))
	text.field("Data", data)
	text.field("More", w.Mailer.Site.entry(n.Code))
	text.field("lasted", formatDuration(w.Now().Sub(n.OpenedAt)))
	return mail{
		subject: w.Mailer.Site.subject(topicOf(n.Dataset), "usual again: "+n.Code), text: text.String(),
		machine: encode(w.machine(n.NoticeKey, stateRecovered, journal.Volume{})),
	}
}

type machineData struct {
	Schema      string `json:"schema"`
	Environment string `json:"environment"`
	State       string `json:"state"`
	Dataset     string `json:"dataset"`
	Code        string `json:"code"`
	Hint        string `json:"hint"`
	Command     string `json:"command"`
	Runbook     string `json:"runbook"`
	ObjectID    string `json:"object_id,omitempty"`
	Key         string `json:"key,omitempty"`
	RowsRead    int64  `json:"rows_read"`
	Rejected    int64  `json:"rows_rejected"`
}

func (w *DataWatcher) machine(k journal.NoticeKey, state string, load journal.Volume) machineData {
	return machineData{
		Schema: dataSchema, Environment: w.Mailer.Site.Environment, State: state, Dataset: k.Dataset, Code: k.Code,
		Hint: fault.Code(k.Code).Hint(), Command: statusOf(k.Dataset), Runbook: w.Mailer.Site.entry(k.Code),
		ObjectID: string(load.ID), Key: load.Key, RowsRead: load.Read, Rejected: load.Rejected,
	}
}

// rejectedDay has the rejects of a dataset on one day.
type rejectedDay struct {
	dataset, day string
	byRule       map[string]int64
}

// daysBefore returns the unreported days with rejects before today, in UTC.
func (w *DataWatcher) daysBefore(dataset string, v journal.Volumes) []rejectedDay {
	today := w.Now().UTC().Format(time.DateOnly)
	var days []rejectedDay
	for _, day := range slices.Sorted(maps.Keys(v.Rejects)) {
		if day < today {
			days = append(days, rejectedDay{dataset, day, v.Rejects[day]})
		}
	}
	return days
}

// maxMailedDays is the number of days with rejects in one mail, each of one dataset. The
// next tick sends the others.
const maxMailedDays = 50

// reportRejects sends one mail about the rejects of the days before today. The next tick
// sends a mail that SNS refused. Two ticks at the same time can both send the mail.
func (w *DataWatcher) reportRejects(ctx context.Context, days []rejectedDay) error {
	if len(days) == 0 {
		return nil
	}
	days = days[:min(len(days), maxMailedDays)]
	if err := w.Mailer.send(ctx, w.composeRejects(days)); err != nil {
		return ignoreLater(err)
	}
	var faults []error
	for _, d := range days {
		faults = append(faults, w.Volumes.VolumesChecked(ctx, d.dataset, time.Time{}, d.day))
	}
	return errors.Join(faults...)
}

// maxListedRules is the number of rules of a dataset in the mail about rejects.
const maxListedRules = 5

func (w *DataWatcher) composeRejects(days []rejectedDay) mail {
	text := &mailText{}
	text.linef("firn rejected records in accepted files. The tables of rejects have the records.")
	text.linef("")
	text.field("To do", "Compare the rules with the files. To load the records, fix the file or the contract.")
	text.field("To look", statusCommand)
	total := int64(0)
	for _, d := range days {
		count, rules := d.list()
		total += count
		text.linef("\n%s on %s: %d rejects", plain(d.dataset), d.day, count)
		for _, rule := range rules {
			text.linef("   %s", rule)
		}
	}
	return mail{subject: w.Mailer.Site.subject("rejects", fmt.Sprintf("%d records", total)), text: text.String(), machine: encode(machineRejects{
		Schema: "firn.rejects/1", Environment: w.Mailer.Site.Environment, Days: machineDays(days),
	})}
}

// list returns the number of rejects, and the rules with the most rejects.
func (d rejectedDay) list() (total int64, rules []string) {
	for _, rejects := range d.byRule {
		total += rejects
	}
	for _, c := range work.MostBroken(d.byRule, maxListedRules) {
		rules = append(rules, fmt.Sprintf("%s: %d", plain(c.Rule), c.Rejects))
	}
	if more := len(d.byRule) - len(rules); more > 0 {
		rules = append(rules, fmt.Sprintf("and %d more rules", more))
	}
	return total, rules
}

type machineRejects struct {
	Schema      string       `json:"schema"`
	Environment string       `json:"environment"`
	Days        []machineDay `json:"days"`
}

type machineDay struct {
	Dataset string `json:"dataset"`
	Day     string `json:"day"`
	Rejects int64  `json:"rejects"`
	// ByRule has the rules with the most rejects, at most maxMachineRules.
	ByRule map[string]int64 `json:"rejects_by_rule"`
}

// maxMachineRules is the number of rules of a dataset in the JSON part of the mail about
// rejects. SNS accepts 256 KiB.
const maxMachineRules = 10

func machineDays(days []rejectedDay) []machineDay {
	all := make([]machineDay, len(days))
	for i, d := range days {
		total, _ := d.list()
		all[i] = machineDay{Dataset: d.dataset, Day: d.day, Rejects: total, ByRule: make(map[string]int64)}
		for _, c := range work.MostBroken(d.byRule, maxMachineRules) {
			all[i].ByRule[c.Rule] = c.Rejects
		}
	}
	return all
}
