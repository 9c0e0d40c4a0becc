//go:build standin

package operator_test

import (
	"io"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

func TestPutUploadsNewVersion(t *testing.T) {
	t.Parallel()
	f, ctx := newFixture(t), t.Context()
	const key = "shop/order/a b+c=%é.csv"
	first, err := f.Put(ctx, writeFile(t, "a.csv", "first"), key)
	if err != nil {
		t.Fatal(err)
	}
	second, err := f.Put(ctx, writeFile(t, "a.csv", "second!"), key)
	if err != nil {
		t.Fatal(err)
	}
	if first.Version == "" || first.Version == second.Version || first.ID() == second.ID() {
		t.Errorf("versions %q and %q", first.Version, second.Version)
	}
	if second.Bucket != f.Stack.LandingBucket || second.Key != key || second.Size != 7 || strings.Contains(second.ETag, `"`) {
		t.Errorf("Put = %+v", second)
	}
	client := f.Objects.(*s3.Client)
	output, err := client.GetObject(ctx, &s3.GetObjectInput{
		Bucket: aws.String(first.Bucket), Key: aws.String(first.Key), VersionId: aws.String(first.Version),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer output.Body.Close()
	if body, err := io.ReadAll(output.Body); err != nil || string(body) != "first" {
		t.Errorf("the first version holds %q, %v", body, err)
	}
}

func TestPutRefuses(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	folder := t.TempDir()
	if _, err := f.Put(t.Context(), folder, "k"); message(err) != "put: "+folder+" is a folder; name files" {
		t.Errorf("a folder: %v", err)
	}
	missing := filepath.Join(folder, "missing.csv")
	if _, err := f.Put(t.Context(), missing, "k"); message(err) != "put: open "+missing+": no such file or directory" {
		t.Errorf("a missing file: %v", err)
	}
	f.Stack.LandingBucket = "no-such-bucket"
	if _, err := f.Put(t.Context(), writeFile(t, "a.csv", "x"), "k"); err == nil || !strings.HasPrefix(err.Error(), "put no-such-bucket/k: ") {
		t.Errorf("no bucket: %v", err)
	}
}

// TestRunIsCompleteOnceManifestExists: a run is complete if its manifest exists. The
// parts are the newest versions below the run's own prefix.
func TestRunIsCompleteOnceManifestExists(t *testing.T) {
	t.Parallel()
	f, ctx := newFixture(t), t.Context()
	put := func(key, content string) string {
		t.Helper()
		o, err := f.Put(ctx, writeFile(t, "part", content), key)
		if err != nil {
			t.Fatal(err)
		}
		return string(o.ID())
	}
	const prefix = "station/event/run=1/"
	if parts, complete, err := f.RunParts(ctx, prefix); err != nil || complete || len(parts) > 0 {
		t.Errorf("nothing yet: %v, %t, %v", parts, complete, err)
	}
	put(prefix+"part-00001.ndjson.gz", "old")
	want := []string{put(prefix+"part-00001.ndjson.gz", "new"), put(prefix+"part-00002.ndjson.gz", "x")}
	put("station/event/run=2/part-00001.ndjson.gz", "another run's")
	if parts, complete, err := f.RunParts(ctx, prefix); err != nil || complete || len(parts) != 2 {
		t.Errorf("before the manifest: %v, %t, %v", parts, complete, err)
	}
	put(prefix+"_manifest.json", "{}")
	parts, complete, err := f.RunParts(ctx, prefix)
	if err != nil || !complete || len(parts) != 2 || string(parts[0]) != want[0] || string(parts[1]) != want[1] {
		t.Errorf("Run = %v, %t, %v; want %v", parts, complete, err, want)
	}
	f.Stack.LandingBucket = "no-such-bucket"
	if _, _, err := f.RunParts(ctx, prefix); err == nil || !strings.HasPrefix(err.Error(), "list s3://no-such-bucket/"+prefix) {
		t.Errorf("no bucket: %v", err)
	}
}
