// Command firn is the operator's command: it runs the laptop's cloud, puts files, shows
// states, and retries failed objects.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"

	"github.com/firn-data/firn/internal/fault"
)

func main() {
	ctx := untilSignal(context.Background(), os.Interrupt, syscall.SIGTERM)
	if err := rootCommand().ExecuteContext(ctx); err != nil {
		err = withInterruption(ctx, err)
		fmt.Fprintln(os.Stderr, "firn: "+explain(err))
		os.Exit(exitCode(err))
	}
}

// explain returns the text of an error. For a fault without an interruption, explain
// adds the advice.
func explain(err error) string {
	var f *fault.Fault
	if errors.As(err, &f) && f.Advice() != "" && !isInterruption(err) {
		return err.Error() + ". " + f.Advice()
	}
	return err.Error()
}
