package fault_test

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/firn-data/firn/internal/fault"
)

// cell is the text of a row in these tests.
const cell = "SSN078Panic1120"

// loudError implements runtime.Error outside Go's runtime.
type loudError struct{}

func (loudError) Error() string { return cell }
func (loudError) RuntimeError() {}

// raceWordings has the runtime's usual words for an error that the runtime words
// differently under the race detector.
var raceWordings = map[string]string{
	"hash of unhashable type: []string": "runtime error: hash of unhashable type []string",
}

// TestPanicKeepsTypeAndPlace panics with a value of a row in many forms. The cause has
// the type of the value, or the text of an error of Go's runtime.
func TestPanicKeepsTypeAndPlace(t *testing.T) {
	t.Parallel()
	var (
		number      = len(cell)
		values      = []string{cell}
		missing     map[string]int
		none        *fault.Fault
		text        any = cell
		unhashable  any = []string{cell}
		counts          = map[any]int{}
		parseErr        = func() error { _, err := strconv.Atoi(cell); return err }()
		faultOfCell     = fault.Permanentf("read", fault.BadHeader, "%s", cell)
	)
	for name, test := range map[string]struct {
		panics func()
		want   string
	}{
		"text":                     {func() { panic(cell) }, "a value of type string"},
		"formatted text":           {func() { panic(fmt.Sprintf("bad %s", cell)) }, "a value of type string"},
		"error":                    {func() { panic(parseErr) }, "a value of type *strconv.NumError"},
		"wrapped error":            {func() { panic(fmt.Errorf("row: %w", parseErr)) }, "a value of type *fmt.wrapError"},
		"fault":                    {func() { panic(faultOfCell) }, "a value of type *fault.Fault"},
		"struct":                   {func() { panic(struct{ Name string }{cell}) }, "a value of type struct { Name string }"},
		"number":                   {func() { panic(781120) }, "a value of type int"},
		"foreign runtime error":    {func() { panic(loudError{}) }, "a value of type fault_test.loudError"},
		"pointer to such error":    {func() { panic(&loudError{}) }, "a value of type *fault_test.loudError"},
		"joined errors":            {func() { panic(errors.Join(parseErr, loudError{})) }, "a value of type *errors.joinError"},
		"nothing":                  {func() { panic(nil) }, "panic called with nil argument"},
		"index":                    {func() { _ = values[number] }, "runtime error: index out of range [15] with length 1"},
		"slice":                    {func() { _ = cell[number+1:] }, "runtime error: slice bounds out of range [16:15]"},
		"map":                      {func() { missing[cell] = 1 }, "assignment to entry in nil map"},
		"pointer":                  {func() { none.Code = fault.Code(cell) }, "runtime error: invalid memory address or nil pointer dereference"},
		"division":                 {func() { _ = 1 / (number - len(cell)) }, "runtime error: integer divide by zero"},
		"type assertion":           {func() { _ = text.(int) }, "interface conversion: interface {} is string, not int"},
		"method assertion":         {func() { _ = text.(error) }, "interface conversion: string is not error: missing method Error"},
		"key that can't be hashed": {func() { counts[unhashable]++ }, "runtime error: hash of unhashable type []string"},
		"array":                    {func() { _ = [2]string(values) }, "runtime error: cannot convert slice with length 1 to array or pointer to array with length 2"},
		"inside the library":       {func() { _ = strings.Repeat(cell, -number) }, "a value of type string"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := func() (err error) {
				defer fault.Recover("read row", &err)
				test.panics()
				return nil
			}()
			f := fault.As(err)
			if f == nil || f.Op != "read row" || f.Code != fault.Crashed || f.Disposition != fault.Retry {
				t.Fatalf("fault %+v", f)
			}
			if strings.Contains(err.Error(), cell) || strings.Contains(err.Error(), "781120") {
				t.Errorf("the fault quotes the value: %v", err)
			}
			description, place, _ := strings.Cut(strings.TrimPrefix(f.Cause(), "panic: "), " at ")
			if raceDetected, ok := raceWordings[description]; ok {
				description = raceDetected
			}
			if description != test.want {
				t.Errorf("description %q, want %q", description, test.want)
			}
			if !regexp.MustCompile(`^internal/fault_test\.TestPanicKeepsTypeAndPlace\.func\d+ \(internal/fault_test/panic_test\.go:\d+\)$`).MatchString(place) {
				t.Errorf("place %q", place)
			}
		})
	}
}

// TestRecoverWithoutPanicKeepsError covers a function that returns as usual.
func TestRecoverWithoutPanicKeepsError(t *testing.T) {
	t.Parallel()
	for _, want := range []error{nil, errCause} {
		err := func() (err error) {
			defer fault.Recover("read row", &err)
			return want
		}()
		if !errors.Is(err, want) {
			t.Errorf("error %v, want %v", err, want)
		}
	}
}
