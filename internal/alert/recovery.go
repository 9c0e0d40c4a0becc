package alert

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/firn-data/firn/internal/journal"
	"github.com/firn-data/firn/internal/telemetry"
)

// ends has the number of objects of a notice's sample in each later state.
type ends map[string]int

// failedAgain begins the name of the state of an object that failed with another code.
const failedAgain = "failed with "

// checkRecovery marks a notice as recovered and sends the mail about the recovery. An
// object that firn is still processing is not recovered, because a redrive can fail
// again. The journal's index has no failed object of the cause.
func (d *Digester) checkRecovery(ctx context.Context, n journal.Notice) error {
	if d.Now().Sub(n.SeenAt) < d.settleTime() { // the index may not have the last failure yet
		return nil
	}
	after, over, err := d.endsOf(ctx, n)
	if err != nil || !over {
		return err
	}
	if len(n.Sample) == 0 { // no mail has reported a failed object
		_, err := d.Notices.CloseNotice(ctx, n)
		return err
	}
	claim := rand.Text()
	recovered, mine, err := d.Notices.RecoverNotice(ctx, n, claim)
	if err != nil || !mine {
		return err
	}
	return d.sendRecovery(ctx, recovered, claim, after)
}

// checkRecovered sends the mail of a recovered notice, if an earlier try failed.
func (d *Digester) checkRecovered(ctx context.Context, n journal.Notice) error {
	if n.NextAt.After(d.Now()) {
		return nil
	}
	after, _, err := d.endsOf(ctx, n)
	if err != nil {
		return err
	}
	claim := rand.Text()
	claimed, mine, err := d.Notices.ClaimMail(ctx, n, claim)
	if err != nil || !mine {
		return err
	}
	return d.sendRecovery(ctx, claimed, claim, after)
}

// endsOf counts the states of a notice's sample. The result is false if firn is still
// processing an object, or if an object is failed with the notice's code.
func (d *Digester) endsOf(ctx context.Context, n journal.Notice) (ends, bool, error) {
	after := make(ends)
	over := true
	for _, id := range n.Sample {
		entry, err := d.Objects.Get(ctx, id)
		switch {
		case errors.Is(err, journal.ErrNotFound):
			continue
		case err != nil:
			return nil, false, err
		case entry.State == journal.Failed && entry.Code != n.Code:
			after[failedAgain+plain(entry.Code)]++
		case entry.State.Final():
			after[string(entry.State)]++
		default:
			over = false
		}
	}
	return after, over, nil
}

// sendRecovery sends the mail about the recovery of a claimed notice and closes the
// notice.
func (d *Digester) sendRecovery(ctx context.Context, n journal.Notice, claim string, after ends) error {
	if err := d.Mailer.sendClaimed(ctx, d.Notices, n, claim, composeRecovery(n, after, d.Now(), d.Mailer.Site)); err != nil {
		return ignoreLater(err)
	}
	telemetry.Logger(ctx).InfoContext(ctx, "recovery published", telemetry.KeyDataset, n.Dataset, telemetry.KeyCode, n.Code)
	_, err := d.Notices.CloseNotice(ctx, n)
	return err
}

// composeRecovery writes the mail about the recovery of a cause.
func composeRecovery(n journal.Notice, after ends, now time.Time, site Site) mail {
	status := statusOf(n.Dataset)
	lasted := formatDuration(now.Sub(n.OpenedAt).Round(time.Second))
	text := &mailText{}
	text.linef("No object%s is failed with %s any more.", ofDataset(n.Dataset), plain(n.Code))
	text.linef("")
	text.field("To do", after.task())
	text.field("To look", status)
	text.field("Data", after.list())
	text.field("More", site.entry(n.Code))
	text.linef("")
	text.field("lasted", fmt.Sprintf("%s, from %s to %s", lasted, formatTime(n.OpenedAt), formatTime(now)))
	text.field("mailed", counted(n.Total, "failure")+" in "+counted(n.Mails, "mail"))
	return mail{
		subject: site.subject(topicOf(n.Dataset), "recovered after "+lasted+": "+n.Code), text: text.String(),
		machine: encode(machineMail{
			Schema: mailSchema, Dataset: n.Dataset, Code: n.Code, Command: status, Objects: []machineObject{},
			Environment: site.Environment, State: stateRecovered, Runbook: site.entry(n.Code),
		}),
	}
}

// task returns the next step after a recovery.
func (e ends) task() string {
	for state := range e {
		if strings.HasPrefix(state, failedAgain) {
			return "Nothing for this code. Some objects failed again with another code, and another mail reports them."
		}
	}
	return "Nothing."
}

// list returns the states of the sample's objects.
func (e ends) list() string {
	total := 0
	var parts []string
	for _, state := range slices.Sorted(maps.Keys(e)) {
		total += e[state]
		parts = append(parts, fmt.Sprintf("%d %s", e[state], state))
	}
	if total == 0 {
		return ""
	}
	return fmt.Sprintf("The last %s: %s.", counted(total, "object"), strings.Join(parts, ", "))
}
