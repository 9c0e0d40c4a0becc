package laptop

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// synthesisFolder is the folder of the synthesized stacks of the laptop's clouds. Each
// `cdk synth` of a person writes to another folder.
func (c *Cloud) synthesisFolder() string { return filepath.Join(c.Root, "build", "laptop") }

// assembly is the folder of the synthesized stack, which stays between runs.
func (c *Cloud) assembly() string {
	name := "cdk.out"
	if c.project() != c.Root {
		name = "cdk-" + filepath.Base(c.project()) + ".out"
	}
	return filepath.Join(c.synthesisFolder(), name)
}

// sources are the files and folders of the product that are inputs of the template and
// its assets.
var sources = []string{"cdk.json", "go.mod", "go.sum", "infra", "functions", "internal", glueScript, glueModules}

// synthesize builds the functions and the template. If the inputs and the result are
// unchanged since the last time, synthesize does nothing. Only one process at a time
// synthesizes, because all share build/functions.
func (c *Cloud) synthesize(ctx context.Context) error {
	lock, err := waitLock(ctx, filepath.Join(c.synthesisFolder(), "synthesis.lock"))
	if err != nil {
		return err
	}
	defer lock.release()
	arguments := c.synthesisArguments()
	inputs, err := c.inputsOf(arguments)
	if err != nil {
		return fmt.Errorf("synthesize: %w", err)
	}
	stampPath := c.assembly() + ".fingerprint"
	known, err := os.ReadFile(stampPath)
	if stamp, stampErr := c.stamp(inputs); err == nil && stampErr == nil && string(known) == stamp {
		return nil
	}
	if err := os.Remove(stampPath); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("synthesize: %w", err)
	}
	if err := c.runCDK(ctx, arguments...); err != nil {
		return err
	}
	stamp, err := c.stamp(inputs)
	if err != nil {
		return fmt.Errorf("synthesize: %w", err)
	}
	return os.WriteFile(stampPath, []byte(stamp), 0o644)
}

func (c *Cloud) synthesisArguments() []string {
	return []string{
		"synth", "--quiet", "--output", c.assembly(),
		"--context", "firn:alertAddress=operator@firn.example",
		"--context", "firn:snowflakeAccount=laptop",
		"--context", "firn:architecture=" + architecture(),
		"--context", "firn:glueWindowSeconds=" + glueWindowSeconds,
		"--context", "firn:environment=" + environmentName,
	}
}

// stamp is the fingerprint of a synthesis: its inputs, and the JSON files of the
// result. The JSON files name all other files of the result by hash.
func (c *Cloud) stamp(inputs string) (string, error) {
	result, err := fingerprintIf(isJSON, c.assembly(), ".")
	return inputs + " " + result, err
}

func isJSON(entry fs.DirEntry) bool { return strings.HasSuffix(entry.Name(), ".json") }

// inputsOf is the fingerprint of everything that can change a synthesis: the sources,
// the contracts and the settings.
func (c *Cloud) inputsOf(arguments []string) (string, error) {
	product, err := fingerprintOf(c.Root, sources...)
	if err != nil {
		return "", err
	}
	datasets, err := fingerprintOf(c.project(), "datasets")
	if err != nil {
		return "", err
	}
	settings, err := c.settingsOf(arguments)
	return product + " " + datasets + " " + settings, err
}

// settingsOf hashes the arguments of the CDK's command, the variables that change a
// synthesis, and the optional configuration files. cdk.json is one of the sources.
func (c *Cloud) settingsOf(arguments []string) (string, error) {
	sum := sha256.New()
	variables := slices.DeleteFunc(os.Environ(), func(variable string) bool { return !changesSynthesis(variable) })
	slices.Sort(variables)
	for _, text := range slices.Concat(arguments, variables, []string{"FIRN_DATASETS=" + c.datasets()}) {
		fmt.Fprintf(sum, "%d\x00%s\x00", len(text), text)
	}
	for _, path := range c.optionalSettings() {
		if err := hashOptional(sum, path); err != nil {
			return "", err
		}
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}

// optionalSettings are the files that the CDK's command reads beside cdk.json, if the
// files exist.
func (c *Cloud) optionalSettings() []string {
	files := []string{filepath.Join(c.Root, "cdk.context.json")}
	if home, err := os.UserHomeDir(); err == nil {
		files = append(files, filepath.Join(home, ".cdk.json"))
	}
	return files
}

func hashOptional(sum io.Writer, path string) error {
	err := hashFile(sum, filepath.Base(path), path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// changesSynthesis reports whether a variable of the shell can change a synthesis. The
// CDK's command takes each of its options from a variable CDK_<OPTION>, too. The build
// of the functions sets GOFLAGS, CGO_ENABLED, GOOS and GOARCH itself.
func changesSynthesis(variable string) bool {
	name, _, _ := strings.Cut(variable, "=")
	switch name {
	case "CDK_HOME", "CDK_DISABLE_CLI_TELEMETRY": // set for each run
		return false
	case "GOTOOLCHAIN", "GOEXPERIMENT", "GOAMD64", "GOARM64", "GOFIPS140":
		return true
	default:
		return strings.HasPrefix(name, "CDK_")
	}
}
