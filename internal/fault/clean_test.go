package fault_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/firn-data/firn/internal/fault"
)

func TestClean(t *testing.T) {
	t.Parallel()
	const statement = "copy into RAW.SHOP_ORDER from @RAW.CURATED files = ('shop.order/0a1b/1-x/data-0.parquet')"
	tests := []struct{ name, message, own, want string }{
		{"quoted value", "Numeric value 'one thousand' is not recognized", "", "Numeric value … is not recognized"},
		{"value with quotes", "Numeric value 'a' or 'b' is not recognized", "", "Numeric value … is not recognized"},
		{"value in double quotes", `Failed to cast variant value "078-05-1120" to DATE`, "", "Failed to cast variant value … to DATE"},
		{"value without quotes", "Failed to cast variant value 4111111111111111 to FIXED", "", "Failed to cast variant value … to FIXED"},
		{"JSON without quotes", `Error parsing JSON: {"ssn": 78}`, "", "Error parsing JSON: {…}"},
		{"value of many lines", "Could not convert string 'SSN\n078-05-1120' to INT32", "", "Could not convert string … to INT32"},
		{"apostrophe in a word", "Can't parse '31.12.2026' as date with format 'YYYY-MM-DD'", "", "Can't parse …"},
		{
			"the statement's file", "Remote file 's3://curated/shop.order/0a1b/1-x/data-0.parquet' was not found", statement,
			"Remote file shop.order/0a1b/1-x/data-0.parquet was not found",
		},
		{"another file", "Remote file 's3://curated/Ada Lovelace' was not found", statement, "Remote file … was not found"},
		{"a value of common words", "file 'value of the row' was not found", statement, "file … was not found"},
		{"a value with the statement's name", "Numeric value 'RAW.SHOP_ORDER' is not recognized", statement, "Numeric value … is not recognized"},
		{"the statement's table", "Binder error: table RAW.SHOP_ORDER has no column Lovelace", statement, "Binder error: table RAW.SHOP_ORDER has no column …"},
		{"a whole place", "s3://b/shop/day 01.csv: can't convert 'Lovelace'", "s3://b/shop/day 01.csv\n", "s3://b/shop/day 01.csv: can't convert …"},
		{"a value beside a place", "'Lovelace s3://b/shop/01.csv Ada' failed", "s3://b/shop/01.csv\n", "… s3://b/shop/01.csv … failed"},
		{"unknown script", "Zahl ٣٤٥ Müller €", "", "…"},
		{"not UTF-8", "invalid byte \xff in field", "", "invalid byte … in field"},
		{"empty", "", "", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if got := fault.Clean(test.message, test.own); got != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
		})
	}
}

// awsCall, awsAnswer and awsResponse have the methods of the SDK's errors:
// smithy.OperationError, smithy.APIError and http.ResponseError.
type awsCall struct{ inner error }

func (e awsCall) Error() string     { return "operation error S3: GetObject, " + e.inner.Error() }
func (e awsCall) Unwrap() error     { return e.inner }
func (e awsCall) Service() string   { return "S3" }
func (e awsCall) Operation() string { return "GetObject" }

type awsResponse struct{ inner error }

func (e awsResponse) Error() string {
	return "https response error StatusCode: 404, RequestID: 4442587FB7D0A2F9, " + e.inner.Error()
}
func (e awsResponse) Unwrap() error            { return e.inner }
func (e awsResponse) HTTPStatusCode() int      { return 404 }
func (e awsResponse) ServiceRequestID() string { return "4442587FB7D0A2F9" }

type awsAnswer struct{ code, message string }

func (e awsAnswer) Error() string        { return "api error " + e.code + ": " + e.message }
func (e awsAnswer) ErrorCode() string    { return e.code }
func (e awsAnswer) ErrorMessage() string { return e.message }

func TestCleanedErrorOfAWS(t *testing.T) {
	t.Parallel()
	inner := awsCall{awsResponse{awsAnswer{"NoSuchKey", "The specified key 'Lovelace' does not exist."}}}
	f := fault.AWS("read", fault.StoreAway, fmt.Errorf("object s3://b/k: %w", inner))
	if want := "object s3://b/k: S3 GetObject: NoSuchKey: The specified key … does not exist. (HTTP 404, request 4442587FB7D0A2F9)"; f.Cause() != want {
		t.Errorf("got  %s\nwant %s", f.Cause(), want)
	}
	if !fault.IsAWS(f, "NoSuchKey") {
		t.Error("the fault doesn't wrap the error of the SDK")
	}
	if again := fault.Cleaned(fmt.Errorf("try 2: %w", f.Err), ""); again.Error() != "try 2: "+f.Cause() {
		t.Errorf("cleaned twice: %s", again)
	}
	gone := fault.AWS("read", fault.StoreAway, awsCall{errors.New("dial tcp 10.0.0.1:443: connect: connection refused")})
	if want := "S3 GetObject: dial tcp …: connect: connection refused"; gone.Cause() != want {
		t.Errorf("got  %s\nwant %s", gone.Cause(), want)
	}
	odd := fault.AWS("read", fault.StoreAway, awsCall{awsAnswer{"value 'Lovelace'", "Bad value"}})
	if want := "S3 GetObject: Bad value"; odd.Cause() != want {
		t.Errorf("got  %s\nwant %s", odd.Cause(), want)
	}
	denied := fault.AWS("read", fault.StoreAway, awsCall{awsAnswer{"AccessDenied", "User: arn:aws:sts::1:x is not authorized to perform: s3:GetObject on resource: Lovelace"}})
	if want := "S3 GetObject: AccessDenied: User: arn:aws:sts::1:x is not authorized to perform: s3:GetObject"; denied.Cause() != want {
		t.Errorf("got  %s\nwant %s", denied.Cause(), want)
	}
	if fault.Cleaned(nil, "") != nil {
		t.Error("Cleaned(nil) is an error")
	}
}

// mark is a text that no message has.
const mark = "Zq7Mark"

// TestMarkedValueNeverSurvives puts a random value with a mark into random messages.
func TestMarkedValueNeverSurvives(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(7, 11))
	pieces := []string{"'", `"`, "`", "\n", " ", "is not recognized", "file ", "table ", "File '", "column", "s3://", "line 3", "{", "}", "\\", "é", "\x00", "value ", "1", mark}
	for range 2_000 {
		var value strings.Builder
		for range random.IntN(8) {
			value.WriteString(pieces[random.IntN(len(pieces))])
		}
		checkNoMark(t, value.String()+mark+value.String())
	}
}

func FuzzMarkedValueNeverSurvives(f *testing.F) {
	f.Add("' is not recognized", "file '")
	f.Add("", "\n  File 'x'")
	f.Fuzz(func(t *testing.T, before, after string) { checkNoMark(t, before+mark+after) })
}

// checkNoMark cleans messages of vendors with the value. The mark is a part of a word or
// a word, so the value's other parts never complete a common word.
func checkNoMark(t *testing.T, value string) {
	t.Helper()
	for _, form := range []string{
		"%s", "Numeric value '%s' is not recognized", "Failed to cast variant value %s to DATE", "Error parsing JSON: %s", "file '%s' was not found",
		"table %s", `bad limit value "%s"`, "Duplicate row detected during DML action\nRow Values: [%s, 1]",
	} {
		message := fmt.Sprintf(form, value)
		if got := fault.Clean(message, "copy into RAW.X files = ('a.parquet')"); strings.Contains(strings.ToLower(got), strings.ToLower(mark)) {
			t.Fatalf("the mark is in %q, from %q", got, message)
		}
	}
}
