//go:build standin

package laptop_test

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/glue"
	"github.com/aws/aws-sdk-go-v2/service/glue/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/firn-data/firn/internal/awsconfig"
	"github.com/firn-data/firn/internal/laptop"
)

// runnerScript replaces Spark: a process with a child process. The script writes both
// process ids and doesn't end.
const runnerScript = `#!/bin/sh
sleep 600 &
echo "$$ $!" > "$HOME/pids.part"
mv "$HOME/pids.part" "$HOME/pids"
wait
`

// TestDownStopsGlueRuns checks that no process of a run outlives the cloud. The path of
// the repository has a blank.
func TestDownStopsGlueRuns(t *testing.T) {
	for name, stop := range map[string]func(*laptop.Cloud) error{
		"stopped": (*laptop.Cloud).Down,
		"killed":  func(c *laptop.Cloud) error { return c.Kill("aws") },
	} {
		t.Run(name, func(t *testing.T) {
			root := filepath.Join(t.TempDir(), "a clone")
			t.Setenv("HOME", filepath.Dir(root))
			cloud := standIn(t, root)
			startRun(t, cloud)
			var pids []int
			for text := range strings.FieldsSeq(awaitFile(t, filepath.Join(filepath.Dir(root), "pids"))) {
				pid, err := strconv.Atoi(text)
				if err != nil {
					t.Fatal(err)
				}
				pids = append(pids, pid)
			}
			if len(pids) != 2 || slices.ContainsFunc(pids, func(pid int) bool { return !laptop.Alive(pid) }) {
				t.Fatalf("processes of the run are %v, want two running processes", pids)
			}
			if err := stop(cloud); err != nil {
				t.Fatal(err)
			}
			for _, pid := range pids {
				await(t, func() bool { return !laptop.Alive(pid) })
			}
		})
	}
}

// standIn starts the AWS stand-in of a repository with runnerScript as the runner.
func standIn(t *testing.T, root string) *laptop.Cloud {
	t.Helper()
	source, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	for _, folder := range []string{"local/aws", "build/venv/aws"} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(root, folder)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(filepath.Join(source, folder), filepath.Join(root, folder)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.CopyFS(filepath.Join(root, "datasets"), os.DirFS(datasets)); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(root, "glue", "run_local.sh"), runnerScript)
	if err := os.Chmod(filepath.Join(root, "glue", "run_local.sh"), 0o700); err != nil {
		t.Fatal(err)
	}
	cloud := open(t, root)
	cloud.EndWithProcess = true
	if err := cloud.StartOnly(t.Context(), "aws"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cloud.Stop(); err != nil {
			t.Error(err)
		}
	})
	return cloud
}

// startRun starts a run of a job.
func startRun(t *testing.T, cloud *laptop.Cloud) {
	t.Helper()
	ctx := t.Context()
	if err := cloud.SetEnvironment(func(name, value string) error { t.Setenv(name, value); return nil }); err != nil {
		t.Fatal(err)
	}
	cfg, err := awsconfig.Load(ctx)
	if err != nil {
		t.Fatal(err)
	}
	objects := s3.NewFromConfig(cfg, func(o *s3.Options) { o.UsePathStyle = true })
	if _, err := objects.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: aws.String("scripts")}); err != nil {
		t.Fatal(err)
	}
	if _, err := objects.PutObject(ctx, &s3.PutObjectInput{
		Bucket: aws.String("scripts"), Key: aws.String("job.py"), Body: strings.NewReader("pass"),
	}); err != nil {
		t.Fatal(err)
	}
	jobs := glue.NewFromConfig(cfg)
	if _, err := jobs.CreateJob(ctx, &glue.CreateJobInput{
		Name: aws.String("job"), Role: aws.String("arn:aws:iam::000000000000:role/none"),
		Command: &types.JobCommand{Name: aws.String("glueetl"), ScriptLocation: aws.String("s3://scripts/job.py")},
	}); err != nil {
		t.Fatal(err)
	}
	if _, err := jobs.StartJobRun(ctx, &glue.StartJobRunInput{JobName: aws.String("job")}); err != nil {
		t.Fatal(err)
	}
}

// awaitFile waits for a file and returns the content.
func awaitFile(t *testing.T, path string) string {
	t.Helper()
	var content []byte
	await(t, func() bool {
		found, err := os.ReadFile(path)
		content = found
		return err == nil
	})
	return string(content)
}

// await polls until done returns true. Files and other processes send no notification.
func await(t *testing.T, done func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for !done() {
		select {
		case <-ctx.Done():
			t.Fatal("the condition is false after 30 s")
		case <-ticker.C:
		}
	}
}
