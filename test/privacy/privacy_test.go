// Package privacy_test provokes the errors of firn's vendors with a marked value, and
// searches the value in everything that firn writes.
package privacy_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/aws/smithy-go"

	"github.com/firn-data/firn/internal/alert"
	"github.com/firn-data/firn/internal/batch"
	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/journal"
	"github.com/firn-data/firn/internal/load"
	"github.com/firn-data/firn/internal/load/loadtest"
	"github.com/firn-data/firn/internal/load/warehouse"
	"github.com/firn-data/firn/internal/object"
	"github.com/firn-data/firn/internal/snowflake/snowflaketest"
	"github.com/firn-data/firn/test/engines/suite"
)

// mark is the value of a row.
const mark = suite.Mark

// vendorError is an answer of Snowflake. The message has the mark in place of %s.
type vendorError struct{ number, state, message string }

// place is the end of an error of COPY (docs.snowflake.com,
// sql-reference/functions/validate has the same columns).
const place = "\n  File '{file}', line 3, character 14\n  Row 2, column \"SHOP_ORDER\"[\"NAME\":1]\n" +
	"  If you would like to continue loading when an error is encountered, use other values such as 'SKIP_FILE' or 'CONTINUE' for the ON_ERROR option." +
	" For more information on loading options, please run 'info loading_data' in a SQL client."

// valueErrors are Snowflake's errors that quote a value. Snowflake's pages show some of
// them (user-guide/data-load-considerations-load, sql-reference/data-type-conversion).
// Users have reported the others.
var valueErrors = []vendorError{
	{"100035", "22007", "Timestamp '%s' is not recognized" + place},
	{"100037", "22018", "Boolean value '%s' is not recognized" + place},
	{"100038", "22018", "Numeric value '%s' is not recognized" + place},
	{"100039", "22003", "Numeric value '%s' is out of range" + place},
	{"100040", "22007", "Date '%s' is not recognized" + place},
	{"100046", "22003", "Number out of representable range: type FIXED[SB8](18,0){nullable}, value %s"},
	{"100052", "22003", "Float value '%s' is out of range"},
	{"100065", "22000", "Found character '%s' instead of field delimiter ','" + place},
	{"100066", "22000", "Found character '%s' instead of record delimiter '\\n'" + place},
	{"100069", "22P02", "Error parsing JSON: {\"ssn\": \"%s\"}" + place},
	{"100071", "22000", "Failed to cast variant value \"%s\" to DATE" + place},
	{"100071", "22000", "Failed to cast variant value %s to FIXED"},
	{"100072", "22000", "NULL result in a non-nullable column" + place},
	{"100078", "22000", "String '%s' is too long and would be truncated" + place},
	{"100078", "22000", "DML operation to table FIRN.RAW.SHOP_ORDER failed on column NAME with error: String '%s' is too long and would be truncated"},
	{"100080", "22000", "Number of columns in file (%s) does not match that of the corresponding table (3), use file format option error_on_column_count_mismatch=false to ignore this error" + place},
	{"100088", "22000", "Field delimiter '%s' found while expecting record delimiter"},
	{"100090", "42P18", "Duplicate row detected during DML action\nRow Values: [\"%s\", 1, 2026-11-24]"},
	{"100094", "22000", "Duplicate key '%s'"},
	{"100096", "22007", "Can't parse '%s' as timestamp with format 'DD-MON-YYYY'"},
	{"100100", "22P02", "Error parsing XML: <person>%s</person>"},
	{"100108", "22000", "Time '%s' is not recognized" + place},
	{"100115", "22000", "The following string is not a legal hex-encoded value: '%s'"},
	{"100140", "22P02", "Error parsing Parquet file: invalid value %s in column chunk"},
	{"100144", "22000", "Invalid UTF8 detected in string '%s'" + place},
	{"100183", "22P02", "Unable to parse value %s\nof a second line: %[1]s"},
	{"100999", "22000", "Conversion Error: Could not convert string '%s' to INT32"},
	{"001003", "42000", "SQL compilation error:\nsyntax error line 1 at position 7 unexpected '%s'."},
	{"000904", "42000", "SQL compilation error: error line 1 at position 7\ninvalid identifier '%s x'"},
	{"091016", "22000", "Remote file 's3://curated/%s' was not found"},
	{"300010", "XX000", "Processing aborted by error 300010:391167117; incident 123 of %s"},
	{"999999", "22000", "%s"},
	{"999999", "22000", "Numeric value 'x\n  File '%s', line 1, character 1\n  Row 1, column \"%[1]s\"[\"%[1]s\":1]"},
	{"999999", "22000", "File '{file}', line 1, character 1\n  Row 1, column \"T\"[\"NAME\":1] of '%s'"},
}

