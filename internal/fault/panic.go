package fault

import (
	"errors"
	"fmt"
	"path"
	"reflect"
	"runtime"
	"strings"
)

// Recover turns a panic into a fault in err: disposition Retry, code crashed. Defer
// Recover itself: a call in another deferred function recovers nothing. Without a panic
// err doesn't change.
//
// The cause has the type of the panic's value and the place of the panic in firn's code:
// function, file and line. The value can quote a row, so its text isn't in the cause.
// Errors of Go's runtime are an exception: their texts have only types, indexes and
// lengths (pkg.go.dev/runtime#Error).
func Recover(op string, err *error) {
	if value := recover(); value != nil {
		*err = Retryable(op, Crashed, errors.New("panic: "+describePanic(value)+" at "+panicPlace()))
	}
}

// describePanic returns the type of a panic's value, or the text of an error of Go's
// runtime. Other packages can implement runtime.Error, too.
func describePanic(value any) string {
	if err, isRuntime := value.(runtime.Error); isRuntime && isFromRuntime(reflect.TypeOf(value)) {
		return OneLine(err.Error())
	}
	return fmt.Sprintf("a value of type %T", value)
}

func isFromRuntime(of reflect.Type) bool {
	if of.Kind() == reflect.Pointer {
		of = of.Elem()
	}
	return of.PkgPath() == "runtime" || strings.HasPrefix(of.PkgPath(), "internal/runtime/")
}

// module is the path of firn's module with a slash at the end.
var module = strings.TrimSuffix(reflect.TypeFor[Fault]().PkgPath(), "internal/fault")

// maxFrames is the number of functions on the stack that panicPlace searches.
const maxFrames = 256

// panicPlace returns the innermost function of firn on the stack of a panic, with file
// and line.
func panicPlace() string {
	var callers [maxFrames]uintptr
	const own = 3 // Callers, panicPlace and Recover
	frames := runtime.CallersFrames(callers[:runtime.Callers(own, callers[:])])
	for {
		frame, more := frames.Next()
		if name, isFirn := strings.CutPrefix(frame.Function, module); isFirn {
			return fmt.Sprintf("%s (%s:%d)", name, path.Join(packageOf(name), path.Base(frame.File)), frame.Line)
		}
		if !more {
			return "an unknown place"
		}
	}
}

// packageOf returns the path of a function's package. The file of a frame can have the
// folder of the build machine, so the place has the path of the package instead.
func packageOf(function string) string {
	dot := strings.IndexByte(path.Base(function), '.')
	return function[:len(function)-len(path.Base(function))+max(dot, 0)]
}
