//go:build cdk

package stack_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-cdk-go/awscdk/v2/assertions"
	"github.com/aws/jsii-runtime-go"
	"github.com/google/go-cmp/cmp"

	"github.com/firn-data/firn/infra/setting"
	"github.com/firn-data/firn/infra/stack"
	"github.com/firn-data/firn/internal/contract"
)

var update = flag.Bool("update", false, "write the golden files")

// The tests of this package run in sequence, because the CDK's one Node process takes
// one call at a time.
func TestMain(m *testing.M) {
	code := m.Run()
	jsii.Close()
	os.Exit(code)
}

// template is the CloudFormation template. The keys are logical ids without a hash.
type template struct {
	Resources map[string]resource
	Outputs   map[string]struct{ Value any }
	content   []byte
	// outdir is the assembly's folder. The folder exists only during the test that
	// synthesized the template.
	outdir string
}

type resource struct {
	Type           string
	Properties     map[string]any
	DependsOn      any
	DeletionPolicy string
}

// props returns the settings of a first deployment. The content of the functions is
// arbitrary.
func props(t *testing.T) stack.Props {
	t.Helper()
	return stack.Props{
		Settings: setting.Settings{
			AlertAddress: "you@example.com", MailsPerHour: 30, SnowflakeAccount: "MYORG-ACCOUNT", SnowflakeDatabase: "FIRN",
			SnowflakeExternalID: "firn-MYORG-ACCOUNT-FIRN", SnowflakeLogin: setting.Workload, SnowflakeOCSP: true,
			Architecture: setting.ARM64, Encryption: setting.KMS, Schedules: true, Retain: true, Tick: time.Minute, Sweep: time.Hour,
			Glue: setting.Glue{WorkerType: "G.1X", Workers: 2, Timeout: 2 * time.Hour, ConcurrentRuns: 4, Window: time.Minute},
		},
		Contracts: contract.Set{
			{Source: "shop", Entity: "order"},
			{Source: "station", Entity: "event", Ingest: &contract.Ingest{Schedule: "cron(15 * * * ? *)"}},
		},
		Functions:  functions(t, "arm64"),
		GlueScript: script(t),
	}
}

