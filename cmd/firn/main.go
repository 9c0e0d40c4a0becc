// Command firn is the operator's command: it runs the laptop's cloud, puts
// files, shows where they are, and tries failed ones again.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := rootCommand().ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "firn: "+err.Error())
		os.Exit(1)
	}
}
