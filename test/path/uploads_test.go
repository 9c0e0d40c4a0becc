//go:build endtoend

package path_test

import (
	"crypto/rand"
	"encoding/base64"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/firn-data/firn/internal/journal"
	"github.com/firn-data/firn/internal/object"
)

// largeBrokenFile is a file that is refused after the first rows are written. The
// transform must abort the unfinished upload.
var largeBrokenFile = useCase{"the unfinished upload of a broken file is aborted", func(t *testing.T) startedUseCase {
	t.Helper()
	o := put(t, keyOf(t, "large.csv"), largeAndBroken(t))
	checkState(t, awaitStopped(t, o)[0], journal.Failed)
	uploads := unfinishedUploads(t, o)
	return startedUseCase{
		done: func() (bool, string) {
			uploads := unfinishedUploads(t, o)
			return len(uploads) == 0, strings.Join(uploads, ", ")
		},
		repair: func() { dropUploads(t, o, uploads) },
	}
}}

// largeAndBroken returns a file of customers whose names don't compress. The first
// 1,048,576 rows are one row group and more than one part of an upload. The last line
// has an open quote.
func largeAndBroken(t *testing.T) []byte {
	t.Helper()
	const rows, width = 1_100_000, 18
	var text strings.Builder
	text.WriteString("code,name\n")
	noise := make([]byte, rows*width)
	if _, err := rand.Read(noise); err != nil {
		t.Fatal(err)
	}
	for i := range rows {
		text.WriteString("AA," + base64.RawURLEncoding.EncodeToString(noise[i*width:(i+1)*width]) + "\n")
	}
	text.WriteString("\"BB,never closed\n")
	return []byte(text.String())
}

// unfinishedUploads returns key and upload id of an object's unfinished uploads in the
// curated bucket.
func unfinishedUploads(t *testing.T, o object.Object) []string {
	t.Helper()
	answer, err := stack.s3.ListMultipartUploads(t.Context(), &s3.ListMultipartUploadsInput{Bucket: aws.String(stack.operator.Stack.CuratedBucket)})
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, upload := range answer.Uploads {
		if strings.Contains(aws.ToString(upload.Key), string(o.ID())) {
			found = append(found, aws.ToString(upload.Key)+" "+aws.ToString(upload.UploadId))
		}
	}
	return found
}

// dropUploads aborts unfinished uploads, as the lifecycle rule would. Then the object
// is redriven and refused again.
func dropUploads(t *testing.T, o object.Object, uploads []string) {
	t.Helper()
	for _, upload := range uploads {
		key, id, _ := strings.Cut(upload, " ")
		_, err := stack.s3.AbortMultipartUpload(t.Context(), &s3.AbortMultipartUploadInput{
			Bucket: aws.String(stack.operator.Stack.CuratedBucket), Key: aws.String(key), UploadId: aws.String(id),
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if _, err := stack.operator.Redrive(t.Context(), string(o.ID())); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the file is refused again", func() (bool, string) { return inState(t, o, journal.Failed) })
}
