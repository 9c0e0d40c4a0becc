package contract_test

import (
	"strings"
	"testing"

	"github.com/firn-data/firn/internal/contract"
)

// withSchedule returns the contract of station.event with a schedule.
func withSchedule(expression string) []byte {
	quoted := "'" + strings.ReplaceAll(expression, "'", "''") + "'"
	return []byte(strings.Replace(minimal, "api: fdsn-event", "api: fdsn-event, schedule: "+quoted, 1))
}

// TestScheduleFollowsGrammarOfEventBridge: an expression that EventBridge Scheduler
// refuses at the deployment is a fault of the contract. The message names the part.
func TestScheduleFollowsGrammarOfEventBridge(t *testing.T) {
	t.Parallel()
	for expression, part := range map[string]string{
		"rate(1 hour)": "", "rate(1 hours)": "", "rate(1 minute)": "", "rate(5 minutes)": "", "rate(2 days)": "",
		"rate(2 minute)": "minutes", "rate(0 minutes)": "expression", "rate(1 week)": "expression", "rate(1.5 hours)": "expression",
		"rate(-1 hours)": "expression", "rate( 1 hour)": "expression", "every 5 minutes": "expression", "at(2026-01-01T00:00:00)": "expression",
		"": "expression", "cron": "expression", "cron(0 2 * * ? *": "expression",

		"cron(0 2 * * ? *)": "", "cron(15 0 * * ? *)": "", "cron(0/15 * * * ? *)": "", "cron(*/15 8-18 ? * MON-FRI *)": "",
		"cron(0,30 6 ? * 2,4 2026-2030)": "", "cron(0 0 L * ? *)": "", "cron(0 0 15W * ? *)": "", "cron(0 0 ? * 6L *)": "",
		"cron(0 0 ? * TUE#2 *)": "", "cron(0 0 ? * 3#5 *)": "", "cron(0 0 1 JAN,jul ? *)": "", "cron(0 5-5 1-10/2 * ? *)": "",
		"cron(0 2 * * *)": "6", "cron(0 2 * * ? * *)": "6", "cron(0  2 * * ? *)": "6",
		"cron(60 2 * * ? *)": "minute", "cron(0 24 * * ? *)": "hour", "cron(0 2 0 * ? *)": "day of the month", "cron(0 2 32 * ? *)": "day of the month",
		"cron(0 2 * 13 ? *)": "month", "cron(0 2 * FEBR ? *)": "month", "cron(0 2 ? * 0 *)": "day of the week", "cron(0 2 ? * MON/2 *)": "day of the week",
		"cron(0 2 * * ? 1969)": "year", "cron(0 2 * * ? 2200)": "year", "cron(*/60 2 * * ? *)": "minute", "cron(0/0 2 * * ? *)": "minute",
		"cron(5-2 2 * * ? *)": "minute", "cron(+5 2 * * ? *)": "minute", "cron(0 2 L-3 * ? *)": "day of the month", "cron(0 2 LW * ? *)": "day of the month",
		"cron(0 2 ?,5 * MON *)": "alone", "cron(0 2 ? * MON#1,TUE#2 *)": "alone", "cron(0 ? * * ? *)": "hour",
		"cron(0 2 * * * *)": "exactly one", "cron(0 2 ? * ? *)": "exactly one",
	} {
		_, err := contract.Read("station/event/contract.odcs.yaml", withSchedule(expression))
		switch {
		case part == "" && err != nil:
			t.Errorf("%s: %v", expression, err)
		case part != "" && err == nil:
			t.Errorf("%s is accepted", expression)
		case part != "" && !strings.Contains(err.Error(), part):
			t.Errorf("%s: %v, want a message about %q", expression, err, part)
		}
	}
}

// FuzzSchedule checks that no expression stops the reader, and that an accepted cron
// expression has six fields with one ?.
func FuzzSchedule(f *testing.F) {
	for _, seed := range []string{"rate(1 hour)", "cron(0 2 * * ? *)", "cron(0/15 8-18 ? * MON#2 *)", "cron(,,-/ * L ? *)"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, expression string) {
		if strings.ContainsFunc(expression, func(r rune) bool { return r < ' ' || r > '~' }) {
			return // YAML changes or refuses these characters
		}
		if _, err := contract.Read("station/event/contract.odcs.yaml", withSchedule(expression)); err != nil {
			return
		}
		if strings.HasPrefix(expression, "cron(") && (len(strings.Fields(expression)) != 6 || strings.Count(expression, "?") != 1) {
			t.Errorf("%q is accepted", expression)
		}
	})
}
