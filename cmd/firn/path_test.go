//go:build standin

package main_test

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/firn-data/firn/internal/app/function"
	appingest "github.com/firn-data/firn/internal/app/ingest"
	appload "github.com/firn-data/firn/internal/app/load"
	approute "github.com/firn-data/firn/internal/app/route"
	apptransform "github.com/firn-data/firn/internal/app/transform"
	"github.com/firn-data/firn/internal/awsconfig"
	"github.com/firn-data/firn/internal/event"
	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/journal"
	"github.com/firn-data/firn/internal/laptop/laptoptest"
	"github.com/firn-data/firn/internal/object"
	"github.com/firn-data/firn/internal/snowflake"
	"github.com/firn-data/firn/internal/work"
)

// path is a deployment whose functions run in the test process: drain announces new
// versions like S3, and passes the messages to the stages. The operator's commands run as
// processes.
type path struct {
	fixture

	session          *snowflake.Session
	store            *s3.Client
	sqs              *sqs.Client
	dynamo           *dynamodb.Client
	landing, curated string
	journalTable     string
	topic, database  string
	// folder is the repository of the commands, with the contracts.
	folder string
	// source is the address of the API of station.event; empty for none.
	source string
	// announced has the ids of the versions with an event.
	announced map[object.ID]bool
	// hasPlain reports whether the dataset till.plain exists.
	hasPlain bool
	// settings replaces variables of the functions, from the next deploy on.
	settings map[string]string
	// queues has the URLs of the queues by stage, and of receipts and dead letters.
	queues map[string]string
	// functions has the functions by the URL of their queue.
	functions map[string]function.Handler
}

func newPath(t *testing.T, database string) *path {
	t.Helper()
	ctx := t.Context()
	p := &path{fixture: newFixture(t), folder: copyRepository(t), database: database, announced: make(map[object.ID]bool)}
	p.stages.Now = time.Now
	p.variables = append(p.variables, "SNOWFLAKE_DATABASE="+database, "FIRN_DATASETS="+filepath.Join(p.folder, "datasets"))
	cfg, err := awsconfig.Load(ctx)
	if err != nil {
		t.Fatal(err)
	}
	p.sqs, p.dynamo = sqs.NewFromConfig(cfg), dynamodb.NewFromConfig(cfg)
	p.store = s3.NewFromConfig(cfg, func(o *s3.Options) { o.UsePathStyle = true })
	outputs, err := laptoptest.Outputs(ctx, cfg, p.stackName())
	if err != nil {
		t.Fatal(err)
	}
	p.landing, p.curated, p.journalTable = outputs["LandingBucket"], outputs["CuratedBucket"], outputs["JournalTable"]
	p.queues = map[string]string{"route": outputs["RouteQueueUrl"], "transform": outputs["TransformQueueUrl"], "load": outputs["LoadQueueUrl"], "ingest": outputs["IngestQueueUrl"]}
	for _, name := range []string{"receipts", "dead"} {
		created, err := p.sqs.CreateQueue(ctx, &sqs.CreateQueueInput{QueueName: aws.String(p.stackName() + "-" + name)})
		if err != nil {
			t.Fatal(err)
		}
		p.queues[name] = aws.ToString(created.QueueUrl)
	}
	topic, err := sns.NewFromConfig(cfg).CreateTopic(ctx, &sns.CreateTopicInput{Name: aws.String(p.stackName() + "-loaded")})
	if err != nil {
		t.Fatal(err)
	}
	p.topic = aws.ToString(topic.TopicArn)
	p.firn("migrate").succeed(t)
	p.session = laptoptest.OpenSnowflake(t, database)
	p.deploy(t)
	return p
}

// announce sends the events of all new versions and delete markers, like S3. The test
// plays S3, because the stand-in sends its events some time after the upload.
func (p *path) announce(t *testing.T) {
	t.Helper()
	for _, found := range p.news(t) {
		queue := "route"
		if found.Bucket == p.curated {
			queue = "receipts"
		}
		body := event.Announce(found.Object, time.Now())
		if found.isMarker {
			body = event.AnnounceRemoval(found.Object, time.Now())
		}
		p.send(t, queue, body)
	}
}

// loseEvents makes sure that no event announces the new versions.
func (p *path) loseEvents(t *testing.T) {
	t.Helper()
	p.news(t)
}

// announcement is a new version or a delete marker.
type announcement struct {
	object.Object

	isMarker bool
}

