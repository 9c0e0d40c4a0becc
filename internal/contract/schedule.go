package contract

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

var rateExpression = regexp.MustCompile(`^rate\(([1-9][0-9]{0,8}) (minute|hour|day)(s?)\)$`)

// checkSchedule returns the fault of a schedule that EventBridge Scheduler would refuse at
// the deployment; nil for none. The grammar is that of the page schedule-types
// (scheduler/latest/UserGuide). firn takes no one-time schedule.
func checkSchedule(expression string) error {
	if match := rateExpression.FindStringSubmatch(expression); match != nil {
		if match[1] != "1" && match[3] == "" {
			return fmt.Errorf("%s: the unit of %s must be %ss", expression, match[1], match[2])
		}
		return nil
	}
	inner, isCron := strings.CutPrefix(expression, "cron(")
	inner, isClosed := strings.CutSuffix(inner, ")")
	if !isCron || !isClosed {
		return errors.New("must be an EventBridge Scheduler expression such as rate(1 hour) or cron(0 2 * * ? *)")
	}
	return checkCron(expression, strings.Split(inner, " "))
}

// cronField is one of the six fields of a cron expression.
type cronField struct {
	name        string
	first, last int
	// names are the names of the numbers from first on; nil for none.
	names []string
	// steps reports whether a step such as /15 may stand in the field.
	steps bool
	// special are the further forms of a part; nil for none.
	special *regexp.Regexp
}

// The fields of a cron expression, in their order.
var cronFields = []cronField{
	{name: "minute", first: 0, last: 59, steps: true},
	{name: "hour", first: 0, last: 23, steps: true},
	{name: "day of the month", first: 1, last: 31, steps: true, special: regexp.MustCompile(`^(\?|L|([1-9]|[12][0-9]|3[01])W)$`)},
	{name: "month", first: 1, last: 12, steps: true, names: []string{"JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"}},
	{name: "day of the week", first: 1, last: 7, names: []string{"SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"}, special: regexp.MustCompile(`^(\?|L|[1-7]L|([1-7]|SUN|MON|TUE|WED|THU|FRI|SAT)#[1-5])$`)},
	{name: "year", first: 1970, last: 2199, steps: true},
}

const (
	dayOfMonth = 2
	dayOfWeek  = 4
)

func checkCron(expression string, fields []string) error {
	if len(fields) != len(cronFields) {
		return fmt.Errorf("%s: %d fields instead of 6: minute, hour, day, month, weekday and year", expression, len(fields))
	}
	for i, f := range cronFields {
		if err := f.check(fields[i]); err != nil {
			return fmt.Errorf("%s: %w", expression, err)
		}
	}
	if (fields[dayOfMonth] == "?") == (fields[dayOfWeek] == "?") {
		return fmt.Errorf("%s: exactly one of day of the month and day of the week must be ?", expression)
	}
	return nil
}

// check checks a field: parts with commas between them.
func (f cronField) check(text string) error {
	parts := strings.Split(text, ",")
	for _, part := range parts {
		special := f.special != nil && f.special.MatchString(part)
		if special && len(parts) > 1 && (part == "?" || strings.Contains(part, "#")) {
			return fmt.Errorf("the %s %q: %s must stand alone", f.name, text, part)
		}
		if !special && !f.isPlain(part) {
			return fmt.Errorf("the %s %q isn't %s", f.name, text, f.describe())
		}
	}
	return nil
}

// isPlain reports whether a part is *, a number, a range, or one of these with a step.
func (f cronField) isPlain(part string) bool {
	values, step, hasStep := strings.Cut(part, "/")
	if hasStep {
		n, err := strconv.Atoi(step)
		if err != nil || !f.steps || n < 1 || n > f.last || step[0] == '+' {
			return false
		}
	}
	if values == "*" {
		return true
	}
	from, to, isRange := strings.Cut(values, "-")
	first, last := f.number(from), f.number(from)
	if isRange {
		last = f.number(to)
	}
	return first >= f.first && last >= first && last <= f.last
}

// number returns the number of a value, or -1 for another text.
func (f cronField) number(text string) int {
	if i := slices.Index(f.names, strings.ToUpper(text)); i >= 0 {
		return f.first + i
	}
	if strings.TrimLeft(text, "0123456789") != "" || len(text) > 4 {
		return -1
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		return -1
	}
	return n
}

func (f cronField) describe() string {
	text := fmt.Sprintf("* or a value from %d to %d", f.first, f.last)
	if f.names != nil {
		text += fmt.Sprintf(", or from %s to %s", f.names[0], f.names[len(f.names)-1])
	}
	return text
}
