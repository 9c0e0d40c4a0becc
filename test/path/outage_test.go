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

// outage is for `make test-outage`: a mail waits for a minute of outage and for
// the tick, and the breaker for its next try; and a cloud that is killed takes
// what other tests have under way along.
var outage = flag.Bool("outage", false, "end Snowflake, and wait for both mails; kill the whole cloud, and sweep")

// outageSchema is in every mail of an outage.
const outageSchema = `"schema": "firn.outage/1"`

// Snowflake is ended, and comes back: one mail for each, by the deployed
// schedule; what came meanwhile is loaded by itself, and nothing is buried.
func TestSnowflakeOutageSendsTwoMailsAndLosesNothing(t *testing.T) {
	if !*outage {
		t.Skip("run it by `make test-outage`")
	}
	earlier, since := len(mailsAbout(t, outageSchema)), time.Now()
	if err := stack.cloud.Kill("snowflake"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { runSnowflake(t) })
	o := put(t, keyOf(t, "customers.csv"), customers("outage", 4))
	awaitState(t, o, journal.Transformed)
	away := awaitOutageMail(t, earlier, "snowflake_away")
	for _, part := range []string{"connection refused", "shop.customer ", "Nothing is lost", "Then type   firn status"} {
		if !strings.Contains(away.Body, part) {
			t.Errorf("the mail lacks %q:\n%s", part, away.Body)
		}
	}
	startSnowflake(t)
	awaitStateWithin(t, longWaitLimit, o, journal.Loaded) // at the breaker's next try
	back := awaitOutageMail(t, earlier+1, "back after ")
	if !strings.Contains(back.Body, "Snowflake is back since") {
		t.Errorf("the mail is:\n%s", back.Body)
	}
	if got := rowsOf(t, o); got != 4 {
		t.Errorf("%d rows, want 4", got)
	}
	for _, line := range logOf(t, "Alert", since) {
		if line.Message == "alert published" {
			t.Errorf("a dead letter was mailed: %+v", line)
		}
	}
	if n := messagesIn(t, "LoadDeadLetters"); n != 0 {
		t.Errorf("%d dead letters are left", n)
	}
}

func runSnowflake(t *testing.T) {
	t.Helper()
	if err := stack.cloud.StartServers(context.WithoutCancel(t.Context()), "snowflake"); err != nil {
		t.Fatal(err)
	}
}

// startSnowflake starts what was killed, with its tables. The stand-in forgets
// its stages.
func startSnowflake(t *testing.T) {
	t.Helper()
	runSnowflake(t)
	_, err := warehouse(t).Query(context.WithoutCancel(t.Context()), "make the stage",
		"create stage if not exists RAW.CURATED url = 's3://"+stack.operator.Stack.CuratedBucket+"/'")
	if err != nil {
		t.Fatal(err)
	}
}

// awaitOutageMail waits until there is one outage mail more than before, and
// wants a word in its subject.
func awaitOutageMail(t *testing.T, before int, word string) demo.Mail {
	t.Helper()
	var mails []demo.Mail
	eventually(t, "a mail says "+word, func() (bool, string) {
		mails = mailsAbout(t, outageSchema)
		return len(mails) > before, fmt.Sprintf("%d mails", len(mails))
	})
	if newest := mails[len(mails)-1]; strings.Contains(newest.Subject, word) && len(mails) == before+1 {
		return newest
	}
	t.Fatalf("%d mails, want one more than %d that says %q", len(mails), before, word)
	return demo.Mail{}
}

// outageCounted is an outage whose mail counts what waits for its end.
var outageCounted = useCase{"an outage's mail counts what waits", func(t *testing.T) startedUseCase {
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

// beginOutage opens Snowflake's breaker as of a minute ago, for longer than a test
// takes.
func beginOutage(t *testing.T, cause string) {
	t.Helper()
	b := breakerOf(tableAt(-time.Minute))
	b.Failed(t.Context(), permit(t, b), &fault.Fault{
		Code: fault.SnowflakeAway, Disposition: fault.RetryAfter, After: 15 * time.Minute, Err: errors.New(cause),
	})
}

// endOutage closes the breaker and records the notice of the end, so that the next
// outage is a new one.
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

// tableAt is the journal by a clock that is wrong.
func tableAt(by time.Duration) *journal.Table {
	table := *stack.journal.(*journal.Table)
	table.Now = func() time.Time { return time.Now().Add(by) }
	return &table
}

// breakerOf is Snowflake's breaker, by the journal's clock.
func breakerOf(table *journal.Table) *breaker.Breaker {
	return &breaker.Breaker{Store: table, Dependency: breaker.Snowflake, Now: table.Now}
}