// output collects everything that firn writes.
type output struct {
	log     bytes.Buffer
	journal []string
	letters []map[string]string
	mails   []string
	// sent are the messages to other stages.
	sent []string
}

// everything returns all texts of the output.
func (o *output) everything() string {
	return o.log.String() + fmt.Sprint(o.journal, o.letters, o.mails, o.sent)
}

// recordingJournal has the loader's journal, and records failures as the real journal.
type recordingJournal struct {
	*loadtest.Journal
	out *output
}

func (j recordingJournal) Fail(_ context.Context, f *fault.Fault, stage, _, message string) (bool, error) {
	j.out.journal = append(j.out.journal, stage, string(f.Code), f.Cause(), f.Advice(), f.QueryID, message)
	return true, nil
}

func (j recordingJournal) Delayed(_ context.Context, f *fault.Fault, stage string, _ time.Duration) error {
	j.out.journal = append(j.out.journal, stage, string(f.Code), f.Cause(), f.Advice())
	return nil
}

func (j recordingJournal) Newest(context.Context, string, string) (journal.Entry, error) {
	return journal.Entry{}, journal.ErrNotFound
}

func (j recordingJournal) Receive(context.Context, object.Object, string) (journal.Entry, error) {
	return journal.Entry{}, journal.ErrNotFound
}

// recordingNotices opens the notice of each first failure, and records further failures.
type recordingNotices struct {
	alert.Notices // no other method is called

	out  *output
	open map[journal.NoticeKey]bool
}

func (n recordingNotices) Notice(_ context.Context, k journal.NoticeKey) (journal.Notice, error) {
	if !n.open[k] {
		return journal.Notice{NoticeKey: k}, nil
	}
	return journal.Notice{NoticeKey: k, Status: journal.NoticeOpen, Mails: 1, NextAt: time.Now().Add(time.Hour)}, nil
}

func (n recordingNotices) OpenNotice(_ context.Context, k journal.NoticeKey, _ string) (journal.Notice, bool, error) {
	n.open[k] = true
	return journal.Notice{NoticeKey: k, Status: journal.NoticeOpen}, true, nil
}

func (n recordingNotices) AddFailures(_ context.Context, _ journal.Notice, p journal.Pending) (bool, error) {
	n.out.journal = append(n.out.journal, fmt.Sprint(p))
	return true, nil
}

func (n recordingNotices) RecordMail(_ context.Context, _ journal.Notice, m journal.Mailed) error {
	n.out.journal = append(n.out.journal, fmt.Sprint(m))
	return nil
}

// errSQS is an answer of SQS with the mark.
var errSQS = &smithy.OperationError{
	ServiceID: "SQS", OperationName: "ChangeMessageVisibility",
	Err: &smithy.GenericAPIError{Code: "InvalidParameterValue", Message: "Value '" + mark + "' for parameter is not valid, or " + mark},
}

// SendMessage records a dead letter.
func (o *output) SendMessage(_ context.Context, in *sqs.SendMessageInput, _ ...func(*sqs.Options)) (*sqs.SendMessageOutput, error) {
	letter := make(map[string]string)
	for name, value := range in.MessageAttributes {
		letter[name] = aws.ToString(value.StringValue)
	}
	o.letters = append(o.letters, letter)
	return &sqs.SendMessageOutput{}, nil
}

// SendMessageBatch records messages to other stages.
func (o *output) SendMessageBatch(_ context.Context, in *sqs.SendMessageBatchInput, _ ...func(*sqs.Options)) (*sqs.SendMessageBatchOutput, error) {
	result := &sqs.SendMessageBatchOutput{}
	for _, entry := range in.Entries {
		o.sent = append(o.sent, aws.ToString(entry.MessageBody))
		result.Successful = append(result.Successful, sqstypes.SendMessageBatchResultEntry{Id: entry.Id})
	}
	return result, nil
}

