package main_test

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// busyPort listens on a free port until the end of the test.
func busyPort(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	return strconv.Itoa(listener.Addr().(*net.TCPAddr).Port)
}

// closedPort is a port without a listener: only root can listen on port 1.
const closedPort = "1"

const brokenLine = "shop/order/contract.odcs.yaml:26: schema[0].properties[1].logicalType: "

// breakContract changes a type in a contract to an unknown type.
func breakContract(t *testing.T, folder string) {
	t.Helper()
	path := filepath.Join(folder, "datasets/shop/order/contract.odcs.yaml")
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	write(t, path, strings.Replace(string(content), "logicalType: integer", "logicalType: intiger", 1))
}

// invalidCredentials are credentials for an AWS request, but belong to no account.
var invalidCredentials = []string{"AWS_REGION=us-east-1", "AWS_ACCESS_KEY_ID=nobody", "AWS_SECRET_ACCESS_KEY=nothing"}

func withCredentials(variables ...string) []string { return append(variables, invalidCredentials...) }

// TestErrorIsOneLineWithExitCode1 runs failing commands. Each prints a single line with
// the next step, nothing on standard output, and exits with 1 within seconds.
func TestErrorIsOneLineWithExitCode1(t *testing.T) {
	t.Parallel()
	contracts := "FIRN_DATASETS=" + filepath.Join(project(t), "datasets")
	tests := []struct {
		name string
		call func(t *testing.T) call
		want []string
	}{
		{"busy port", func(t *testing.T) call {
			return call{directory: copyRepository(t), arguments: []string{"up", "--aws-port", busyPort(t)}}
		}, []string{" is busy: stop the other program, or choose another port with --aws-port"}},
		{"up without the AWS stand-in", func(t *testing.T) call {
			c := copyRepository(t)
			remove(t, filepath.Join(c, "build/venv"))
			return call{directory: c, arguments: []string{"up"}}
		}, []string{"build/venv/aws/bin/python is missing: run `make setup` first"}},
		{"demo without the Snowflake stand-in", func(t *testing.T) call {
			c := copyRepository(t)
			remove(t, filepath.Join(c, "build/venv/snowflake"))
			return call{directory: c, arguments: []string{"demo"}}
		}, []string{"build/venv/snowflake/bin/python is missing: run `make setup` first"}},
		{"up without the CDK", func(t *testing.T) call {
			c := copyRepository(t)
			remove(t, filepath.Join(c, "node_modules"))
			return call{directory: c, arguments: []string{"up"}}
		}, []string{"node_modules/.bin/cdk is missing: run `make setup` first"}},
		{"up with a broken contract", func(t *testing.T) call {
			c := copyRepository(t)
			breakContract(t, c)
			return call{directory: c, arguments: []string{"up"}}
		}, []string{"fix the contracts in datasets/ first: " + brokenLine}},
		{"status with a broken contract", func(t *testing.T) call {
			c := copyRepository(t)
			breakContract(t, c)
			return call{variables: withCredentials("FIRN_DATASETS=" + filepath.Join(c, "datasets")), arguments: []string{"status"}}
		}, []string{"set FIRN_DATASETS", brokenLine}},
		{"status without contracts", func(*testing.T) call {
			return call{variables: withCredentials("FIRN_DATASETS=/nowhere"), arguments: []string{"status"}}
		}, []string{"contracts in /nowhere (set FIRN_DATASETS for another folder)"}},
		{"up outside a repository", func(*testing.T) call {
			return call{arguments: []string{"up"}}
		}, []string{"is not in a firn repository: change to the folder with cdk.json"}},
		{"down outside a repository", func(*testing.T) call {
			return call{arguments: []string{"down"}}
		}, []string{"is not in a firn repository: change to the folder with cdk.json"}},
		{"Snowflake doesn't answer", func(*testing.T) call {
			return call{
				variables: withCredentials("SNOWFLAKE_ACCOUNT=laptop", "SNOWFLAKE_PROTOCOL=http", "SNOWFLAKE_HOST=127.0.0.1", "SNOWFLAKE_PORT="+closedPort),
				arguments: []string{"query", "select 1"}, limit: 20 * time.Second,
			}
		}, []string{"log in to Snowflake: snowflake_away: ", "connection refused. Snowflake doesn't answer; look at"}},
		{"no Snowflake settings", func(*testing.T) call {
			return call{variables: []string{"SNOWFLAKE_HOST=127.0.0.1", "SNOWFLAKE_PORT=" + closedPort}, arguments: []string{"query", "select 1"}}
		}, []string{"`firn up`", "environment variable SNOWFLAKE_ACCOUNT is missing"}},
		{"AWS doesn't answer", func(*testing.T) call {
			return call{variables: withCredentials(contracts, "AWS_ENDPOINT_URL=http://127.0.0.1:"+closedPort), arguments: []string{"status"}, limit: 20 * time.Second}
		}, []string{"stack Firn can't be read: deploy the stack, set FIRN_STACK, or start the laptop's cloud with `firn up`: ", "connection refused"}},
		{"no AWS credentials", func(*testing.T) call {
			return call{variables: []string{contracts, "AWS_CONFIG_FILE=/nowhere", "AWS_SHARED_CREDENTIALS_FILE=/nowhere"}, arguments: []string{"status"}}
		}, []string{"stack Firn can't be read: deploy the stack, set FIRN_STACK, or start the laptop's cloud with `firn up`: "}},
		{"put without a file", func(*testing.T) call { return call{arguments: []string{"put"}} }, []string{"see `firn put --help`"}},
		{"additional argument", func(*testing.T) call { return call{arguments: []string{"up", "x"}} }, []string{"see `firn up --help`"}},
		{"port without a number", func(*testing.T) call { return call{arguments: []string{"up", "--aws-port", "x"}} }, []string{"--aws-port", "see `firn up --help`"}},
		{"unknown command", func(*testing.T) call { return call{arguments: []string{"statsu"}} }, []string{`unknown command "statsu" for "firn": see `, "`firn --help`"}},
		{"single key for two files", func(*testing.T) call {
			return call{arguments: []string{"put", "--key", "k", "a.csv", "b.csv"}}
		}, []string{"--key names one object, but there are 2 files"}},
		{"redrive without a name", func(*testing.T) call { return call{arguments: []string{"redrive"}} }, []string{"name one object, or a dataset with --dataset"}},
		{"redrive of an object and a dataset", func(*testing.T) call {
			return call{arguments: []string{"redrive", "s3://b/k", "--dataset", "a.b"}}
		}, []string{"name one object, or a dataset with --dataset"}},
		{"redrive with an empty dataset", func(*testing.T) call { return call{arguments: []string{"redrive", "--dataset", ""}} }, []string{"--dataset is empty: name a dataset, or leave out the flag"}},
		{"dismiss with an empty dataset", func(*testing.T) call {
			return call{arguments: []string{"dismiss", "--dataset=", "--code", "bad_header", "--reason", "r"}}
		}, []string{"--dataset is empty"}},
		{"reload with an empty dataset", func(*testing.T) call {
			return call{arguments: []string{"reload", "--dataset", "", "--object", "s3://b/k"}}
		}, []string{"--dataset is empty"}},
		{"status with an empty dataset", func(*testing.T) call { return call{arguments: []string{"status", "--dataset", ""}} }, []string{"--dataset is empty"}},
		{"audit with an empty dataset", func(*testing.T) call { return call{arguments: []string{"audit", "--dataset", ""}} }, []string{"--dataset is empty"}},
		{"dismiss without a name", func(*testing.T) call { return call{arguments: []string{"dismiss"}} }, []string{"name objects, or a dataset with --dataset"}},
		{"dismiss without a reason", func(*testing.T) call { return call{arguments: []string{"dismiss", "s3://b/k"}} }, []string{"name the reason with --reason"}},
		{"reload without a name", func(*testing.T) call { return call{arguments: []string{"reload"}} }, []string{"name a dataset with --dataset, or objects with --object"}},
		{"reload of an object with --since", func(*testing.T) call {
			return call{arguments: []string{"reload", "--object", "s3://b/k", "--since", "2026-03-01"}}
		}, []string{"--since selects objects of a dataset"}},
		{"reload of an object with --rejects", func(*testing.T) call {
			return call{arguments: []string{"reload", "--object", "s3://b/k", "--rejects"}}
		}, []string{"--rejects selects objects of a dataset: leave out --object"}},
		{"reload with an invalid time", func(*testing.T) call {
			return call{arguments: []string{"reload", "--dataset", "a.b", "--since", "yesterday"}}
		}, []string{`--since "yesterday": write the time as 2018-01-31T00:00:00Z or 2018-01-31`}},
		{"ingest with an invalid time", func(*testing.T) call {
			return call{arguments: []string{"ingest", "station.event", "--start", "yesterday"}}
		}, []string{`--start "yesterday": write the time as 2018-01-31T00:00:00Z`}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			c := test.call(t)
			code := 1
			if c.arguments[0] == "status" || c.arguments[0] == "audit" { // 1 means that something needs a person
				code = 2
			}
			expectExit(t, c, code, test.want...)
		})
	}
}