// script creates a script for the Glue job, the imported modules and other files in the
// same folder.
func script(t *testing.T) string {
	t.Helper()
	folder := t.TempDir()
	for _, name := range []string{
		"transform.py", "firn_glue/__init__.py", "firn_glue/engine.py",
		"firn_glue/__pycache__/engine.pyc", "tests/firn_glue/test_engine.py", "run_local.sh",
	} {
		path := filepath.Join(folder, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte("pass\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(folder, "transform.py")
}

// functions creates a folder like the result of bundle.Build.
func functions(t *testing.T, content string) string {
	t.Helper()
	folder := t.TempDir()
	for _, name := range []string{"ingest", "route", "transform", "load", "alert"} {
		if err := os.Mkdir(filepath.Join(folder, name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(folder, name, "bootstrap"), []byte(name+content), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return folder
}

var templates = map[string]template{}

// standardTemplate returns the template of a first deployment.
func standardTemplate(t *testing.T) template {
	t.Helper()
	return templateOf(t, "standard", nil)
}

// fanOutTemplate returns the template with topics between buckets and queues.
func fanOutTemplate(t *testing.T) template {
	t.Helper()
	return templateOf(t, "fan-out", func(p *stack.Props) { p.Settings.FanOut = true })
}

// oppositeTemplate returns the template of a deployment with the opposite choices.
func oppositeTemplate(t *testing.T) template {
	t.Helper()
	return templateOf(t, "opposite", func(p *stack.Props) {
		p.Settings.Encryption, p.Settings.Retain = setting.S3, false
		p.Settings.SnowflakeUserARN = snowflakeUser
		p.Settings.SnowflakeLogin, p.Settings.SnowflakeOCSP = setting.KeyPair, false
		p.Settings.Glue.Flex, p.Settings.Glue.Window = true, 0
		p.Settings.Sweep = 0
		p.Contracts = p.Contracts[:1]
	})
}

// webhookSecret is the secret of webhookTemplate.
const webhookSecret = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:firn/webhook-AbC123"

// webhookTemplate returns the template of a stack with a webhook.
func webhookTemplate(t *testing.T) template {
	t.Helper()
	return templateOf(t, "webhook", func(p *stack.Props) { p.Settings.WebhookSecretARN = webhookSecret })
}

// keyPairTemplate returns the template of a stack with a login by key pair.
func keyPairTemplate(t *testing.T) template {
	t.Helper()
	return templateOf(t, "key pair", func(p *stack.Props) { p.Settings.SnowflakeLogin = setting.KeyPair })
}

const snowflakeUser = "arn:aws:iam::123456789012:user/abcd0000-s"

// templateOf returns a template. The first call synthesizes the template.
func templateOf(t *testing.T, name string, change func(*stack.Props)) template {
	t.Helper()
	if _, ok := templates[name]; !ok {
		templates[name] = synthesize(t, change)
	}
	return templates[name]
}

// synthesize creates a stack and reads its template. Template_FromStack panics for a
// circle of dependencies, which CloudFormation would refuse. Change may be nil.
func synthesize(t *testing.T, change func(*stack.Props)) template {
	t.Helper()
	p := props(t)
	if change != nil {
		change(&p)
	}
	outdir := t.TempDir()
	app := newApp(t, outdir)
	firn := stack.New(app, p)
	app.Synth(nil)
	assertions.Template_FromStack(firn.Stack, nil)
	content, err := os.ReadFile(filepath.Join(outdir, stack.Name+".template.json"))
	if err != nil {
		t.Fatal(err)
	}
	var raw template
	if err := json.Unmarshal(content, &raw); err != nil {
		t.Fatal(err)
	}
	byName := template{Resources: map[string]resource{}, Outputs: raw.Outputs, content: content, outdir: outdir}
	for id, r := range raw.Resources {
		name := withoutHash(id)
		if _, exists := byName.Resources[name]; exists {
			t.Fatalf("two resources have the name %s without a hash", name)
		}
		byName.Resources[name] = r
	}
	return byName
}

// resourcesOf returns the sorted names of a type's resources.
func (tm template) resourcesOf(kind string) []string {
	var names []string
	for name, r := range tm.Resources {
		if r.Type == kind {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

var hash = regexp.MustCompile(`[0-9A-F]{8}$`)

func withoutHash(id string) string { return hash.ReplaceAllString(id, "") }

// render returns a readable form of a template value: "${RouteQueue.Arn}".
func render(value any) string {
	switch v := value.(type) {
	case map[string]any:
		if name, ok := v["Ref"].(string); ok {
			return "${" + withoutHash(name) + "}"
		}
		if text, ok := v["Fn::Sub"].(string); ok {
			return text
		}
		if of, ok := v["Fn::GetAtt"].([]any); ok {
			return fmt.Sprintf("${%s.%v}", withoutHash(of[0].(string)), of[1])
		}
		if of, ok := v["Fn::Join"].([]any); ok {
			var parts []string
			for _, part := range of[1].([]any) {
				parts = append(parts, render(part))
			}
			return strings.Join(parts, of[0].(string))
		}
	case []any:
		var parts []string
		for _, part := range v {
			parts = append(parts, render(part))
		}
		return strings.Join(parts, " ")
	}
	return fmt.Sprint(value)
}

// list returns a property as a list. The property may be a single value.
func list(value any) []any {
	if value == nil {
		return nil
	}
	if many, ok := value.([]any); ok {
		return many
	}
	return []any{value}
}

// valueAt returns the value at a path of map keys and list indexes, for example
// valueAt(p, "Code", "S3Key"). nil if the value is missing.
func valueAt(value any, path ...any) any {
	for _, step := range path {
		switch s := step.(type) {
		case string:
			m, _ := value.(map[string]any)
			value = m[s]
		case int:
			l, _ := value.([]any)
			if s >= len(l) {
				return nil
			}
			value = l[s]
		}
	}
	return value
}

// golden compares text with a file under testdata.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name+".golden")
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (go test -tags cdk ./infra/stack -update writes the file):\n%s", path, diff)
	}
}