func (o *output) ChangeMessageVisibility(context.Context, *sqs.ChangeMessageVisibilityInput, ...func(*sqs.Options)) (*sqs.ChangeMessageVisibilityOutput, error) {
	return nil, errSQS
}

// Publish records a mail.
func (o *output) Publish(_ context.Context, in *sns.PublishInput, _ ...func(*sns.Options)) (*sns.PublishOutput, error) {
	o.mails = append(o.mails, aws.ToString(in.Subject), aws.ToString(in.Message))
	return &sns.PublishOutput{}, nil
}

// run loads one object. Snowflake answers the statement that starts with the word at
// with the error. The object's dead letter becomes a mail.
func run(t *testing.T, e vendorError, at string, receives int) *output {
	t.Helper()
	out := &output{}
	fixture := loadtest.NewFixture(t, loadtest.NewFake())
	delivered := fixture.Deliver(t, loadtest.Delivery{Rows: 3})
	message := strings.ReplaceAll(e.message, "{file}", delivered.Receipt.Data[0].Key)
	if strings.Contains(message, "%") {
		message = fmt.Sprintf(message, mark)
	}
	server := &snowflaketest.Server{Answer: func(statement string) snowflaketest.Answer {
		switch word, _, _ := strings.Cut(statement, " "); word {
		case at:
			return snowflaketest.Answer{Number: e.number, State: e.state, Message: message}
		case "copy":
			return snowflaketest.Answer{
				Columns: []string{"FILE", "STATUS", "ROWS_LOADED"},
				Rows:    [][]*string{{&delivered.Receipt.Data[0].Key, new("LOADED"), new("3")}},
			}
		case "select", "with":
			return snowflaketest.Answer{
				Columns: []string{"OBJECT", "CONTRACT"}, Rows: [][]*string{{new(load.LockRow), new("9.0.0")}},
			}
		}
		return snowflaketest.Answer{Changed: 1}
	}}
	fixture.Loader = fixture.NewLoaderOn(warehouse.Warehouse{Config: server.Listen(t)})
	out.consume(t, recordingJournal{fixture.Journal, out}, "load", fixture.Loader.Handle, delivered.Work.Encode(), receives)
	return out
}

// journals is the journal of the stages and of alert.
type journals interface {
	batch.Failures
	alert.Journal
}

// consume passes a message to the handler of a stage. A dead letter becomes a mail.
func (o *output) consume(t *testing.T, records journals, stage string, handle batch.Handler, body string, receives int) {
	t.Helper()
	consumer := batch.Consumer{
		Stage: stage, Queues: []batch.Queue{{URL: "https://sqs/1/" + stage, DeadLetterURL: "https://sqs/1/dead"}},
		SQS: o, Journal: records, Handler: handle, Attempts: 3, Backoff: time.Second,
		Log: slog.New(slog.NewJSONHandler(&o.log, nil)),
	}
	event := events.SQSEvent{Records: []events.SQSMessage{{
		MessageId: "m1", Body: body, EventSourceARN: "arn:aws:sqs:eu-central-1:1:" + stage, ReceiptHandle: "r",
		Attributes: map[string]string{"ApproximateReceiveCount": fmt.Sprint(receives)},
	}}}
	if _, err := consumer.Consume(t.Context(), event); err != nil {
		t.Fatal(err)
	}
	alerter := alert.Alerter{
		Journal: records, Notices: recordingNotices{out: o, open: make(map[journal.NoticeKey]bool)},
		Mailer: alert.Mailer{Topic: o, ARN: "arn:aws:sns:eu-central-1:1:alerts"}, Now: time.Now,
	}
	for _, letter := range o.letters {
		for _, id := range []string{"d1", "d2"} { // a mail, and a failure for the next mail
			failed := alerter.Handle(t.Context(), []batch.Message{{ID: id, Body: body, Queue: "dead", Attributes: letter}})
			if len(failed) > 0 {
				t.Fatal(failed)
			}
		}
	}
}

// panickingWarehouse has sessions that panic with a value at COPY.
type panickingWarehouse struct {
	load.Warehouse

	value any
}

func (w panickingWarehouse) Open(ctx context.Context, dataset, loadID string) (load.Session, error) {
	session, err := w.Warehouse.Open(ctx, dataset, loadID)
	return panickingSession{session, w.value}, err
}

type panickingSession struct {
	load.Session

	value any
}

