//go:build endtoend

package processes_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/google/uuid"

	"github.com/firn-data/firn/internal/batch"
	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/journal"
	"github.com/firn-data/firn/internal/load"
	"github.com/firn-data/firn/internal/load/warehouse"
	"github.com/firn-data/firn/internal/snowflake"
)

// settingsVariable has the loaderSettings as JSON. With this variable the test binary
// is a loader.
const settingsVariable = "FIRN_TEST_LOADER"

// loaderSettings are the settings of a loader process.
type loaderSettings struct {
	Login   snowflake.Config
	Bucket  string
	Journal string
	// Objects limits the objects of a transaction. 0 is the product's default.
	Objects int
}

// invocationTime is the time for one batch, as in the product's function.
const invocationTime = time.Minute

// output is one line of a loader's output: an announcement, or the answer to a batch.
type output struct {
	Announcement *load.Announcement
	// Failed has the failed messages by id. Nil if the line is an announcement.
	Failed map[string]failure
}

// failure is the part of a fault that a queue needs.
type failure struct {
	Code        fault.Code
	Disposition fault.Disposition
	Text        string
}

// newLoader wires a loader as the load function does.
func newLoader(cfg aws.Config, settings loaderSettings, publisher load.Publisher) *load.Loader {
	bucket := load.Bucket{Client: s3.NewFromConfig(cfg, func(s *s3.Options) { s.UsePathStyle = true })}
	return &load.Loader{
		Warehouse: warehouse.Warehouse{Config: settings.Login}, Receipts: bucket, Versions: bucket, Publisher: publisher,
		Journal:       &journal.Table{Client: dynamodb.NewFromConfig(cfg), Name: settings.Journal, Now: time.Now},
		CuratedBucket: settings.Bucket, NewID: uuid.NewString, Limits: load.Limits{Objects: settings.Objects},
	}
}

// outputWriter is a loader's standard output, with one output value on each line.
type outputWriter struct {
	mutex   sync.Mutex
	encoder *json.Encoder
}

func (w *outputWriter) write(line output) error {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	return w.encoder.Encode(line)
}

// Publish implements load.Publisher.
func (w *outputWriter) Publish(_ context.Context, n load.Announcement) error {
	return w.write(output{Announcement: &n})
}

// runLoader handles the batches from standard input until the end of the input.
func runLoader(text string) int {
	if err := handleAll(context.Background(), text); err != nil {
		fmt.Fprintln(os.Stderr, "loader:", err)
		return 1
	}
	return 0
}

func handleAll(ctx context.Context, text string) error {
	var settings loaderSettings
	if err := json.Unmarshal([]byte(text), &settings); err != nil {
		return err
	}
	cfg, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return err
	}
	out := &outputWriter{encoder: json.NewEncoder(os.Stdout)}
	loader := newLoader(cfg, settings, out)
	for in := json.NewDecoder(os.Stdin); ; {
		var messages []batch.Message
		if err := in.Decode(&messages); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		bounded, cancel := context.WithTimeout(ctx, invocationTime)
		failed := make(map[string]failure)
		for id, err := range loader.Handle(bounded, messages) {
			if f := fault.As(err); f != nil {
				failed[id] = failure{Code: f.Code, Disposition: f.Disposition, Text: f.Error()}
			}
		}
		cancel()
		if err := out.write(output{Failed: failed}); err != nil {
			return err
		}
	}
}

// process is a loader in a process of its own.
type process struct {
	command *exec.Cmd
	in      *json.Encoder
	answers chan map[string]failure
	log     bytes.Buffer
}

// start starts a loader. The function record receives the loader's announcements. The
// loader ends with the test, or earlier by kill.
func start(t testing.TB, settings loaderSettings, record func(load.Announcement)) *process {
	t.Helper()
	text, err := json.Marshal(settings)
	if err != nil {
		t.Fatal(err)
	}
	p := &process{command: exec.Command(os.Args[0]), answers: make(chan map[string]failure)}
	p.command.Env = append(os.Environ(), settingsVariable+"="+string(text))
	p.command.Stderr = &p.log
	in, err := p.command.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := p.command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.in = json.NewEncoder(in)
	if err := p.command.Start(); err != nil {
		t.Fatal(err)
	}
	go p.readOutput(out, record)
	t.Cleanup(func() {
		_ = in.Close()
		for ended := false; !ended; {
			_, more := <-p.answers
			ended = !more
		}
		_ = p.command.Wait()               // an error is expected after a kill
		if t.Failed() && p.log.Len() > 0 { // the SDK warns about connections that a stand-in closed
			t.Logf("log of a loader:\n%s", p.log.String())
		}
	})
	return p
}

func (p *process) readOutput(out io.Reader, record func(load.Announcement)) {
	defer close(p.answers)
	for in := json.NewDecoder(out); ; {
		var line output
		if err := in.Decode(&line); err != nil {
			return // the loader has ended
		}
		if line.Announcement != nil {
			record(*line.Announcement)
			continue
		}
		p.answers <- line.Failed
	}
}

// kill sends SIGKILL to the loader.
func (p *process) kill() { _ = p.command.Process.Kill() }

// handle gives the loader a batch. The result alive is false if the loader died during
// the batch.
func (p *process) handle(messages []batch.Message) (failed map[string]failure, alive bool) {
	if err := p.in.Encode(messages); err != nil {
		return nil, false
	}
	failed, alive = <-p.answers
	return failed, alive
}