// news returns the versions and delete markers since the last call, the oldest first, with
// increasing sequencers. In the curated bucket only receipts have events.
func (p *path) news(t *testing.T) []announcement {
	t.Helper()
	var all []announcement
	for _, bucket := range []string{p.landing, p.curated} {
		listed, err := p.store.ListObjectVersions(t.Context(), &s3.ListObjectVersionsInput{Bucket: &bucket})
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range listed.Versions {
			if bucket == p.landing || strings.HasSuffix(aws.ToString(v.Key), "/"+object.ReceiptName) {
				all = append(all, announcement{Object: object.Object{
					Bucket: bucket, Key: aws.ToString(v.Key), Version: aws.ToString(v.VersionId), Size: aws.ToInt64(v.Size), ETag: strings.Trim(aws.ToString(v.ETag), `"`),
				}})
			}
		}
		for _, m := range listed.DeleteMarkers {
			if bucket == p.landing {
				all = append(all, announcement{Object: object.Object{Bucket: bucket, Key: aws.ToString(m.Key), Version: aws.ToString(m.VersionId)}, isMarker: true})
			}
		}
		if aws.ToBool(listed.IsTruncated) {
			t.Fatalf("bucket %s has more versions than one page", bucket)
		}
	}
	slices.Reverse(all) // S3 lists the versions of a key from newest to oldest
	all = slices.DeleteFunc(all, func(a announcement) bool { return p.announced[a.ID()] })
	for i := range all {
		p.announced[all[i].ID()] = true
		all[i].Sequencer = object.NormalizeSequencer(fmt.Sprintf("%016X", len(p.announced)))
	}
	return all
}

// stackName returns the name of the fixture's stack.
func (p *path) stackName() string {
	for _, v := range p.variables {
		if name, found := strings.CutPrefix(v, "FIRN_STACK="); found {
			return name
		}
	}
	return ""
}

// firn returns a call of the command in the path's repository.
func (p *path) firn(arguments ...string) call {
	c := p.command(arguments...)
	c.directory = p.folder
	return c
}

// taskRoot returns the folder of a function's zip, with the contracts of the path's folder.
func (p *path) taskRoot(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	if err := os.CopyFS(filepath.Join(root, "contracts"), os.DirFS(filepath.Join(p.folder, "datasets"))); err != nil {
		t.Fatal(err)
	}
	return root
}

// deploy starts the functions with the contracts of the folder.
func (p *path) deploy(t *testing.T) {
	t.Helper()
	root := p.taskRoot(t)
	start := func(create func(context.Context, func(string) (string, bool), io.Writer) (function.Handler, error), queue string) function.Handler {
		variables := map[string]string{
			"LAMBDA_TASK_ROOT": root, "FIRN_JOURNAL_TABLE": p.journalTable, "FIRN_BACKOFF_SECONDS": "0", "FIRN_LOAD_EVERY": "0s",
			"FIRN_LANDING_BUCKET": p.landing, "FIRN_CURATED_BUCKET": p.curated,
			"FIRN_QUEUE_URL": p.queues[queue], "FIRN_DEAD_LETTER_URL": p.queues["dead"],
			"FIRN_RECEIPTS_QUEUE_URL": p.queues["receipts"], "FIRN_RECEIPTS_DEAD_LETTER_URL": p.queues["dead"],
			"FIRN_TRANSFORM_QUEUE_URL": p.queues["transform"], "FIRN_LOAD_QUEUE_URL": p.queues["load"],
			"FIRN_INGEST_QUEUE_URL": p.queues["ingest"],
			"FIRN_LOADED_TOPIC_ARN": p.topic, "FIRN_SNOWFLAKE_DATABASE": p.database, "FIRN_SNOWFLAKE_ACCOUNT": os.Getenv("SNOWFLAKE_ACCOUNT"),
			"FIRN_SOURCE_URL_STATION": p.source,
		}
		lookup := func(name string) (string, bool) {
			value := cmp.Or(p.settings[name], variables[name], os.Getenv(name))
			return value, value != ""
		}
		handler, err := create(t.Context(), lookup, io.Discard)
		if err != nil {
			t.Fatal(err)
		}
		return handler
	}
	route := start(approute.New, "route")
	p.functions = map[string]function.Handler{
		p.queues["route"]: route, p.queues["receipts"]: route,
		p.queues["transform"]: start(apptransform.New, "transform"), p.queues["load"]: start(appload.New, "load"),
		p.queues["ingest"]: start(appingest.New, "ingest"),
	}
}

