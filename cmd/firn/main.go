// Command firn is the operator's command: it runs the laptop's cloud, puts files, shows
// states, and retries failed objects.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/firn-data/firn/internal/fault"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := rootCommand().ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "firn: "+explain(err))
		os.Exit(exitCode(err))
	}
}

// explain returns the text of an error, and for a fault also the advice.
func explain(err error) string {
	var f *fault.Fault
	if errors.As(err, &f) && f.Advice() != "" {
		return err.Error() + ". " + f.Advice()
	}
	return err.Error()
}
