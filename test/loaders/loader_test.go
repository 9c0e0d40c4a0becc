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

// settingsVariable makes the test binary a loader.
const settingsVariable = "FIRN_TEST_LOADER"

// loaderSettings is what a loader is told when it starts.
type loaderSettings struct {
	Login   snowflake.Config
	Bucket  string
	Journal string
	// Objects bounds a transaction; 0 is the product's default.
	Objects int
}

// invocationTime is what a function of the product has for one batch.
const invocationTime = time.Minute

// output is one line of a loader's: news that it published, or its answer to a
// batch.
type output struct {
	Announcement *load.Announcement
	// Failed are the messages that aren't done, by id. Nil for news.
	Failed map[string]failure
}

// failure is a fault as far as a queue needs it.
type failure struct {
	Code        fault.Code
	Disposition fault.Disposition
	Text        string
}

// newLoader wires a loader as the function does, to what the orders name.
func newLoader(cfg aws.Config, o loaderSettings, news load.Publisher) *load.Loader {
	bucket := load.Bucket{Client: s3.NewFromConfig(cfg, func(s *s3.Options) { s.UsePathStyle = true })}
	return &load.Loader{
		Warehouse: warehouse.Warehouse{Config: o.Login}, Receipts: bucket, Versions: bucket, Publisher: news,
		Journal:       &journal.Table{Client: dynamodb.NewFromConfig(cfg), Name: o.Journal, Now: time.Now},
		CuratedBucket: o.Bucket, NewID: uuid.NewString, Limits: load.Limits{Objects: o.Objects},
	}
}

// outputWriter is a loader's standard output: one word a line.
type outputWriter struct {
	mutex   sync.Mutex
	encoder *json.Encoder
}

func (s *outputWriter) write(w output) error {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return s.encoder.Encode(w)
}

// Publish implements load.Publisher.
func (s *outputWriter) Publish(_ context.Context, n load.Announcement) error {
	return s.write(output{Announcement: &n})
}

// runLoader handles the batches on standard input until it ends.
func runLoader(text string) int {
	if err := handleAll(context.Background(), text); err != nil {
		fmt.Fprintln(os.Stderr, "loader:", err)
		return 1
	}
	return 0
}

func handleAll(ctx context.Context, text string) error {
	var o loaderSettings
	if err := json.Unmarshal([]byte(text), &o); err != nil {
		return err
	}
	cfg, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return err
	}
	out := &outputWriter{encoder: json.NewEncoder(os.Stdout)}
	loader := newLoader(cfg, o, out)
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

// process is a loader that runs beside the test.
type process struct {
	command *exec.Cmd
	in      *json.Encoder
	answers chan map[string]failure
	log     bytes.Buffer
}

// start starts a loader. What it publishes goes to news. It ends with the
// test, if nobody kills it before.
func start(t testing.TB, o loaderSettings, news func(load.Announcement)) *process {
	t.Helper()
	text, err := json.Marshal(o)
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
	go p.readOutput(out, news)
	t.Cleanup(func() {
		_ = in.Close()
		for ended := false; !ended; {
			_, more := <-p.answers
			ended = !more
		}
		_ = p.command.Wait()               // a killed one ends in an error, as it should
		if t.Failed() && p.log.Len() > 0 { // the SDK warns of connections that a stand-in closed
			t.Logf("a loader said:\n%s", p.log.String())
		}
	})
	return p
}

func (p *process) readOutput(out io.Reader, news func(load.Announcement)) {
	defer close(p.answers)
	for in := json.NewDecoder(out); ; {
		var w output
		if err := in.Decode(&w); err != nil {
			return // it has ended
		}
		if w.Announcement != nil {
			news(*w.Announcement)
			continue
		}
		p.answers <- w.Failed
	}
}

// kill is kill -9.
func (p *process) kill() { _ = p.command.Process.Kill() }

// handle gives the loader a batch. It reports false if the loader died over
// it.
func (p *process) handle(messages []batch.Message) (failed map[string]failure, lives bool) {
	if err := p.in.Encode(messages); err != nil {
		return nil, false
	}
	failed, lives = <-p.answers
	return failed, lives
}
