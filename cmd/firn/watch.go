package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"time"
)

// defaultWatchInterval is the time between two statuses of a watch.
const defaultWatchInterval = 5 * time.Second

// clearScreen moves the cursor of a terminal to the top left and clears the screen.
const clearScreen = "\x1b[H\x1b[2J"

// watch shows a status, and shows the status again after each interval, until the end of
// the context. It returns the error of the last complete status. A terminal shows only
// the newest status; any other output gets all statuses, one after the other. With
// headed, a line with the time and the result comes first.
func watch(ctx context.Context, out io.Writer, interval time.Duration, headed bool, show func(context.Context, io.Writer) error) error {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	var last error
	for {
		var status bytes.Buffer
		err := show(ctx, &status)
		if ctx.Err() != nil {
			return ended(last)
		}
		last = err
		if isTerminal(out) {
			fmt.Fprint(out, clearScreen)
		}
		if headed {
			fmt.Fprintln(out, time.Now().UTC().Format(statusTime)+"  "+watchResult(err))
		}
		if _, err := fmt.Fprintf(out, "%s\n", status.Bytes()); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ended(last)
		case <-ticker.C:
		}
	}
}

// watched is the error of the last status of a watch. An interruption keeps its exit code.
type watched struct{ error }

// Unwrap returns the error of the status.
func (w watched) Unwrap() error { return w.error }

// ended marks the error of the last status; nil stays nil.
func ended(last error) error {
	if last == nil {
		return nil
	}
	return watched{last}
}

// watchResult describes the result of a status in one line.
func watchResult(err error) string {
	if err == nil {
		return "nothing needs a person"
	}
	return printable(explain(err))
}
