package laptop_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/firn-data/firn/internal/laptop"
)

const datasets = "../../testdata/project/datasets"

// repository makes a folder with the prerequisites of Up: contracts, and files in place
// of the programs of `make setup`.
func repository(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	if err := os.CopyFS(filepath.Join(root, "datasets"), os.DirFS(datasets)); err != nil {
		t.Fatal(err)
	}
	for _, program := range []string{"build/venv/aws/bin/python", "build/venv/snowflake/bin/python", "build/venv/glue/bin/python", "build/jars/s3a.jar", "node_modules/.bin/cdk"} {
		write(t, filepath.Join(root, program), "")
	}
	return root
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func open(t *testing.T, root string) *laptop.Cloud {
	t.Helper()
	cloud, err := laptop.Open(root, filepath.Join(root, "build", "local"), "/nowhere/firn")
	if err != nil {
		t.Fatal(err)
	}
	return cloud
}

// save writes the state of a cloud whose Up has succeeded.
func save(t *testing.T, cloud *laptop.Cloud) {
	t.Helper()
	if err := os.MkdirAll(cloud.Directory, 0o755); err != nil {
		t.Fatal(err)
	}
	cloud.Outputs = map[string]string{"LandingBucket": "l"}
	if err := cloud.Save(); err != nil {
		t.Fatal(err)
	}
}

// sleepingProcess is the id of a server that only sleeps.
func sleepingProcess(t *testing.T) int {
	t.Helper()
	directory := t.TempDir()
	ready := func(context.Context) error { return nil }
	pid, err := laptop.StartProcess(context.Background(), "sleeper", directory, nil, ready, "/bin/sleep", "600")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := laptop.StopWithin(pid, laptop.Impatient); err != nil {
			t.Errorf("stop the sleeping process: %v", err)
		}
	})
	return pid
}

// endedProcess is the id of an ended process.
func endedProcess(t *testing.T) int {
	t.Helper()
	cmd := exec.Command("/bin/true")
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	return cmd.Process.Pid
}

func failingStep(t *testing.T) laptop.Step {
	return func(name string, _ func() error) error {
		t.Errorf("Up began the step %q", name)
		return nil
	}
}

// TestUpRefusesMissingPrerequisites breaks a prerequisite in each case. Up fails before
// the first step.
func TestUpRefusesMissingPrerequisites(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		prepare func(t *testing.T, root string, cloud *laptop.Cloud)
		want    []string
	}{
		{"without installed programs", func(t *testing.T, root string, _ *laptop.Cloud) {
			if err := os.RemoveAll(filepath.Join(root, "build")); err != nil {
				t.Fatal(err)
			}
		}, []string{"build/venv/aws/bin/python is missing: run `make setup` first"}},
		{"without Spark", func(t *testing.T, root string, _ *laptop.Cloud) {
			if err := os.RemoveAll(filepath.Join(root, "build", "venv", "glue")); err != nil {
				t.Fatal(err)
			}
		}, []string{"build/venv/glue/bin/python is missing: run `make setup` first"}},
		{"without the jars of Spark", func(t *testing.T, root string, _ *laptop.Cloud) {
			if err := os.RemoveAll(filepath.Join(root, "build", "jars")); err != nil {
				t.Fatal(err)
			}
		}, []string{"build/jars is missing: run `make setup` first"}},
		{"without the CDK", func(t *testing.T, root string, _ *laptop.Cloud) {
			if err := os.RemoveAll(filepath.Join(root, "node_modules")); err != nil {
				t.Fatal(err)
			}
		}, []string{"node_modules/.bin/cdk is missing: run `make setup` first"}},
		{"broken contract", func(t *testing.T, root string, _ *laptop.Cloud) {
			path := filepath.Join(root, "datasets/shop/order/contract.odcs.yaml")
			content, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			write(t, path, strings.Replace(string(content), "logicalType: integer", "logicalType: intiger", 1))
		}, []string{"fix the contracts in datasets/ first: shop/order/contract.odcs.yaml:26: schema[0].properties[1].logicalType: "}},
		{"busy port", func(t *testing.T, _ string, cloud *laptop.Cloud) {
			cloud.Ports.Snowflake = listen(t)
		}, []string{" is busy: ", "--snowflake-port"}},
		{"already up", func(t *testing.T, _ string, cloud *laptop.Cloud) {
			cloud.Servers["aws"] = sleepingProcess(t)
			save(t, cloud)
		}, []string{"already up", "firn down"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			root := repository(t)
			cloud := open(t, root)
			test.prepare(t, root, cloud)
			err := cloud.Up(t.Context(), failingStep(t))
			if err == nil {
				t.Fatal("Up succeeded")
			}
			for _, want := range test.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("Up = %q, want %q in the error", err, want)
				}
			}
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("the error has several lines:\n%v", err)
			}
		})
	}
}

// TestUpStopsLeftoverServers begins with a crashed server and a running server. Up must
// stop the running server, because the new state doesn't name the old ports.
func TestUpStopsLeftoverServers(t *testing.T) {
	t.Parallel()
	cloud := open(t, repository(t))
	leftover := sleepingProcess(t)
	cloud.Servers = map[string]int{"aws": endedProcess(t), "mail": leftover}
	cloud.Ports.AWS = listen(t) // makes Up fail after the stop
	if err := cloud.Up(t.Context(), failingStep(t)); err == nil || !strings.Contains(err.Error(), "is busy") {
		t.Errorf("Up = %v", err)
	}
	if laptop.Alive(leftover) || len(cloud.Servers) > 0 {
		t.Errorf("leftover server: running %t, known servers %v", laptop.Alive(leftover), cloud.Servers)
	}
}

func TestOpenReadsSavedState(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	cloud := open(t, root)
	cloud.EnvironmentFile = filepath.Join(root, "build", "local.env")
	cloud.Ports = laptop.Ports{AWS: 1, Snowflake: 2, Mail: 3, FDSN: 4}
	cloud.Servers["aws"] = sleepingProcess(t)
	save(t, cloud)
	again := open(t, root)
	again.EnvironmentFile = cloud.EnvironmentFile
	if diff := cmp.Diff(cloud, again); diff != "" {
		t.Errorf("opened (-saved +opened):\n%s", diff)
	}
	if !again.Running() {
		t.Error("the opened cloud isn't running")
	}
	if err := again.Down(); err != nil {
		t.Fatal(err)
	}
	if after := open(t, root); after.Running() || len(after.Servers) > 0 {
		t.Errorf("servers after Down are %v", after.Servers)
	}
	if _, err := os.Stat(cloud.EnvironmentFile); err == nil {
		t.Error("local.env exists after Down")
	}
	if err := again.Down(); err != nil {
		t.Errorf("second Down: %v", err)
	}
}

func TestOpenOfBrokenStateFails(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "cloud.json")
	write(t, path, "{")
	if _, err := laptop.Open("", filepath.Dir(path), ""); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("Open = %v, want an error that names %s", err, path)
	}
}

func TestKillEndsOneServer(t *testing.T) {
	t.Parallel()
	cloud := open(t, t.TempDir())
	cloud.Servers["aws"] = sleepingProcess(t)
	if err := cloud.Kill("aws"); err != nil || cloud.Running() {
		t.Errorf("Kill: %v, running %t", err, cloud.Running())
	}
}
