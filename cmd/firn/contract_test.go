package main_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// checkedOrders is a file with good rows, bad rows and two extra columns.
const checkedOrders = "number,year,kind,customer,channel,lines,boxes,discount,state,more,\"odd\x1b\"\n" +
	"A10156,2024,Delivery in one box,C4,web,2,55,NA,paid,,\n" +
	"A10157,20o4,Delivery in one box,C4,web,2,55,NA,paid,,\n" +
	"A10158,2024\n" +
	"A10159,2024,\"Delivery\x1b[31m in \"\"one\"\" box, of a length that no terminal shows\",C4,web,two of them,55,NA,paid,,\n"

// orders writes the file into a folder without a contract. Only the path of the file
// names the dataset.
func orders(t *testing.T, content string) (folder, file string) {
	t.Helper()
	folder = t.TempDir()
	file = "landing/shop/order/orders.csv"
	write(t, filepath.Join(folder, file), content)
	return folder, file
}

// inDatasets returns a call of `firn contract` in a folder with the contracts of the
// made-up project.
func inDatasets(t *testing.T, folder string, arguments ...string) call {
	t.Helper()
	write(t, filepath.Join(folder, "cdk.json"), "")
	if err := os.CopyFS(filepath.Join(folder, "datasets"), os.DirFS(filepath.Join(project(t), "datasets"))); err != nil {
		t.Fatal(err)
	}
	return call{directory: folder, arguments: append([]string{"contract"}, arguments...)}
}

func TestContractCheck(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, content string
		arguments     []string
		code          int
		stderr        string
	}{
		{"check", checkedOrders, nil, 1, "firn: 3 of 4 rows of landing/shop/order/orders.csv would be rejected\n"},
		{"check.json", checkedOrders, []string{"--json"}, 1, "firn: 3 of 4 rows of landing/shop/order/orders.csv would be rejected\n"},
		{"check-two", checkedOrders, []string{"--rejects", "2"}, 1, "firn: 3 of 4 rows of landing/shop/order/orders.csv would be rejected\n"},
		{"check-good", strings.Join(strings.SplitAfter(checkedOrders, "\n")[:2], ""), nil, 0, ""},
		{"check-refused", "number,year\n", nil, 1, "firn: landing/shop/order/orders.csv would be refused: bad_header\n"},
		{"check-refused.json", "number,year\n", []string{"--json"}, 1, "firn: landing/shop/order/orders.csv would be refused: bad_header\n"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			folder, file := orders(t, test.content)
			got := inDatasets(t, folder, append([]string{"check", file}, test.arguments...)...).run(t)
			golden(t, test.name, got.stdout)
			if got.code != test.code || got.stderr != test.stderr {
				t.Errorf("exit code %d, want %d; standard error %q, want %q", got.code, test.code, got.stderr, test.stderr)
			}
		})
	}
}

// TestContractInfer compares the written contract with the printed contract, and checks
// the file with the contract.
func TestContractInfer(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	write(t, filepath.Join(folder, "orders.csv"), "Order No.;Placed;Amount;State\n1;2026-01-02T03:04:05Z;12.50;paid\n2;2026-01-02T03:09:41Z;-;open\n")
	infer := func(arguments ...string) call {
		return call{directory: folder, arguments: append([]string{"contract", "infer", "orders.csv", "--source", "shop", "--entity", "order"}, arguments...)}
	}
	printed := infer().run(t)
	golden(t, "infer", printed.stdout)
	golden(t, "infer-notes", printed.stderr)
	golden(t, "infer.json", infer("--json").succeed(t))
	golden(t, "infer-out", infer("--out", "contract.odcs.yaml").succeed(t))
	content, err := os.ReadFile(filepath.Join(folder, "contract.odcs.yaml"))
	if err != nil || string(content) != printed.stdout {
		t.Errorf("error %v; the file has\n%s\nwant the printed text\n%s", err, content, printed.stdout)
	}
	call{directory: folder, arguments: []string{"contract", "check", "orders.csv", "--contract", "contract.odcs.yaml"}}.succeed(t)
	expectError(t, infer("--out", "contract.odcs.yaml"), "contract.odcs.yaml exists already: remove it, or name another file with --out")
}

// TestContractDiff compares a contract with versions that change the table, the files, or
// neither.
func TestContractDiff(t *testing.T) {
	t.Parallel()
	older, err := os.ReadFile(filepath.Join(root(t), "testdata/project/datasets/shop/item/contract.odcs.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	const column = "      - name: country\n        logicalType: string\n        description: The country of origin.\n"
	tests := []struct {
		name string
		// edit has pairs of old and new text.
		edit      []string
		added     string
		arguments []string
		code      int
	}{
		{"diff-same", nil, "", nil, 0},
		{"diff-compatible", []string{"version: 1.0.0", "version: 1.1.0"}, column, nil, 0},
		{"diff-files", []string{"version: 1.0.0", "version: 1.1.0", "decimal(9,2)", "decimal(12,2)", "maxLength: 100", "maxLength: 80", "value: [NA]", "value: [NA, none]"}, "", nil, 0},
		{"diff-files.json", []string{"version: 1.0.0", "version: 1.1.0", "decimal(9,2)", "decimal(12,2)"}, "", []string{"--json"}, 0},
		{"diff-refused", []string{"version: 1.0.0", "version: 1.1.0"}, column + "        required: true\n", nil, 1},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			folder := t.TempDir()
			write(t, filepath.Join(folder, "old.yaml"), string(older))
			write(t, filepath.Join(folder, "new.yaml"), strings.NewReplacer(test.edit...).Replace(string(older))+test.added)
			got := call{directory: folder, arguments: append([]string{"contract", "diff", "old.yaml", "new.yaml"}, test.arguments...)}.run(t)
			golden(t, test.name, got.stdout)
			if got.code != test.code {
				t.Errorf("exit code %d, want %d: %s", got.code, test.code, got.stderr)
			}
		})
	}
}

