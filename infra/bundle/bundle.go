// Package bundle builds what goes into the functions' zips.
package bundle

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Functions are the Lambda functions, by the names of their folders under
// functions/.
var Functions = []string{"ingest", "route", "transform", "load", "alert"}

// Contracts matches the data contracts, seen from the folder of the datasets.
const Contracts = "*/*/contract.odcs.yaml"

// Build compiles every function for Linux on goarch, adds the contracts in the
// folder of the datasets, and returns the folder in
// which each has one of its own: <name>/bootstrap, as the runtime
// provided.al2023 wants it, and <name>/contracts/<source>/<entity>/. The same
// sources give the same bytes, so that an asset's hash moves only when a
// function does. Compiler errors go to log.
func Build(ctx context.Context, root, datasets, goarch string, log io.Writer) (string, error) {
	folder := filepath.Join(root, "build", "functions", goarch)
	binaries := filepath.Join(root, "build", "functions", "bin", goarch)
	if err := compile(ctx, root, goarch, binaries, log); err != nil {
		return "", err
	}
	for _, name := range Functions {
		if err := assembleFunction(datasets, filepath.Join(binaries, name), filepath.Join(folder, name)); err != nil {
			return "", err
		}
	}
	return folder, nil
}

// compile runs go build once for all functions, which loads and checks the
// packages that they share once. The build id stays in the binaries: by it, go
// build sees that one is up to date and doesn't link it again.
func compile(ctx context.Context, root, goarch, binaries string, log io.Writer) error {
	if err := os.MkdirAll(binaries, 0o755); err != nil {
		return err
	}
	arguments := []string{
		"build", "-tags", "lambda.norpc", "-trimpath", "-buildvcs=false",
		"-ldflags", "-s -w", "-o", binaries + string(filepath.Separator),
	}
	for _, name := range Functions {
		arguments = append(arguments, "./functions/"+name)
	}
	command := exec.CommandContext(ctx, "go", arguments...)
	command.Dir = root
	command.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+goarch, "GOFLAGS=")
	command.Stdout, command.Stderr = log, log
	if err := command.Run(); err != nil {
		return fmt.Errorf("functions don't build for linux/%s (%w): mend what go build says above", goarch, err)
	}
	return nil
}

// assembleFunction makes one function's folder anew, so that nothing of an earlier
// build stays in it.
func assembleFunction(datasets, binary, folder string) error {
	if err := os.RemoveAll(folder); err != nil {
		return err
	}
	if err := hardLink(binary, filepath.Join(folder, "bootstrap")); err != nil {
		return err
	}
	contracts, err := filepath.Glob(filepath.Join(datasets, filepath.FromSlash(Contracts)))
	if err != nil {
		return err
	}
	if len(contracts) == 0 {
		return fmt.Errorf("no data contract found as %s: the functions would know no dataset", filepath.Join(datasets, filepath.FromSlash(Contracts)))
	}
	for _, path := range contracts {
		within := strings.TrimPrefix(path, datasets)
		if err := copyFile(path, filepath.Join(folder, "contracts", within)); err != nil {
			return err
		}
	}
	return nil
}

// hardLink puts a file at a second path without copying its bytes.
func hardLink(from, to string) error {
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	return os.Link(from, to)
}

func copyFile(from, to string) error {
	content, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	return os.WriteFile(to, content, 0o644)
}
