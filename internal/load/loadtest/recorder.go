package loadtest

import (
	"fmt"
	"runtime"
	"sync"
	"testing"
)

// Recorder is a test whose failures don't fail the real test around the recorder.
type Recorder struct {
	testing.TB

	mutex    sync.Mutex
	failures []string
}

// Failures runs a case and returns the texts of the case's failures.
func Failures(t testing.TB, run func(t testing.TB)) []string {
	t.Helper()
	r := &Recorder{TB: t}
	done := make(chan struct{})
	go func() { // FailNow ends this goroutine
		defer close(done)
		run(r)
	}()
	<-done
	r.mutex.Lock()
	defer r.mutex.Unlock()
	return r.failures
}

func (r *Recorder) record(text string) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	r.failures = append(r.failures, text)
}

// Helper implements testing.TB.
func (r *Recorder) Helper() {}

// Error implements testing.TB.
func (r *Recorder) Error(args ...any) { r.record(fmt.Sprintln(args...)) }

// Errorf implements testing.TB.
func (r *Recorder) Errorf(format string, args ...any) { r.record(fmt.Sprintf(format, args...)) }

// Fatal implements testing.TB.
func (r *Recorder) Fatal(args ...any) {
	r.Error(args...)
	runtime.Goexit()
}

// Fatalf implements testing.TB.
func (r *Recorder) Fatalf(format string, args ...any) {
	r.Errorf(format, args...)
	runtime.Goexit()
}

// Fail implements testing.TB.
func (r *Recorder) Fail() { r.record("the test failed") }

// FailNow implements testing.TB.
func (r *Recorder) FailNow() {
	r.Fail()
	runtime.Goexit()
}

// Failed implements testing.TB.
func (r *Recorder) Failed() bool {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	return len(r.failures) > 0
}
