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

// largeBrokenFile is a file that is refused after some of its rows were
// written, which must be dropped again.
var largeBrokenFile = useCase{"what a broken file left behind is dropped", func(t *testing.T) startedUseCase {
	t.Helper()
	o := put(t, keyOf(t, "large.csv"), largeAndBroken(t))
	checkState(t, awaitStopped(t, o)[0], journal.Failed)
	inParts := unfinishedUploads(t, o)
	return startedUseCase{
		done: func() (bool, string) {
			uploads := unfinishedUploads(t, o)
			return len(uploads) == 0, strings.Join(uploads, ", ")
		},
		repair: func() { dropUploads(t, o, inParts) },
	}
}}

// largeAndBroken is a file of customers whose names don't compress. Its first
// 1,048,576 rows are one row group, and more than one part of an upload; then
// comes a quote that is never closed.
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

// unfinishedUploads are the keys of an object's files in the curated bucket
// that were begun and neither completed nor dropped, with the upload's id.
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

// dropUploads drops what was left behind as the lifecycle rule would, and then
// lets the object be tried, and refused, again.
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
