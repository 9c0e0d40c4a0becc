//go:build endtoend

package path_test

import (
	"io"
	"regexp"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/firn-data/firn/internal/journal"
	"github.com/firn-data/firn/test/engines/suite"
)

// A file without a good record is refused. The mail names the file with its rejects, and
// has no text of a record.
func TestFileWithoutGoodRecordKeepsItsRejects(t *testing.T) {
	t.Parallel()
	o := put(t, keyOf(t, "customers.csv"), []byte("code,name\nTOO LONG,"+suite.Mark+"\nAA\n"))
	entry := awaitStopped(t, o)[0]
	checkState(t, entry, journal.Failed)
	if entry.Code != "no_good_row" || rowsOf(t, o) != 0 {
		t.Errorf("code %q, and %d rows; want no row", entry.Code, rowsOf(t, o))
	}
	m := awaitMail(t, o)
	place := regexp.MustCompile(`s3://([^/]+)/(\S+/rejects\S*\.parquet)`).FindStringSubmatch(m.Body)
	if place == nil || len(suite.MarksIn(m.Body)) > 0 {
		t.Fatalf("the mail names no file of rejects, or has the text of a record:\n%s", m.Body)
	}
	got, err := stack.s3.GetObject(t.Context(), &s3.GetObjectInput{Bucket: aws.String(place[1]), Key: aws.String(place[2])})
	if err != nil {
		t.Fatal(err)
	}
	defer got.Body.Close()
	body, err := io.ReadAll(got.Body)
	if err != nil {
		t.Fatal(err)
	}
	rows, err := suite.ReadParquet(body)
	if err != nil || len(rows) != 2 || rows[0]["raw"] != "TOO LONG,"+suite.Mark || rows[1]["rule"] != "_row:columns" {
		t.Errorf("the file of rejects has %v, %v", rows, err)
	}
}
