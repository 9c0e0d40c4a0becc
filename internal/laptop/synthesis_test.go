package laptop_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/firn-data/firn/internal/laptop"
)

// fakeCDK plays the CDK's command: it notes its arguments in calls, and writes a template
// with the arguments into the folder of --output, by default build/cdk.out.
const fakeCDK = `#!/bin/sh
echo "$*" >>"$PWD/calls"
output=build/cdk.out previous=
for argument; do
	if [ "$previous" = --output ]; then output=$argument; fi
	previous=$argument
done
mkdir -p "$output"
echo "\"$*\"" >"$output/Firn.template.json"
`

// synthesizable makes a repository with the sources of a synthesis.
func synthesizable(t *testing.T) *laptop.Cloud {
	t.Helper()
	root := repository(t)
	for _, name := range []string{"go.mod", "go.sum", "infra/main.go", "functions/load/main.go", "internal/load/load.go", "glue/transform.py", "glue/firn_glue/__init__.py"} {
		write(t, filepath.Join(root, name), "")
	}
	write(t, filepath.Join(root, "cdk.json"), `{"app": "go run ./infra", "output": "build/cdk.out", "context": {}}`)
	write(t, filepath.Join(root, "node_modules/.bin/cdk"), fakeCDK)
	if err := os.Chmod(filepath.Join(root, "node_modules/.bin/cdk"), 0o700); err != nil {
		t.Fatal(err)
	}
	cloud := open(t, root)
	if err := os.MkdirAll(cloud.Directory, 0o755); err != nil {
		t.Fatal(err)
	}
	return cloud
}

// syntheses synthesizes and returns the number of all syntheses.
func syntheses(t *testing.T, cloud *laptop.Cloud) int {
	t.Helper()
	if err := cloud.Synthesize(t.Context()); err != nil {
		t.Fatal(err)
	}
	calls, err := os.ReadFile(filepath.Join(cloud.Root, "calls"))
	if err != nil {
		t.Fatal(err)
	}
	return strings.Count(string(calls), "synth ")
}

// TestSynthesisIsRepeatedAfterChange changes an input or the result of a synthesis. The
// next synthesis is new, and the synthesis after that does nothing.
func TestSynthesisIsRepeatedAfterChange(t *testing.T) {
	tests := []struct {
		name   string
		change func(t *testing.T, cloud *laptop.Cloud)
		want   int
	}{
		{"no change", func(*testing.T, *laptop.Cloud) {}, 1},
		{"contract", func(t *testing.T, cloud *laptop.Cloud) {
			write(t, filepath.Join(cloud.Root, "datasets/shop/order/contract.odcs.yaml"), "kind: other")
		}, 2},
		{"context in cdk.json", func(t *testing.T, cloud *laptop.Cloud) {
			write(t, filepath.Join(cloud.Root, "cdk.json"), `{"app": "go run ./infra", "output": "build/cdk.out", "context": {"firn:encryption": "s3"}}`)
		}, 2},
		{"new cdk.context.json", func(t *testing.T, cloud *laptop.Cloud) {
			write(t, filepath.Join(cloud.Root, "cdk.context.json"), `{"firn:fanOut": "true"}`)
		}, 2},
		{"new .cdk.json of the user", func(t *testing.T, _ *laptop.Cloud) {
			write(t, filepath.Join(os.Getenv("HOME"), ".cdk.json"), `{"context": {"firn:fanOut": "true"}}`)
		}, 2},
		{"option of the CDK as a variable", func(t *testing.T, _ *laptop.Cloud) { t.Setenv("CDK_CONTEXT", "firn:retain=false") }, 2},
		{"variable of the functions' build", func(t *testing.T, _ *laptop.Cloud) { t.Setenv("GOEXPERIMENT", "nosimd") }, 2},
		{"variable without an effect", func(t *testing.T, _ *laptop.Cloud) { t.Setenv("CDK_HOME", "/nowhere") }, 1},
		{"removed result", func(t *testing.T, cloud *laptop.Cloud) {
			if err := os.RemoveAll(cloud.Assembly()); err != nil {
				t.Fatal(err)
			}
		}, 2},
		{"result of other settings in the same folder", func(t *testing.T, cloud *laptop.Cloud) {
			write(t, filepath.Join(cloud.Assembly(), "Firn.template.json"), `"other settings"`)
		}, 2},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Setenv("HOME", t.TempDir())
			cloud := synthesizable(t)
			if got := syntheses(t, cloud); got != 1 {
				t.Fatalf("%d syntheses at the first call, want 1", got)
			}
			test.change(t, cloud)
			if got := syntheses(t, cloud); got != test.want {
				t.Errorf("%d syntheses, want %d", got, test.want)
			}
			if got := syntheses(t, cloud); got != test.want {
				t.Errorf("%d syntheses after another call, want %d", got, test.want)
			}
		})
	}
}

// TestOtherSynthesisLeavesLaptopsStack runs `cdk synth` with other settings after a
// synthesis of the laptop. The laptop's stack doesn't change.
func TestOtherSynthesisLeavesLaptopsStack(t *testing.T) {
	t.Parallel()
	cloud := synthesizable(t)
	syntheses(t, cloud)
	template := filepath.Join(cloud.Assembly(), "Firn.template.json")
	before, err := os.ReadFile(template)
	if err != nil {
		t.Fatal(err)
	}
	const byHand = `cd "$1" && exec node_modules/.bin/cdk synth --context firn:snowflakeAccount=MYORG-ACCOUNT`
	if output, err := laptop.RunChild(t.Context(), 0, shell, "-c", byHand, "sh", cloud.Root); err != nil {
		t.Fatalf("%v: %s", err, output)
	}
	if err := cloud.Synthesize(t.Context()); err != nil {
		t.Fatal(err)
	}
	after, err := os.ReadFile(template)
	if err != nil || string(after) != string(before) || strings.Contains(string(after), "MYORG") {
		t.Errorf("the laptop's template is %s (%v), want %s", after, err, before)
	}
}
