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
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/google/uuid"

	"github.com/firn-data/firn/internal/awsconfig"
	"github.com/firn-data/firn/internal/batch"
	"github.com/firn-data/firn/internal/contract"
	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/journal"
	"github.com/firn-data/firn/internal/load"
	"github.com/firn-data/firn/internal/load/warehouse"
	"github.com/firn-data/firn/internal/operator"
	"github.com/firn-data/firn/internal/snowflake"
	"github.com/firn-data/firn/internal/work"
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
	// Contract is the contract of the dataset. Nil for loaders without contracts.
	Contract *contract.Contract
	// AWSEndpoint is the address for all requests to AWS. Empty for the address of the
	// environment.
	AWSEndpoint string
}

func (s loaderSettings) contracts() contract.Set {
	if s.Contract == nil {
		return nil
	}
	return contract.Set{s.Contract}
}

// input asks a process for one step: a batch of messages, or the acceptance of a
// delivery.
type input struct {
	Messages []batch.Message
	// Accept is the delivery to accept, as `firn accept` does. Empty for messages.
	Accept string
}

// acceptID is the id of an acceptance in the answer of a process.
const acceptID = "accept"

// acceptedBy is the person of all acceptances.
const acceptedBy = "arn:aws:iam::000000000000:user/ada"

// invocationTime is the time for one batch, as in the product's function.
const invocationTime = time.Minute

// output is one line of a loader's output: an announcement, a notice, or the answer to an
// input.
type output struct {
	Announcement *load.Announcement
	Held         *work.HeldDelivery
	// Failed has the failed messages by id. Nil for the other lines.
	Failed map[string]failure
}

// failure is the part of a fault that a queue needs.
type failure struct {
	Code        fault.Code
	Disposition fault.Disposition
	Text        string
}

// newLoader wires a loader as the load function does.
func newLoader(cfg aws.Config, settings loaderSettings, reports reports) *load.Loader {
	bucket := load.Bucket{Client: s3.NewFromConfig(cfg, func(s *s3.Options) { s.UsePathStyle = true }), Curated: settings.Bucket}
	return &load.Loader{
		Warehouse: warehouse.Warehouse{Config: settings.Login}, Receipts: bucket, Versions: bucket, Files: bucket,
		Publisher: reports, Notices: reports, Journal: newJournal(cfg, settings), Contracts: settings.contracts(),
		CuratedBucket: settings.Bucket, NewID: uuid.NewString, Limits: load.Limits{Objects: settings.Objects},
	}
}

// reports gets the announcements and the notices of a loader.
type reports interface {
	load.Publisher
	load.Notices
}

func newJournal(cfg aws.Config, settings loaderSettings) *journal.Table {
	return &journal.Table{Client: dynamodb.NewFromConfig(cfg), Name: settings.Journal, Now: time.Now}
}

// accept accepts a delivery as `firn accept` does.
func accept(ctx context.Context, cfg aws.Config, settings loaderSettings, delivery string) error {
	o := &operator.Operator{Contracts: settings.contracts(), Journal: newJournal(cfg, settings)}
	dataset := settings.Contract.Dataset()
	session, err := warehouse.Warehouse{Config: settings.Login}.Open(ctx, dataset, "accept "+uuid.NewString())
	if err != nil {
		return err
	}
	_, err = o.Accept(ctx, session, dataset, delivery, acceptedBy)
	return errors.Join(err, session.Close())
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

// Held implements load.Notices.
func (w *outputWriter) Held(_ context.Context, h work.HeldDelivery) error {
	return w.write(output{Held: &h})
}

// NewColumns implements load.Notices. The files of these tests have no new columns.
func (w *outputWriter) NewColumns(_ context.Context, n work.NewColumns) error {
	return fmt.Errorf("notice about new columns of %s", n.Dataset)
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
	if settings.AWSEndpoint != "" {
		if err := os.Setenv("AWS_ENDPOINT_URL", settings.AWSEndpoint); err != nil {
			return err
		}
	}
	cfg, err := awsconfig.Load(ctx)
	if err != nil {
		return err
	}
	out := &outputWriter{encoder: json.NewEncoder(os.Stdout)}
	loader := newLoader(cfg, settings, out)
	for in := json.NewDecoder(os.Stdin); ; {
		var asked input
		if err := in.Decode(&asked); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		bounded, cancel := context.WithTimeout(ctx, invocationTime)
		failed := make(map[string]failure)
		answers := loader.Handle(bounded, asked.Messages)
		if asked.Accept != "" {
			answers[acceptID] = accept(bounded, cfg, settings, asked.Accept)
		}
		for id, err := range answers {
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

// start starts a loader. The function record receives the loader's announcements and
// notices. The loader ends with the test, or earlier by kill.
func start(t testing.TB, settings loaderSettings, record func(output)) *process {
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

func (p *process) readOutput(out io.Reader, record func(output)) {
	defer close(p.answers)
	for in := json.NewDecoder(out); ; {
		var line output
		if err := in.Decode(&line); err != nil {
			return // the loader has ended
		}
		if line.Announcement != nil || line.Held != nil {
			record(line)
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
	return p.ask(input{Messages: messages})
}

// ask gives the process one input. The result alive is false if the process died.
func (p *process) ask(asked input) (failed map[string]failure, alive bool) {
	if err := p.in.Encode(asked); err != nil {
		return nil, false
	}
	failed, alive = <-p.answers
	return failed, alive
}
