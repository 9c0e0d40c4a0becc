package main_test

import (
	"encoding/json"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/spf13/cobra"

	command "github.com/firn-data/firn/cmd/firn"
	"github.com/firn-data/firn/internal/operator"
)

// standIns are the names of the servers of a laptop's cloud.
var standIns = []string{"aws", "fdsn", "mail", "snowflake"}

// startSleeper starts a process that plays a stand-in, in a process group of its own.
func startSleeper(t *testing.T) *exec.Cmd {
	t.Helper()
	cmd := exec.Command("/bin/sleep", "600")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	return cmd
}

// cloudState is the state file of a laptop's cloud.
type cloudState struct {
	Ports   map[string]int    `json:"ports"`
	Servers map[string]int    `json:"servers"`
	Boot    string            `json:"boot"`
	Outputs map[string]string `json:"outputs"`
	Folder  string            `json:"folder"`
}

func (s cloudState) write(t *testing.T, repository string) {
	t.Helper()
	content, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(repository, "build/local/cloud.json"), string(content))
}

// startCloud writes the state of a laptop's cloud whose stand-ins only sleep.
func startCloud(t *testing.T, repository string) (cloudState, map[string]*exec.Cmd) {
	t.Helper()
	boot, _ := os.ReadFile("/proc/sys/kernel/random/boot_id")
	state := cloudState{
		Ports: map[string]int{"aws": 1, "snowflake": 1, "mail": 1, "fdsn": 1}, Servers: map[string]int{},
		Boot: strings.TrimSpace(string(boot)), Outputs: map[string]string{"LandingBucket": "landing"}, Folder: repository,
	}
	processes := map[string]*exec.Cmd{}
	for _, name := range standIns {
		processes[name] = startSleeper(t)
		state.Servers[name] = processes[name].Process.Pid
	}
	state.write(t, repository)
	return state, processes
}

// kill ends a process like kill -9, and waits for the end.
func kill(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
}

// amazon plays AWS: it counts the connections of clients and answers nothing.
type amazon struct {
	address string
	calls   atomic.Int64
}

func newAmazon(t *testing.T) *amazon {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	a := &amazon{address: listener.Addr().String()}
	go func() {
		for {
			connection, err := listener.Accept()
			if err != nil {
				return
			}
			a.calls.Add(1)
			_ = connection.Close()
		}
	}()
	return a
}

// variables direct every call of AWS to the fake, with credentials.
func (a *amazon) variables() []string {
	return withCredentials("HTTPS_PROXY=http://"+a.address, "AWS_MAX_ATTEMPTS=1", "SNOWFLAKE_ACCOUNT=a", "SNOWFLAKE_PROTOCOL=http",
		"SNOWFLAKE_HOST=127.0.0.1", "SNOWFLAKE_PORT="+closedPort)
}

// targetCommands are calls of all commands that need a cloud.
var targetCommands = [][]string{
	{"put", "datasets/shop/order/orders.csv"},
	{"ingest", "station.event", "--start", "2018-01-31T00:00:00Z", "--end", "2018-02-08T00:00:00Z"},
	{"redrive", "s3://landing/shop/order/orders.csv"},
	{"reload", "--dataset", "shop.order"},
	{"accept", "shop.customer", "2026-02-28"},
	{"withdraw", "s3://landing/shop/order/orders.csv", "--reason", "r"},
	{"dismiss", "s3://landing/shop/order/orders.csv", "--reason", "r"},
	{"pause", "shop.order"},
	{"resume", "shop.order"},
	{"migrate"},
	{"sweep"},
	{"keys"},
	{"keys", "rotate"},
	{"status"},
	{"audit"},
	{"query", "select 1"},
}

// TestHalfUpCloudIsRefused kills a stand-in. No command turns to AWS instead.
func TestHalfUpCloudIsRefused(t *testing.T) {
	t.Parallel()
	folder := copyRepository(t)
	_, processes := startCloud(t, folder)
	kill(t, processes["snowflake"])
	aws := newAmazon(t)
	for _, arguments := range targetCommands {
		got := call{directory: folder, variables: aws.variables(), arguments: arguments}.run(t)
		want := "firn: the laptop's cloud in " + folder + " is half up: snowflake has ended. Type `firn up` to start a new one with empty state, " +
			"or `firn down` to stop the rest. For the AWS account of the environment add --aws\n"
		code := 1
		if arguments[0] == "audit" || arguments[0] == "status" {
			code = 2 // 1 means differences, or a state that needs a person
		}
		if got.code != code || got.stdout != "" || got.stderr != want {
			t.Errorf("firn %v: exit code %d, standard output %q, standard error\n%s\nwant %d and\n%s", arguments, got.code, got.stdout, got.stderr, code, want)
		}
	}
	if n := aws.calls.Load(); n != 0 {
		t.Errorf("AWS received %d calls", n)
	}
	if got := (call{directory: folder, variables: aws.variables(), arguments: []string{"status", "--aws"}}).run(t); got.code != 2 || aws.calls.Load() == 0 {
		t.Errorf("firn status --aws: %d calls of AWS, standard error %q", aws.calls.Load(), got.stderr)
	}
}

