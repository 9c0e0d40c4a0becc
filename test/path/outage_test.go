//go:build endtoend

package path_test

import (
	"context"
	"crypto/rand"
	"errors"
	"flag"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/firn-data/firn/internal/breaker"
	"github.com/firn-data/firn/internal/demo"
	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/journal"
)

// outage enables the slow tests of `make test-outage`. A mail needs a minute of outage
// and a tick, and the breaker needs its next try. A kill of the whole cloud would also
// disturb other tests.
var outage = flag.Bool("outage", false, "run the slow tests with an outage of Snowflake and a kill of the whole cloud")

// outageSchema is in each mail about an outage.
const outageSchema = `"schema": "firn.outage/1"`

// Snowflake stops and starts again. The deployed schedule sends one mail for each.
// Objects of the outage are loaded without a command, and no dead letter appears.
func TestSnowflakeOutageSendsTwoMailsAndLosesNothing(t *testing.T) {
	if !*outage {
		t.Skip("the test needs `make test-outage`")
	}
	before, since := len(mailsAbout(t, outageSchema)), time.Now()
	if err := stack.cloud.Kill("snowflake"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { runSnowflake(t) })
	o := put(t, keyOf(t, "customers.csv"), customers("outage", 4))
	awaitState(t, o, journal.Transformed)
	startMail := awaitOutageMail(t, before, "snowflake_away")
	for _, part := range []string{"connection refused", "shop.customer ", "Nothing is lost", "Then type   firn status"} {
		if !strings.Contains(startMail.Body, part) {
			t.Errorf("the mail lacks %q:\n%s", part, startMail.Body)
		}
	}
	startSnowflake(t)
	awaitStateWithin(t, longWaitLimit, o, journal.Loaded) // at the breaker's next try
	endMail := awaitOutageMail(t, before+1, "back after ")
	if !strings.Contains(endMail.Body, "Snowflake is back.") {
		t.Errorf("the mail doesn't report the end of the outage:\n%s", endMail.Body)
	}
	if got := rowsOf(t, o); got != 4 {
		t.Errorf("%d rows, want 4", got)
	}
	for _, line := range logOf(t, "Alert", since) {
		if line.Message == "alert published" {
			t.Errorf("alert sent a mail about a dead letter: %+v", line)
		}
	}
	if n := messagesIn(t, "LoadDeadLetters"); n != 0 {
		t.Errorf("the load queue has %d dead letters, want 0", n)
	}
}

func runSnowflake(t *testing.T) {
	t.Helper()
	if err := stack.cloud.StartServers(context.WithoutCancel(t.Context()), "snowflake"); err != nil {
		t.Fatal(err)
	}
}

// startSnowflake starts the killed stand-in with its tables. The stand-in has lost the
// stages.
func startSnowflake(t *testing.T) {
	t.Helper()
	runSnowflake(t)
	_, err := warehouse(t).Query(context.WithoutCancel(t.Context()), "create the stage",
		"create stage if not exists RAW.CURATED url = 's3://"+stack.operator.Stack.CuratedBucket+"/'")
	if err != nil {
		t.Fatal(err)
	}
}

// awaitOutageMail waits for the next outage mail after the first before mails. The
// subject must contain word.
// wants a word in its subject.
func awaitOutageMail(t *testing.T, before int, subject string) demo.Mail {
	t.Helper()
	var mails []demo.Mail
	eventually(t, "a mail with the subject "+subject+" arrives", func() (bool, string) {
		mails = mailsAbout(t, outageSchema)
		return len(mails) > before, fmt.Sprintf("%d mails", len(mails))
	})
	if newest := mails[len(mails)-1]; strings.Contains(newest.Subject, subject) && len(mails) == before+1 {
		return newest
	}
	t.Fatalf("%d mails, want %d and one more with the subject %q", len(mails), before, subject)
	return demo.Mail{}
}

// outageCounted is an outage whose mail has the number of waiting objects.
var outageCounted = useCase{"an outage's mail has the number of waiting objects", func(t *testing.T) startedUseCase {
	t.Helper()
	t.Cleanup(pauseLoads(t))
	o := put(t, keyOf(t, "customers.csv"), customers("waits", 2))
	awaitState(t, o, journal.Transformed)
	var cause string
	begin := func() {
		cause = "outage-" + rand.Text()
		beginOutage(t, cause)
		sendTo(t, "AlertQueue", fmt.Sprintf(`{"tick":%q}`, time.Now().UTC().Format(time.RFC3339)))
	}
	begin()
	t.Cleanup(func() { endOutage(t) })
	return startedUseCase{
		done: func() (bool, string) {
			mails := mailsAbout(t, cause)
			return len(mails) > 0 && strings.Contains(mails[0].Body, "shop.customer "), fmt.Sprint(mails)
		},
		repair: func() {
			endOutage(t)
			begin()
		},
	}
}}

// beginOutage opens Snowflake's breaker with a start a minute ago, until after the end
// of the test.
func beginOutage(t *testing.T, cause string) {
	t.Helper()
	b := breakerOf(tableAt(-time.Minute))
	b.Failed(t.Context(), permit(t, b), &fault.Fault{
		Code: fault.SnowflakeAway, Disposition: fault.RetryAfter, After: 15 * time.Minute, Err: errors.New(cause),
	})
}

// endOutage closes the breaker and records the notice of the end, so that the next
// outage is a new outage.
func endOutage(t *testing.T) {
	t.Helper()
	ctx := context.WithoutCancel(t.Context())
	table := tableAt(time.Hour)
	b := breakerOf(table)
	b.Worked(ctx, permit(t, b))
	outage, err := table.Outage(ctx, b.Dependency)
	if err == nil {
		err = table.RecordNotice(ctx, outage, breaker.NoticeEnded)
	}
	if err != nil {
		t.Error(err)
	}
}

func permit(t *testing.T, b *breaker.Breaker) breaker.Permit {
	t.Helper()
	p, err := b.Enter(context.WithoutCancel(t.Context()))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// tableAt returns the journal with a shifted clock.
func tableAt(by time.Duration) *journal.Table {
	table := *stack.journal.(*journal.Table)
	table.Now = func() time.Time { return time.Now().Add(by) }
	return &table
}

// breakerOf returns Snowflake's breaker with the journal's clock.
func breakerOf(table *journal.Table) *breaker.Breaker {
	return &breaker.Breaker{Store: table, Dependency: breaker.Snowflake, Now: table.Now}
}
