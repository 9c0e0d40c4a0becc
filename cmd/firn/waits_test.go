//go:build standin

package main_test

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	dynamotypes "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/firn-data/firn/internal/alert"
	"github.com/firn-data/firn/internal/awsconfig"
	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/journal"
	"github.com/firn-data/firn/internal/object"
)

// waitingPath is a path with proxies in front of both stand-ins, and with alert's
// checks of waits and outages. The test moves the clock of the checks.
type waitingPath struct {
	*path

	aws, snowflake *proxy
	mails          *mails
	clock          time.Time
	waits          *alert.WaitWatcher
	outages        *alert.OutageWatcher
}

// mails is a topic that keeps the mails.
type mails struct{ all []*sns.PublishInput }

// Publish implements alert.Topic.
func (m *mails) Publish(_ context.Context, in *sns.PublishInput, _ ...func(*sns.Options)) (*sns.PublishOutput, error) {
	m.all = append(m.all, in)
	return &sns.PublishOutput{}, nil
}

// subjects returns the subjects of the mails about a dataset or a dependency.
func (m *mails) subjects(topic string) []string {
	var subjects []string
	for _, in := range m.all {
		if subject := aws.ToString(in.Subject); strings.HasPrefix(subject, "firn [test]: "+topic+": ") {
			subjects = append(subjects, subject)
		}
	}
	return subjects
}

// body returns the body of the mail with a subject.
func (m *mails) body(subject string) string {
	for _, in := range m.all {
		if aws.ToString(in.Subject) == subject {
			return aws.ToString(in.Message)
		}
	}
	return ""
}

func newWaitingPath(t *testing.T, database string) *waitingPath {
	t.Helper()
	p := &waitingPath{path: newPath(t, database), mails: &mails{}}
	p.aws = newProxy(t, os.Getenv("AWS_ENDPOINT_URL"))
	p.snowflake = newProxy(t, "http://"+net.JoinHostPort(os.Getenv("SNOWFLAKE_HOST"), os.Getenv("SNOWFLAKE_PORT")))
	p.settings = map[string]string{
		"AWS_ENDPOINT_URL": p.aws.address.String(), "SNOWFLAKE_HOST": p.snowflake.address.Hostname(), "SNOWFLAKE_PORT": p.snowflake.address.Port(),
	}
	p.deploy(t)
	read := func() time.Time { return p.clock }
	table := &journal.Table{Client: p.dynamo, Name: p.journalTable, Now: read}
	mailer := alert.Mailer{Topic: p.mails, ARN: "arn:alerts", Site: alert.Site{Environment: "test"}, Counter: table, Limit: 1000, Now: read}
	p.waits = &alert.WaitWatcher{Waits: table, Outages: table, Notices: table, Mailer: mailer, Now: read}
	p.outages = &alert.OutageWatcher{Outages: table, Mailer: mailer, MinDuration: time.Minute, Now: read}
	return p
}

