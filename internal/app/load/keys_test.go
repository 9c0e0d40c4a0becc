//go:build standin

package load_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/parquet-go/parquet-go"

	"github.com/firn-data/firn/internal/app/function"
	"github.com/firn-data/firn/internal/app/function/functiontest"
	"github.com/firn-data/firn/internal/app/load"
	app "github.com/firn-data/firn/internal/app/operator"
	"github.com/firn-data/firn/internal/awsconfig"
	"github.com/firn-data/firn/internal/breaker"
	"github.com/firn-data/firn/internal/contract"
	"github.com/firn-data/firn/internal/laptop/laptoptest"
	"github.com/firn-data/firn/internal/object"
	"github.com/firn-data/firn/internal/operator"
	"github.com/firn-data/firn/internal/snowflake"
	"github.com/firn-data/firn/internal/snowflake/ddl"
	"github.com/firn-data/firn/internal/snowflake/keys"
	"github.com/firn-data/firn/internal/work"
)

func TestMain(m *testing.M) { os.Exit(laptoptest.Main(m, "aws", "snowflake")) }

const (
	stackName = "Keys"
	database  = "FIRN_KEYS"
	dataset   = "keys.case"
)

// fixture is a stack without deployed functions. The load function runs in the test
// process.
type fixture struct {
	cfg     aws.Config
	stack   operator.Stack
	store   *s3.Client
	session *snowflake.Session
	rotator *keys.Rotator
	role    string
	log     bytes.Buffer
	objects int
}

// TestLoadByKeyPair logs in with the key of the secret. The role of the function gets
// the stack's grant on the secret. After a rotation, the function uses the new key
// without a restart.
func TestLoadByKeyPair(t *testing.T) {
	f := newFixture(t)
	handle := f.start(t)
	f.checkRefused(t, handle, "access_denied", "is not authorized to perform: secretsmanager:GetSecretValue")
	f.permit(t, "secretsmanager:GetSecretValue", f.stack.LoginSecret)
	f.checkRefused(t, handle, "snowflake_login_refused", "the JSON that `firn keys rotate` writes")

	first := f.rotate(t)
	f.checkLoad(t, handle, 0)
	f.checkLoad(t, handle, 0)
	second := f.rotate(t)
	f.checkLoad(t, handle, 1) // Snowflake refuses the function's old key and accepts the secret's new key
	f.checkLoad(t, handle, 0)
	if first == second {
		t.Error("the rotation kept the old key")
	}
}

