package main

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"syscall"
)

// interruption is the end of a command by a signal.
type interruption struct{ signal os.Signal }

func (interruption) Error() string { return "interrupted" }

// code is the exit code of a shell for the signal: 130 after Ctrl-C.
func (i interruption) code() int {
	number, _ := i.signal.(syscall.Signal)
	return 128 + int(number)
}

// untilSignal returns a context that the first of the signals cancels with an
// interruption as the cause.
func untilSignal(ctx context.Context, signals ...os.Signal) context.Context {
	ctx, cancel := context.WithCancelCause(ctx)
	received := make(chan os.Signal, 1)
	signal.Notify(received, signals...)
	go func() { cancel(interruption{<-received}) }()
	return ctx
}

// isInterruption reports whether a signal caused an error.
func isInterruption(err error) bool {
	var i interruption
	return errors.As(err, &i)
}

// withInterruption gives the error of an interrupted command the exit code of the
// signal, and a text that begins with "interrupted". The error of a watch stays as it is,
// because a signal is the usual end of a watch.
func withInterruption(ctx context.Context, err error) error {
	var i interruption
	switch {
	case errors.As(err, new(watched)), !errors.As(context.Cause(ctx), &i):
		return err
	case !isInterruption(err):
		err = interrupted{i, err}
	}
	return codedError{err, i.code()}
}

// interrupted is the error of a command that ended because of an interruption.
type interrupted struct {
	interruption

	err error
}

func (i interrupted) Error() string { return i.interruption.Error() + ": " + i.err.Error() }

// Unwrap returns the error without the interruption.
func (i interrupted) Unwrap() error { return i.err }