// tick runs alert's checks at a time.
func (p *waitingPath) tick(t *testing.T, at time.Time) {
	t.Helper()
	p.clock = at
	for _, check := range []alert.Check{p.outages.Check, p.waits.Check} {
		if err := check(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

// waitCase provokes one wait at the boundary of firn.
type waitCase struct {
	code fault.Code
	// cause names the cause outside of firn.
	cause string
	// provoke makes the cause and puts a file.
	provoke func(t *testing.T, p *waitingPath) wait
	// byOutage is true if the mail about an outage reports the wait.
	byOutage bool
}

// wait is a wait with its end.
type wait struct {
	dataset string
	// object is the waiting object; the zero value for a run.
	object object.Object
	// end removes the cause.
	end func()
	// state is the state of the object at the end. Empty for loaded.
	state journal.State
}

// refusedByAWS puts a file of a new dataset while the proxy of AWS gives an answer.
func (p *waitingPath) refusedByAWS(t *testing.T, name string, a standinAnswer) wait {
	t.Helper()
	dataset := p.addDataset(t, name)
	p.aws.set(a)
	return p.putWaiting(t, dataset, func() { p.aws.set(nil) })
}

// ddl runs a statement without a count of rows.
func (p *waitingPath) ddl(t *testing.T, statement string) {
	t.Helper()
	if _, err := p.session.Query(t.Context(), "change the state", statement); err != nil {
		t.Fatal(err)
	}
}

// endDelay ends the delay of an open breaker, as if its time was over.
func (p *waitingPath) endDelay(t *testing.T) {
	t.Helper()
	_, err := p.dynamo.UpdateItem(t.Context(), &dynamodb.UpdateItemInput{
		TableName: &p.journalTable, Key: map[string]dynamotypes.AttributeValue{"pk": &dynamotypes.AttributeValueMemberS{Value: "breaker#snowflake"}},
		UpdateExpression: aws.String("SET #u = :u"), ExpressionAttributeNames: map[string]string{"#u": "until"},
		ExpressionAttributeValues: map[string]dynamotypes.AttributeValue{":u": &dynamotypes.AttributeValueMemberN{Value: "1"}},
	})
	if err != nil {
		t.Fatal(err)
	}
}

// refusedBySnowflake puts a file while the proxy of Snowflake gives an answer.
func refusedBySnowflake(name string, a standinAnswer) func(*testing.T, *waitingPath) wait {
	return func(t *testing.T, p *waitingPath) wait {
		dataset := p.addDataset(t, name)
		p.snowflake.set(a)
		return p.putWaiting(t, dataset, func() { p.snowflake.set(nil) })
	}
}

// putWaiting puts a file of a dataset, whose wait has the end.
func (p *waitingPath) putWaiting(t *testing.T, dataset string, end func()) wait {
	t.Helper()
	return wait{dataset: dataset, object: p.put(t, p.keyIn(t, dataset, "a.csv"), goodFile), end: end}
}

// useGlue deploys transform with a Glue job and its queue.
func (p *waitingPath) useGlue(t *testing.T) {
	t.Helper()
	created, err := p.sqs.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: aws.String(p.stackName() + "-glue")})
	if err != nil {
		t.Fatal(err)
	}
	p.queues["glue"] = aws.ToString(created.QueueUrl)
	p.settings["FIRN_GLUE_JOB"], p.settings["FIRN_GLUE_QUEUE_URL"], p.settings["FIRN_GLUE_DEAD_LETTER_URL"] = "firn", p.queues["glue"], p.queues["dead"]
	p.deploy(t)
	p.functions[p.queues["glue"]] = p.functions[p.queues["transform"]]
}

// stopGlue deploys transform without a Glue job.
func (p *waitingPath) stopGlue(t *testing.T) {
	t.Helper()
	p.purge(t, "glue")
	for _, name := range []string{"FIRN_GLUE_JOB", "FIRN_GLUE_QUEUE_URL", "FIRN_GLUE_DEAD_LETTER_URL"} {
		delete(p.settings, name)
	}
	p.deploy(t)
}

// encryptUnderKey encrypts new objects of the landing bucket under a key. The functions
// disable and enable the key.
func (p *waitingPath) encryptUnderKey(t *testing.T) (disable, enable func()) {
	t.Helper()
	cfg, err := awsconfig.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	keys := kms.NewFromConfig(cfg)
	key, err := keys.CreateKey(t.Context(), &kms.CreateKeyInput{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = p.store.PutBucketEncryption(t.Context(), &s3.PutBucketEncryptionInput{
		Bucket: &p.landing, ServerSideEncryptionConfiguration: &s3types.ServerSideEncryptionConfiguration{
			Rules: []s3types.ServerSideEncryptionRule{{ApplyServerSideEncryptionByDefault: &s3types.ServerSideEncryptionByDefault{
				SSEAlgorithm: s3types.ServerSideEncryptionAwsKms, KMSMasterKeyID: key.KeyMetadata.Arn,
			}}},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	disable = func() {
		if _, err := keys.DisableKey(t.Context(), &kms.DisableKeyInput{KeyId: key.KeyMetadata.Arn}); err != nil {
			t.Fatal(err)
		}
	}
	return disable, func() {
		if _, err := keys.EnableKey(t.Context(), &kms.EnableKeyInput{KeyId: key.KeyMetadata.Arn}); err != nil {
			t.Fatal(err)
		}
	}
}

// checkReported checks the mail about a wait: none before the time of the code, one after,
// with the cause that `firn status` shows.
func (c waitCase) checkReported(t *testing.T, p *waitingPath, w wait) {
	t.Helper()
	progressed, cause := p.progress(t, c, w)
	status := p.firn("status", "--dataset", w.dataset).run(t)
	if isShown := strings.Contains(status.stdout, string(c.code)) && strings.Contains(status.stdout, cause); !isShown && c.code != fault.NotTried {
		t.Errorf("the status lacks %s or its cause %q:\n%s", c.code, cause, status.stdout)
	}
	patience, reported := c.code.ReportAfter()
	if !reported {
		p.tick(t, progressed.Add(50*time.Minute))
		if got := p.mails.subjects(w.dataset); len(got) > 0 {
			t.Errorf("mails %q, want none", got)
		}
		return
	}
	if !c.byOutage {
		p.tick(t, progressed.Add(patience-time.Second))
		if got := p.mails.subjects(w.dataset); len(got) > 0 {
			t.Fatalf("mails %q before the time of the code", got)
		}
	}
	for extra := range 3 {
		p.tick(t, progressed.Add(patience+time.Duration(1+extra)*time.Minute))
	}
	got := p.mails.subjects(c.topic(w))
	if len(got) != 1 || !strings.Contains(got[0], string(c.code)) {
		t.Fatalf("mails %q, want one about %s", got, c.code)
	}
	if body := p.mails.body(got[0]); !strings.Contains(body, cause) {
		t.Errorf("the mail lacks the cause %q:\n%s", cause, body)
	}
}

// topic returns the beginning of the subjects about the wait, after the environment.
func (c waitCase) topic(w wait) string {
	if c.byOutage {
		return "snowflake"
	}
	return w.dataset
}

// progress returns the time of the last progress and the beginning of the cause.
func (p *waitingPath) progress(t *testing.T, c waitCase, w wait) (time.Time, string) {
	t.Helper()
	var progressed time.Time
	var delay *journal.Delay
	if w.object == (object.Object{}) {
		runs, err := p.stages.Runs(t.Context(), w.dataset)
		if err != nil || len(runs) != 1 {
			t.Fatalf("runs %+v, %v", runs, err)
		}
		progressed, delay = runs[0].Progressed, runs[0].Delay
	} else {
		e := p.entry(t, w.object)
		if e.State.Final() {
			t.Fatalf("the object is %s (%s: %s)", e.State, e.Code, e.Cause)
		}
		progressed, delay = e.Progressed, e.Delay
	}
	if c.code == fault.NotTried {
		return progressed, "no function has tried the object for long"
	}
	if delay == nil || delay.Code != c.code || delay.Cause == "" {
		t.Fatalf("the delay is %+v, want %s with its cause", delay, c.code)
	}
	cause, _, _ := strings.Cut(delay.Cause, "\n")
	if _, own, found := strings.Cut(cause, " UTC ("); found { // the cause of an open breaker has the cause of the outage
		cause = own
	}
	return progressed, cause[:min(len(cause), 30)]
}

// run provokes the wait, checks its mail, removes the cause, and checks the end.
func (c waitCase) run(t *testing.T, p *waitingPath) {
	t.Helper()
	p.mails.all = nil
	defer p.aws.set(nil)
	defer p.snowflake.set(nil)
	w := c.provoke(t, p)
	c.checkReported(t, p, w)
	w.end()
	if c.byOutage {
		p.endDelay(t)
	}
	p.drain(t)
	if w.object != (object.Object{}) {
		p.checkState(t, w.object, cmp.Or(w.state, journal.Loaded))
	}
	_, reported := c.code.ReportAfter()
	want := map[bool]int{false: 0, true: 2}[reported]
	later := p.clock.Add(time.Hour)
	for extra := range 3 {
		p.tick(t, later.Add(time.Duration(extra)*time.Minute))
	}
	if got := p.mails.subjects(c.topic(w)); len(got) != want {
		t.Errorf("mails %q, want %d with the one about the end", got, want)
	}
}

// TestWaitOfEachCodeIsReportedOnce provokes each wait at the boundary and leaves it alone.
// One mail reports the wait in the time of its code, with the cause, and one mail reports
// the end. `firn status` shows the cause. A code without a case fails the test.
//
// journal_away has a test of its own: TestThrottledJournalStopsTheHeartbeat.
func TestWaitOfEachCodeIsReportedOnce(t *testing.T) {
	t.Parallel()
	p := newWaitingPath(t, "FIRN_WAITS")
	ran := make(map[fault.Code]bool)
	for _, c := range causesOfWaits {
		ran[c.code] = true
		t.Run(fmt.Sprintf("%s: %s", c.code, c.cause), func(t *testing.T) { c.run(t, p) })
	}
	for _, code := range fault.Waiting() {
		if !ran[code] && code != fault.JournalAway {
			t.Errorf("no case provokes %s", code)
		}
	}
}