func (s panickingSession) Copy(context.Context, load.Table, []string, bool) (load.Copied, error) {
	panic(s.value)
}

// TestNoValueOfPanicIsWritten panics with the mark: in a handler of single messages, like
// that of the transform, and in the loader. Each panic is a mail at the last attempt.
func TestNoValueOfPanicIsWritten(t *testing.T) {
	t.Parallel()
	for name, value := range map[string]any{
		"text":  "row " + mark,
		"error": fmt.Errorf("column NAME: %w", errors.New(mark)),
		"fault": fault.Permanentf("read row", fault.CopyRefused, "%s", mark),
		"row":   struct{ Name string }{mark},
	} {
		for _, stage := range []string{"single messages", "loader"} {
			t.Run(name+" in "+stage, func(t *testing.T) {
				t.Parallel()
				for _, receives := range []int{1, 3} {
					out := &output{}
					fixture := loadtest.NewFixture(t, loadtest.NewFake())
					delivered := fixture.Deliver(t, loadtest.Delivery{Rows: 3})
					handle := batch.Each(func(context.Context, batch.Message) error { panic(value) })
					if stage == "loader" {
						handle = fixture.NewLoaderOn(panickingWarehouse{fixture.Warehouse, value}).Handle
					}
					out.consume(t, recordingJournal{fixture.Journal, out}, "load", handle, delivered.Work.Encode(), receives)
					all := out.everything()
					if strings.Contains(all, mark) {
						t.Errorf("the value is in the output: %s", all)
					}
					if want := fmt.Sprintf("panic: a value of type %T at test/privacy_test.", value); !strings.Contains(out.log.String(), want) {
						t.Errorf("the log lacks %q: %s", want, out.log.String())
					}
					if want := map[int]int{1: 0, 3: 2}[receives]; len(out.mails) != want {
						t.Errorf("%d texts of mails after %d receives, want %d", len(out.mails), receives, want)
					}
				}
			})
		}
	}
}

// TestNoValueOfVendorErrorIsWritten has each error at a COPY and at an INSERT, for the
// first and for the last attempt.
func TestNoValueOfVendorErrorIsWritten(t *testing.T) {
	t.Parallel()
	for i, e := range valueErrors {
		for _, at := range []string{"copy", "insert", "update"} {
			t.Run(fmt.Sprint(i, " ", e.number, " ", at), func(t *testing.T) {
				t.Parallel()
				for _, receives := range []int{1, 3} {
					out := run(t, e, at, receives)
					all := out.everything()
					if strings.Contains(strings.ToLower(all), strings.ToLower(mark)) {
						t.Errorf("the value is in the output: %s", all)
					}
					if !strings.Contains(out.log.String(), e.number) || !strings.Contains(out.log.String(), snowflaketest.QueryID) {
						t.Errorf("the log lacks the number or the query id: %s", out.log.String())
					}
				}
			})
		}
	}
}

// TestErrorKeepsPlaceOfValue: a person finds the value by file, row and column.
func TestErrorKeepsPlaceOfValue(t *testing.T) {
	t.Parallel()
	out := run(t, valueErrors[2], "copy", 1)
	if len(out.mails) != 2 {
		t.Fatalf("mails %q, want a subject and a text", out.mails)
	}
	for _, want := range []string{"100038 (22018): Numeric value … is not recognized (file ", "data", ".parquet, line 3, character 14, row 2, column NAME)"} {
		if !strings.Contains(out.mails[1], want) {
			t.Errorf("the mail lacks %q:\n%s", want, out.mails[1])
		}
	}
}

// TestErrorOfAWSHasNoValue: SQS refuses the new visibility timeout.
func TestErrorOfAWSHasNoValue(t *testing.T) {
	t.Parallel()
	out := run(t, vendorError{"000604", "57014", "SQL execution canceled"}, "copy", 1)
	if log := out.log.String(); strings.Contains(log, mark) || !strings.Contains(log, "SQS ChangeMessageVisibility: InvalidParameterValue: Value … ") {
		t.Errorf("log: %s", log)
	}
	f := fault.AWS("read receipt", fault.StoreAway, fmt.Errorf("s3://b/k: %w", errSQS))
	if strings.Contains(f.Error(), mark) || !errors.Is(f, errSQS) {
		t.Errorf("fault: %v", f)
	}
}
