// Package bundle builds the content of the functions' zips.
package bundle

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Functions lists the Lambda functions. Each name is also the name of a folder under
// functions/.
var Functions = []string{"ingest", "route", "transform", "load", "alert"}

// Contracts is the pattern of the data contracts' paths, relative to the folder of the
// datasets.
const Contracts = "*/*/contract.odcs.yaml"

// Build compiles every function for Linux on goarch and adds the contracts from the
// folder datasets. It returns a folder with one folder per function: <name>/bootstrap,
// which the runtime provided.al2023 starts, and <name>/contracts/<source>/<entity>/.
//
// The same sources give the same bytes. So the hash of an asset changes only if the
// function changes. Compiler errors go to log.
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

// compile runs go build once for all functions, so that go build checks shared packages
// only once. The binaries keep their build id: by the id, go build recognizes an
// unchanged binary and doesn't link again.
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
		return fmt.Errorf("functions don't build for linux/%s (%w): fix the errors that go build printed above", goarch, err)
	}
	return nil
}

// assembleFunction creates the folder of one function. An existing folder is deleted
// first, so that no file of an earlier build remains.
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
		return fmt.Errorf("no data contract found as %s: the functions need at least one contract", filepath.Join(datasets, filepath.FromSlash(Contracts)))
	}
	for _, path := range contracts {
		within := strings.TrimPrefix(path, datasets)
		if err := copyFile(path, filepath.Join(folder, "contracts", within)); err != nil {
			return err
		}
	}
	return allowReads(folder)
}

// allowReads lets every user read the files of a function and execute its program. The
// zip keeps the modes, and Lambda runs the function as another user
// (lambda/latest/dg/troubleshooting-deployment). A strict umask would take these rights.
func allowReads(folder string) error {
	return filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir(), entry.Name() == "bootstrap":
			return os.Chmod(path, 0o755) //nolint:gosec // for the user of Lambda
		default:
			return os.Chmod(path, 0o644) //nolint:gosec // for the user of Lambda
		}
	})
}

// hardLink creates a second path to a file, without a copy of the bytes. Missing
// folders are created.
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