// expectError expects a single line of error. Before the error, a command that writes may
// show its target.
func expectError(t *testing.T, c call, want ...string) {
	t.Helper()
	expectExit(t, c, 1, want...)
}

// expectExit expects a single line on standard error, nothing on standard output, and the
// exit code.
func expectExit(t *testing.T, c call, code int, want ...string) {
	t.Helper()
	got := c.run(t)
	if target, rest, found := strings.Cut(got.stderr, "\n"); found && strings.HasPrefix(target, "target: endpoint ") {
		got.stderr = rest
	}
	line, rest, _ := strings.Cut(got.stderr, "\n")
	if got.code != code || got.stdout != "" || rest != "" || !strings.HasPrefix(line, "firn: ") {
		t.Errorf("exit code %d, standard output %q; want "+fmt.Sprint(code)+", nothing, and a single line in\n%s", got.code, got.stdout, got.stderr)
	}
	for _, text := range want {
		if !strings.Contains(line, text) {
			t.Errorf("standard error is %q\nwant %q in the text", line, text)
		}
	}
}

func remove(t *testing.T, path string) {
	t.Helper()
	if err := os.RemoveAll(path); err != nil {
		t.Fatal(err)
	}
}

// TestEveryContractFaultIsShown breaks two contracts. The command shows both faults.
func TestEveryContractFaultIsShown(t *testing.T) {
	t.Parallel()
	c := copyRepository(t)
	breakContract(t, c)
	write(t, filepath.Join(c, "datasets/shop/customer/contract.odcs.yaml"), "kind: [")
	got := call{directory: c, arguments: []string{"up"}}.run(t)
	if got.code != 1 || !strings.Contains(got.stderr, brokenLine) || !strings.Contains(got.stderr, "shop/customer/contract.odcs.yaml:") {
		t.Errorf("exit code %d:\n%s", got.code, got.stderr)
	}
}