// TestContractCheckExitCodes gives wrong arguments and files. A failed check has exit
// code 2.
func TestContractCheckExitCodes(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name      string
		arguments []string
		code      int
		want      string
	}{
		{"no file", []string{"check"}, 2, "see `firn contract check --help`"},
		{"two files", []string{"check", "a", "b"}, 2, "see `firn contract check --help`"},
		{"unknown flag", []string{"check", "a", "--rejcts"}, 2, "see `firn contract check --help`"},
		{"negative number of rejects", []string{"check", "a", "--rejects", "-1"}, 2, "--rejects -1: give 0 or a larger number"},
		{"no contract", []string{"check", "a.csv"}, 2, "no contract for a.csv: "},
		{"missing contract", []string{"check", "a.csv", "--contract", "b.yaml"}, 2, "b.yaml: no such file"},
		{"missing file", []string{"check", "shop/order/a.csv"}, 2, "shop/order/a.csv: no such file"},
		{"unknown command", []string{"chekc"}, 1, "see `firn contract --help`"},
		{"infer without a file", []string{"infer"}, 1, "see `firn contract infer --help`"},
		{"infer without a dataset", []string{"infer", "a.csv"}, 1, "name the dataset with --source and --entity"},
		{"source of two words", []string{"infer", "a.csv", "--source", "my shop", "--entity", "order"}, 1, "two words of lower-case letters and digits"},
		{"negative number of rows", []string{"infer", "a.csv", "--source", "a", "--entity", "b", "--rows", "-1"}, 1, "--rows -1: give the number of records"},
		{"infer from an unknown format", []string{"infer", "a.xlsx", "--source", "a", "--entity", "b"}, 1, "Rename the file to end in .csv, "},
		{"infer from a missing file", []string{"infer", "a.csv", "--source", "a", "--entity", "b"}, 1, "a.csv: no such file"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got := inDatasets(t, t.TempDir(), test.arguments...).run(t)
			if got.code != test.code || got.stdout != "" || !strings.HasPrefix(got.stderr, "firn: ") || strings.Count(got.stderr, "\n") != 1 {
				t.Errorf("exit code %d, standard output %q; want %d, nothing, and a single line in\n%s", got.code, got.stdout, test.code, got.stderr)
			}
			if !strings.Contains(got.stderr, test.want) {
				t.Errorf("standard error is %q\nwant %q in the text", got.stderr, test.want)
			}
		})
	}
}

// TestContractsFitLastRelease compares contracts with the contracts of the last
// release, as CI does.
func TestContractsFitLastRelease(t *testing.T) {
	t.Parallel()
	folder := copyRepository(t)
	script, err := os.ReadFile(filepath.Join(root(t), "scripts/contracts.sh"))
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(folder, "scripts/contracts.sh"), string(script))
	git := func(arguments ...string) {
		t.Helper()
		command := exec.CommandContext(t.Context(), "git", append([]string{"-C", folder, "-c", "user.name=t", "-c", "user.email=t@example.com"}, arguments...)...)
		if output, err := command.CombinedOutput(); err != nil {
			t.Fatalf("git %v: %v: %s", arguments, err, output)
		}
	}
	compare := func() (string, bool) {
		output, err := exec.CommandContext(t.Context(), "bash", filepath.Join(folder, "scripts/contracts.sh"), program).CombinedOutput()
		return string(output), err == nil
	}
	git("init", "--quiet")
	git("add", "datasets")
	git("commit", "--quiet", "--message", "release")
	if output, passes := compare(); !passes || output != "no release yet: no contract to compare\n" {
		t.Errorf("without a release: success %t, output %q", passes, output)
	}
	git("tag", "v1.0.0")
	if output, passes := compare(); !passes || !strings.Contains(output, "shop.customer 1.0.0\n  no change of the table\n") {
		t.Errorf("contracts of the release: success %t, output %q", passes, output)
	}
	path := filepath.Join(folder, "datasets/shop/customer/contract.odcs.yaml")
	contract, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	write(t, path, string(contract)+"      - name: country\n        logicalType: string\n        required: true\n        description: Its home.\n")
	if output, passes := compare(); passes || !strings.Contains(output, "  refused: column country is new and required") {
		t.Errorf("new required column: success %t, output %q", passes, output)
	}
}