// closeBreaker deletes the breaker's state, so that the test doesn't wait after a
// refusal.
func (f *fixture) closeBreaker(t *testing.T) {
	t.Helper()
	_, err := dynamodb.NewFromConfig(f.cfg).DeleteItem(t.Context(), &dynamodb.DeleteItemInput{
		TableName: aws.String(f.stack.JournalTable),
		Key:       map[string]types.AttributeValue{"pk": &types.AttributeValueMemberS{Value: "breaker#" + breaker.Snowflake}},
	})
	if err != nil {
		t.Fatal(err)
	}
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	ctx := t.Context()
	cfg, err := awsconfig.Load(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if err := laptoptest.Deploy(ctx, cfg, stackName); err != nil {
		t.Fatal(err)
	}
	t.Setenv("FIRN_STACK", stackName)
	t.Setenv("FIRN_DATASETS", "../../../testdata/project/datasets")
	o, err := app.New(ctx, os.LookupEnv)
	if err != nil {
		t.Fatal(err)
	}
	f := &fixture{
		cfg: cfg, stack: o.Stack, session: laptoptest.OpenSnowflake(t, database),
		store: s3.NewFromConfig(cfg, func(o *s3.Options) { o.UsePathStyle = true }),
	}
	if f.rotator, err = app.NewRotator(ctx, os.LookupEnv, o.Stack, f.session); err != nil {
		t.Fatal(err)
	}
	f.role = f.createRole(t)
	source, entity, _ := strings.Cut(dataset, ".")
	script := ddl.File(&contract.Contract{
		Source: source, Entity: entity, Version: "1.0.0", Columns: []contract.Column{{Name: "name", Type: contract.String}},
	})
	laptoptest.MakeTables(t, f.session, script)
	f.run(t, "create or replace stage RAW.CURATED url = 's3://"+f.stack.CuratedBucket+"/'", "create user firn_loader type = service")
	return f
}

func (f *fixture) run(t *testing.T, statements ...string) {
	t.Helper()
	for _, statement := range statements {
		if _, err := f.session.Query(t.Context(), "set up test", statement); err != nil {
			t.Fatal(err)
		}
	}
}

// createRole creates a role with the permissions of a load, but without read access to
// secrets.
func (f *fixture) createRole(t *testing.T) (arn string) {
	t.Helper()
	created, err := iam.NewFromConfig(f.cfg).CreateRole(t.Context(), &iam.CreateRoleInput{
		RoleName: aws.String("keys-load"),
		AssumeRolePolicyDocument: aws.String(
			`{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}]}`),
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, service := range []string{"dynamodb", "s3", "sqs", "sns"} {
		f.permit(t, service+":*", "*")
	}
	return aws.ToString(created.Role.Arn)
}

func (f *fixture) permit(t *testing.T, action, resource string) {
	t.Helper()
	name := strings.NewReplacer(":", "-", "*", "all").Replace(action)
	_, err := iam.NewFromConfig(f.cfg).PutRolePolicy(t.Context(), &iam.PutRolePolicyInput{
		RoleName: aws.String("keys-load"), PolicyName: aws.String(name), PolicyDocument: aws.String(fmt.Sprintf(
			`{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": %q, "Resource": %q}]}`, action, resource)),
	})
	if err != nil {
		t.Fatal(err)
	}
}

// start creates the load function with the credentials of the role.
func (f *fixture) start(t *testing.T) function.Handler {
	t.Helper()
	topic, err := sns.NewFromConfig(f.cfg).CreateTopic(t.Context(), &sns.CreateTopicInput{Name: aws.String("loaded")})
	if err != nil {
		t.Fatal(err)
	}
	assumed, err := sts.NewFromConfig(f.cfg).AssumeRole(t.Context(), &sts.AssumeRoleInput{
		RoleArn: aws.String(f.role), RoleSessionName: aws.String("load"),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("AWS_ACCESS_KEY_ID", aws.ToString(assumed.Credentials.AccessKeyId))
	t.Setenv("AWS_SECRET_ACCESS_KEY", aws.ToString(assumed.Credentials.SecretAccessKey))
	t.Setenv("AWS_SESSION_TOKEN", aws.ToString(assumed.Credentials.SessionToken))
	variables := map[string]string{
		"FIRN_JOURNAL_TABLE": f.stack.JournalTable, "FIRN_CURATED_BUCKET": f.stack.CuratedBucket,
		"FIRN_QUEUE_URL": f.stack.Queues["load"], "FIRN_DEAD_LETTER_URL": f.stack.Queues["route"],
		"FIRN_LOADED_TOPIC_ARN": aws.ToString(topic.TopicArn), "FIRN_SNOWFLAKE_DATABASE": database,
		"FIRN_SNOWFLAKE_ACCOUNT": os.Getenv("SNOWFLAKE_ACCOUNT"), "FIRN_SNOWFLAKE_SECRET_ARN": f.stack.LoginSecret,
	}
	variables["LAMBDA_TASK_ROOT"] = functiontest.TaskRoot(t)
	lookup := func(name string) (string, bool) {
		value := cmp.Or(variables[name], os.Getenv(name))
		return value, value != ""
	}
	handle, err := load.New(t.Context(), lookup, &f.log)
	if err != nil {
		t.Fatal(err)
	}
	return handle
}

func (f *fixture) rotate(t *testing.T) (fingerprint string) {
	t.Helper()
	status, err := f.rotator.Rotate(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return status.Fingerprint
}

// logLine has the fields of a log line for these tests.
type logLine struct {
	Message string `json:"msg"`
	Code    string `json:"code"`
	Error   string `json:"err"`
}

// invoke passes a new object to the function. It returns the object, the number of
// failed messages and the log lines.
func (f *fixture) invoke(t *testing.T, handle function.Handler) (o object.Object, failed int, lines []logLine) {
	t.Helper()
	f.log.Reset()
	o, w := f.transformed(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	answer, err := handle(ctx, events.SQSEvent{Records: []events.SQSMessage{{
		MessageId: string(o.ID()), ReceiptHandle: "none", Body: w.Encode(), EventSourceARN: "arn:aws:sqs:::none",
		Attributes: map[string]string{"ApproximateReceiveCount": "1"},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	if text := f.log.String(); strings.Contains(text, "PRIVATE KEY") || strings.Contains(text, "MII") { // the beginnings of its PEM and base64
		t.Error("the log has the private key")
	}
	decoder := json.NewDecoder(bytes.NewReader(f.log.Bytes()))
	for {
		var l logLine
		if err := decoder.Decode(&l); err == io.EOF {
			return o, len(answer.BatchItemFailures), lines
		} else if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, l)
	}
}

// checkLoad loads a new object and checks the number of refused logins.
func (f *fixture) checkLoad(t *testing.T, handle function.Handler, refusals int) {
	t.Helper()
	o, failed, lines := f.invoke(t, handle)
	if failed > 0 {
		t.Fatalf("the load failed: %+v", lines)
	}
	answer, err := f.session.Query(t.Context(), "count", "select count(*) as n from RAW.KEYS_CASE where _firn_object = '"+string(o.ID())+"'")
	if err != nil || answer.Number(0, "n") != 1 {
		t.Errorf("%d rows, %v; want 1", answer.Number(0, "n"), err)
	}
	got := 0
	for _, l := range lines {
		if l.Code == "snowflake_login_refused" {
			got++
		}
	}
	if got != refusals {
		t.Errorf("%d logins were refused, want %d: %+v", got, refusals, lines)
	}
}

// checkRefused checks that a load fails with the code and the cause.
func (f *fixture) checkRefused(t *testing.T, handle function.Handler, code, cause string) {
	t.Helper()
	_, failed, lines := f.invoke(t, handle)
	f.closeBreaker(t)
	for _, l := range lines {
		if failed == 1 && l.Message == "message failed" && l.Code == code && strings.Contains(l.Error, cause) {
			return
		}
	}
	t.Errorf("%d messages failed, want one with %s: %s\n%+v", failed, code, cause, lines)
}

type row struct {
	Name   string `parquet:"name,zstd"`
	Object string `parquet:"_firn_object,zstd"`
	Record int64  `parquet:"_firn_record,zstd"`
}

// transformed writes the data file and the receipt of an object with one row.
func (f *fixture) transformed(t *testing.T) (object.Object, work.Work) {
	t.Helper()
	f.objects++
	o := object.Object{Bucket: f.stack.LandingBucket, Key: fmt.Sprintf("keys/case/%d.csv", f.objects), Version: "v1", Sequencer: object.NormalizeSequencer("1")}
	attempt := object.Attempt{Dataset: dataset, Object: o.ID(), Name: "attempt"}
	var data bytes.Buffer
	if err := parquet.Write(&data, []row{{Name: "n", Object: string(o.ID()), Record: 1}}); err != nil {
		t.Fatal(err)
	}
	receipt, err := json.Marshal(work.Receipt{
		Object: o, Dataset: dataset, ObjectID: o.ID(), Contract: "1.0.0", Attempt: attempt.Name, Engine: "lambda", Outcome: work.Accepted,
		RowsRead: 1, RowsWritten: 1, Data: []work.File{{Key: attempt.Data(0), Rows: 1, Bytes: int64(data.Len())}}, ContentHash: "sha256:00",
		StartedAt: time.Unix(1764000000, 0).UTC(), FinishedAt: time.Unix(1764000001, 0).UTC(),
	})
	if err != nil {
		t.Fatal(err)
	}
	for key, content := range map[string][]byte{attempt.Data(0): data.Bytes(), attempt.Receipt(): receipt} {
		if _, err := f.store.PutObject(t.Context(), &s3.PutObjectInput{
			Bucket: aws.String(f.stack.CuratedBucket), Key: aws.String(key), Body: bytes.NewReader(content),
		}); err != nil {
			t.Fatal(err)
		}
	}
	return o, work.Work{
		Stage: work.Load, Dataset: dataset, Object: o, Receipt: &work.Location{Bucket: f.stack.CuratedBucket, Key: attempt.Receipt()},
	}
}
