package main

import (
	"io"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// progressBar shows a wait on a terminal. Other outputs stay empty, so logs stay
// readable.
type progressBar struct {
	progress *progressbar.ProgressBar
	done     chan struct{}
	stopped  chan struct{}
}

// spinner shows a wait of unknown length until the call of stop.
func spinner(out io.Writer, name string) *progressBar {
	b := &progressBar{progress: newProgress(out, -1, name), done: make(chan struct{}), stopped: make(chan struct{})}
	_ = b.progress.RenderBlank()
	go b.spin()
	return b
}

// counter shows a wait for a number of calls of add.
func counter(out io.Writer, total int, name string) *progressBar {
	return &progressBar{progress: newProgress(out, total, name)}
}

func newProgress(out io.Writer, total int, name string) *progressbar.ProgressBar {
	options := []progressbar.Option{
		progressbar.OptionSetWriter(out),
		progressbar.OptionSetVisibility(isTerminal(out)),
		progressbar.OptionSetDescription(name),
		progressbar.OptionSetElapsedTime(true),
		progressbar.OptionClearOnFinish(),
	}
	if total > 0 {
		options = append(options, progressbar.OptionShowCount())
	}
	return progressbar.NewOptions(total, options...)
}

func (b *progressBar) spin() {
	defer close(b.stopped)
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	for {
		select {
		case <-b.done:
			return
		case <-ticker.C:
			_ = b.progress.Add(1)
		}
	}
}

func (b *progressBar) add() { _ = b.progress.Add(1) }

func (b *progressBar) stop() {
	if b.done != nil {
		close(b.done)
		<-b.stopped
	}
	_ = b.progress.Finish()
}

func isTerminal(out io.Writer) bool {
	file, ok := out.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}
