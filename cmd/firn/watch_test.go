package main_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/firn-data/firn/cmd/firn"
)

// TestWatchPrintsBlocksUntilEnd: an output that is no terminal gets each status as a
// block. The result is the error of the last complete status.
func TestWatchPrintsBlocksUntilEnd(t *testing.T) {
	t.Parallel()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	needs := errors.New("a.b needs a person")
	var out bytes.Buffer
	shown := 0
	err := main.Watch(ctx, &out, time.Millisecond, true, func(_ context.Context, block io.Writer) error {
		shown++
		fmt.Fprintf(block, "status %d\n", shown)
		switch shown {
		case 1:
			return nil
		case 2:
			return needs
		default:
			stop() // Ctrl-C during the read
			return nil
		}
	})
	if !errors.Is(err, needs) {
		t.Errorf("watch returns %v, want %v", err, needs)
	}
	if code := main.ExitCodeAfter(err); code != 1 {
		t.Errorf("after Ctrl-C the exit code is %d, want 1, the code of the last status", code)
	}
	if code := main.ExitCodeAfter(needs); code != 130 {
		t.Errorf("without a watch the exit code after Ctrl-C is %d, want 130", code)
	}
	lines := strings.Split(out.String(), "\n")
	if len(lines) != 7 || !strings.HasSuffix(lines[0], " UTC  nothing needs a person") || lines[1] != "status 1" ||
		!strings.HasSuffix(lines[3], " UTC  a.b needs a person") || lines[4] != "status 2" || strings.Contains(out.String(), "\x1b") {
		t.Errorf("watch prints %q", out.String())
	}
}