// TestEveryCommandHasAccess compares the command tree with the list of accesses. A
// command that uses a stack has the flag --aws.
func TestEveryCommandHasAccess(t *testing.T) {
	t.Parallel()
	listed, found := command.Accesses(), map[string]bool{}
	var walk func(*cobra.Command)
	walk = func(c *cobra.Command) {
		path := c.CommandPath()
		found[path] = true
		usesStack := listed[path] == "reads" || listed[path] == "writes"
		if !usesStack && listed[path] != "local" {
			t.Errorf("%s has the access %q: add the command to accesses in target.go", path, listed[path])
		}
		if (c.Flags().Lookup("aws") != nil) != usesStack {
			t.Errorf("%s with the access %q has the flag --aws: %t", path, listed[path], !usesStack)
		}
		if c.PersistentPreRun != nil && c.HasParent() || c.PersistentPreRunE != nil {
			t.Errorf("%s replaces the PersistentPreRun of firn, so the command has no target", path)
		}
		for _, below := range c.Commands() {
			walk(below)
		}
	}
	walk(command.RootCommand())
	for path := range listed {
		if !found[path] {
			t.Errorf("%s has an access, but there is no such command", path)
		}
	}
}

// TestTargetCommandsAreComplete: the calls of the other tests contain every command that
// uses a stack.
func TestTargetCommandsAreComplete(t *testing.T) {
	t.Parallel()
	called := map[string]bool{}
	for _, arguments := range targetCommands {
		called["firn "+arguments[0]] = true
		called["firn "+strings.Join(arguments[:min(2, len(arguments))], " ")] = true
	}
	for path, access := range command.Accesses() {
		if access != "local" && !called[path] {
			t.Errorf("targetCommands has no call of %s", path)
		}
	}
}

func TestDescriptionOfAWS(t *testing.T) {
	t.Parallel()
	stack := operator.Stack{Name: "Firn", Account: "123456789012", Region: "eu-central-1"}
	for endpoint, want := range map[string]string{
		"":                      "account 123456789012, region eu-central-1, stack Firn",
		"http://127.0.0.1:4566": "endpoint http://127.0.0.1:4566, account 123456789012, region eu-central-1, stack Firn",
	} {
		if got := command.DescribeAWS(stack, endpoint); got != want {
			t.Errorf("endpoint %q: %q, want %q", endpoint, got, want)
		}
	}
}

// TestWritingCommandShowsTarget calls the commands on a running cloud whose AWS doesn't
// answer. The target is the first line, before the error.
func TestWritingCommandShowsTarget(t *testing.T) {
	t.Parallel()
	folder := copyRepository(t)
	startCloud(t, folder)
	aws := newAmazon(t)
	for _, arguments := range targetCommands {
		if arguments[0] == "query" { // retries a login for a minute
			continue
		}
		t.Run(strings.Join(arguments, " "), func(t *testing.T) {
			t.Parallel()
			got := call{directory: folder, variables: aws.variables(), arguments: arguments}.run(t)
			first, rest, _ := strings.Cut(got.stderr, "\n")
			if access := command.Accesses()["firn "+arguments[0]]; access != "writes" && arguments[len(arguments)-1] != "rotate" {
				first, rest = "target: the laptop's cloud (started in "+folder+")", got.stderr
			}
			if first != "target: the laptop's cloud (started in "+folder+")" || !strings.HasPrefix(rest, "firn: stack Firn can't be read") || strings.Contains(rest, "target:") {
				t.Errorf("standard error is\n%s", got.stderr)
			}
			if got.stdout != "" || got.code == 0 {
				t.Errorf("exit code %d, standard output %q", got.code, got.stdout)
			}
		})
	}
	t.Cleanup(func() {
		if n := aws.calls.Load(); n != 0 {
			t.Errorf("AWS received %d calls", n)
		}
	})
}