// overwrite writes an object of the curated bucket.
func (p *path) overwrite(t *testing.T, key, body string) {
	t.Helper()
	if _, err := p.store.PutObject(t.Context(), &s3.PutObjectInput{Bucket: &p.curated, Key: &key, Body: strings.NewReader(body)}); err != nil {
		t.Fatal(err)
	}
}

// version returns the newest version of a landing key.
func (p *path) version(t *testing.T, key string) string {
	t.Helper()
	head, err := p.store.HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: &p.landing, Key: &key})
	if err != nil {
		t.Fatal(err)
	}
	return aws.ToString(head.VersionId)
}

// put uploads a body to a landing key and drains the queues.
func (p *path) put(t *testing.T, key, body string) object.Object {
	t.Helper()
	o := p.upload(t, key, body)
	p.drain(t)
	return o
}

// load uploads a body to a landing key, drains the queues and checks that the object is
// loaded.
func (p *path) load(t *testing.T, key, body string) object.Object {
	t.Helper()
	o := p.put(t, key, body)
	p.checkState(t, o, journal.Loaded)
	return o
}

// upload uploads a body to a landing key.
func (p *path) upload(t *testing.T, key, body string) object.Object {
	t.Helper()
	output, err := p.store.PutObject(t.Context(), &s3.PutObjectInput{Bucket: aws.String(p.landing), Key: aws.String(key), Body: strings.NewReader(body)})
	if err != nil {
		t.Fatal(err)
	}
	return object.Object{Bucket: p.landing, Key: key, Version: aws.ToString(output.VersionId)}
}

// fail records a failure of an object that a stage can't be made to find, for example a
// crash. The object's own messages are gone.
func (p *path) fail(t *testing.T, o object.Object, stage work.Stage, code fault.Code) {
	t.Helper()
	f := fault.Permanentf("test", code, "because")
	f.ObjectID = string(o.ID())
	if recorded, err := p.stages.Fail(t.Context(), f, string(stage), "queue", "body"); err != nil || !recorded {
		t.Fatalf("Fail = %t, %v", recorded, err)
	}
}

// received uploads a file whose transform message is lost.
func (p *path) received(t *testing.T, key, body string) object.Object {
	t.Helper()
	transform := p.functions[p.queues["transform"]]
	delete(p.functions, p.queues["transform"])
	o := p.put(t, key, body)
	p.functions[p.queues["transform"]] = transform
	p.purge(t, "transform")
	p.checkState(t, o, journal.Received)
	return o
}

// transformed uploads a file whose load message is lost.
func (p *path) transformed(t *testing.T, key, body string) object.Object {
	t.Helper()
	load := p.functions[p.queues["load"]]
	delete(p.functions, p.queues["load"])
	o := p.put(t, key, body)
	p.functions[p.queues["load"]] = load
	p.purge(t, "load")
	p.checkState(t, o, journal.Transformed)
	return o
}

func (p *path) entry(t *testing.T, o object.Object) journal.Entry {
	t.Helper()
	entry, err := p.stages.Get(t.Context(), o.ID())
	if err != nil {
		t.Fatal(err)
	}
	return entry
}

func (p *path) checkState(t *testing.T, o object.Object, want journal.State) {
	t.Helper()
	if e := p.entry(t, o); e.State != want {
		t.Errorf("%s is %s (%s: %s), want %s", o.Key, e.State, e.Code, e.Cause, want)
	}
}

func (p *path) sql(t *testing.T, statement string, args ...any) {
	t.Helper()
	if _, err := p.session.Exec(t.Context(), "change the state", statement, args...); err != nil {
		t.Fatal(err)
	}
}

// shell runs a printed command in a shell, as a person does.
func (p *path) shell(t *testing.T, command string) string {
	t.Helper()
	return runShell(t, p.folder, p.variables, command)
}

// differences returns the differences of an audit of the dataset, without grace.
func (p *path) differences(t *testing.T, dataset string, flags ...string) []difference {
	t.Helper()
	result := p.firn(append([]string{"audit", "--dataset", dataset, "--json", "--grace", "0s"}, flags...)...).run(t)
	var audit struct {
		Differences []difference `json:"differences"`
	}
	if err := json.Unmarshal([]byte(result.stdout), &audit); err != nil {
		t.Fatalf("audit: %v: %s", err, result.stderr)
	}
	return audit.Differences
}

// difference is a difference of the audit.
type difference struct {
	Kind    string    `json:"kind"`
	Object  string    `json:"object"`
	ID      object.ID `json:"id"`
	Command string    `json:"command"`
}