// TestChoiceOfTarget changes the surroundings of a command in each case, and checks the
// error and whether AWS received a call.
func TestChoiceOfTarget(t *testing.T) {
	t.Parallel()
	// Each case has a complete cloud in folder, and the program in its build/bin.
	type surroundings struct {
		folder    string
		program   string
		processes map[string]*exec.Cmd
		call      *call
	}
	tests := []struct {
		name    string
		prepare func(t *testing.T, s surroundings)
		usesAWS bool
		want    string
	}{
		{"complete cloud", func(*testing.T, surroundings) {}, false, "127.0.0.1:1: connect: connection refused"},
		{"complete cloud, --aws", func(_ *testing.T, s surroundings) {
			s.call.arguments = append(s.call.arguments, "--aws")
		}, true, "can't be read"},
		{"complete cloud, AWS_PROFILE", func(t *testing.T, s surroundings) {
			config := filepath.Join(t.TempDir(), "config")
			write(t, config, "[profile work]\nregion = eu-central-1\naws_access_key_id = a\naws_secret_access_key = b\n")
			s.call.variables = append(s.call.variables, "AWS_PROFILE=work", "AWS_CONFIG_FILE="+config)
		}, true, "can't be read"},
		{"complete cloud, endpoint of one service in the shell", func(_ *testing.T, s surroundings) {
			s.call.variables = append(s.call.variables, "AWS_ENDPOINT_URL_CLOUDFORMATION=https://cloudformation.us-east-1.amazonaws.com")
		}, false, "127.0.0.1:1: connect: connection refused"},
		{"complete cloud, ignored endpoints in the shell", func(_ *testing.T, s surroundings) {
			s.call.variables = append(s.call.variables, "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS=true")
		}, false, "127.0.0.1:1: connect: connection refused"},
		{"local.env of a half-up cloud", func(t *testing.T, s surroundings) {
			kill(t, s.processes["aws"])
			s.call.variables = append(s.call.variables, "AWS_ENDPOINT_URL=http://127.0.0.1:1")
		}, false, "is half up: aws has ended"},
		{"local.env, --aws", func(_ *testing.T, s surroundings) {
			s.call.variables = append(s.call.variables, "AWS_ENDPOINT_URL=http://127.0.0.1:1")
			s.call.arguments = append(s.call.arguments, "--aws")
		}, false, "AWS_ENDPOINT_URL=http://127.0.0.1:1 is the laptop's cloud, so --aws reaches no account: unset the variables of build/local.env"},
		{"broken state file", func(t *testing.T, s surroundings) {
			write(t, filepath.Join(s.folder, "build/local/cloud.json"), "{")
		}, false, "build/local/cloud.json: unexpected end of JSON input"},
		{"broken state file, --aws", func(t *testing.T, s surroundings) {
			write(t, filepath.Join(s.folder, "build/local/cloud.json"), "{")
			s.call.arguments = append(s.call.arguments, "--aws")
		}, true, "can't be read"},
		{"state of another folder", func(t *testing.T, s surroundings) {
			cloudState{Folder: "/nowhere/firn", Outputs: map[string]string{"LandingBucket": "l"}}.write(t, s.folder)
		}, false, "is half up: its state is from the folder /nowhere/firn."},
		{"folder below the repository", func(_ *testing.T, s surroundings) {
			s.call.directory = filepath.Join(s.folder, "datasets", "shop")
		}, false, "127.0.0.1:1: connect: connection refused"},
		{"folder outside, program of the cloud", func(t *testing.T, s surroundings) {
			s.call.directory = t.TempDir()
		}, false, "the laptop's cloud is up in FOLDER, but this folder is outside. Type `cd FOLDER` and the command again"},
		{"folder outside, program of a half-up cloud", func(t *testing.T, s surroundings) {
			kill(t, s.processes["mail"])
			s.call.directory = t.TempDir()
		}, false, "Type `cd FOLDER` and the command again"},
		{"another repository, program of the cloud", func(t *testing.T, s surroundings) {
			s.call.directory = copyRepository(t)
		}, false, "Type `cd FOLDER` and the command again"},
		{"folder outside, --aws", func(t *testing.T, s surroundings) {
			s.call.directory = t.TempDir()
			s.call.arguments = append(s.call.arguments, "--aws")
		}, true, "can't be read"},
		{"folder outside, program outside", func(t *testing.T, s surroundings) {
			s.call.directory, s.call.program = t.TempDir(), program
		}, true, "can't be read"},
		{"cloud that is down", func(t *testing.T, s surroundings) {
			remove(t, filepath.Join(s.folder, "build/local"))
		}, true, "can't be read"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			aws, folder := newAmazon(t), copyRepository(t)
			s := surroundings{folder: folder, program: filepath.Join(folder, "build/bin/firn")}
			_, s.processes = startCloud(t, folder)
			if err := os.MkdirAll(filepath.Dir(s.program), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.Link(program, s.program); err != nil {
				t.Fatal(err)
			}
			datasets := "FIRN_DATASETS=" + filepath.Join(folder, "datasets")
			s.call = &call{directory: folder, program: s.program, variables: append(aws.variables(), datasets), arguments: []string{"status"}}
			test.prepare(t, s)
			got := s.call.run(t)
			if want := strings.ReplaceAll(test.want, "FOLDER", folder); got.code != 2 || !strings.Contains(got.stderr, want) {
				t.Errorf("exit code %d, standard error %q, want 2 and %q", got.code, got.stderr, want)
			}
			if calls := aws.calls.Load(); (calls > 0) != test.usesAWS {
				t.Errorf("AWS received %d calls, want calls: %t", calls, test.usesAWS)
			}
		})
	}
}
