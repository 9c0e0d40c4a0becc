package laptop

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

// StackName is the name of the stack, in an account and on the laptop.
const StackName = "Firn"

func (c *Cloud) cdk() string { return filepath.Join(c.Root, "node_modules", ".bin", "cdk") }

// glueWindowSeconds is the time during which a Glue run collects objects: the smallest
// value that still collects.
const glueWindowSeconds = "1"

// environmentName is the name of the laptop's cloud in mails.
const environmentName = "laptop"

// architecture is the architecture of the laptop, because the stand-in runs the
// functions' binaries directly.
func architecture() string {
	if runtime.GOARCH == "amd64" {
		return "x86_64"
	}
	return runtime.GOARCH
}

func (c *Cloud) bootstrap(ctx context.Context) error {
	return c.runCDK(ctx, "bootstrap", "aws://"+account+"/"+Region, "--app", c.assembly())
}

func (c *Cloud) deploy(ctx context.Context) error {
	outputs := filepath.Join(c.Directory, "outputs.json")
	if err := c.runCDK(ctx, "deploy", StackName, "--app", c.assembly(), "--require-approval", "never", "--outputs-file", outputs); err != nil {
		return err
	}
	content, err := os.ReadFile(outputs)
	if err != nil {
		return fmt.Errorf("deploy: %w", err)
	}
	stacks := make(map[string]map[string]string)
	if err := json.Unmarshal(content, &stacks); err != nil {
		return fmt.Errorf("deploy: %s: %w", outputs, err)
	}
	c.Outputs = stacks[StackName]
	return nil
}

// runCDK runs the command of the CDK. Its output is in cdk.log, and after a failure
// also in the error. At the end of the context, the error is only the cause of the end.
func (c *Cloud) runCDK(ctx context.Context, arguments ...string) error {
	output, err := child{
		command:     append([]string{c.cdk(), "--no-notices"}, arguments...),
		directory:   c.Root,
		environment: append(outerEnvironment(), c.cdkEnvironment()...),
	}.run(ctx)
	if logErr := appendFile(filepath.Join(c.Directory, "cdk.log"), output); logErr != nil {
		return logErr
	}
	if ctx.Err() != nil {
		return err
	}
	if err != nil {
		return fmt.Errorf("cdk %s: %w: %s", arguments[0], err, errorLines(output))
	}
	return nil
}

func (c *Cloud) cdkEnvironment() []string {
	return append(c.clientEnvironment(),
		"AWS_ENDPOINT_URL_S3="+c.Endpoint(),
		"CDK_HOME="+filepath.Join(c.Directory, "cdk"),
		"FIRN_DATASETS="+c.datasets(),
		"CDK_DISABLE_CLI_TELEMETRY=true",
		"JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION=true",
	)
}

// clientEnvironment has the variables of an AWS client for the laptop's cloud.
func (c *Cloud) clientEnvironment() []string {
	return []string{
		"AWS_ENDPOINT_URL=" + c.Endpoint(),
		"AWS_ACCESS_KEY_ID=" + accessKey,
		"AWS_SECRET_ACCESS_KEY=" + secretKey,
		"AWS_REGION=" + Region,
		"AWS_DEFAULT_REGION=" + Region,
		"AWS_EC2_METADATA_DISABLED=true",
		"SNOWFLAKE_DISABLE_PLATFORM_DETECTION=true",
	}
}

// errorLines returns the last five lines with "error" or "firn:". Without such a line,
// errorLines returns the last five lines.
func errorLines(output []byte) string {
	const maxLines = 5
	lines := strings.Split(string(bytes.TrimSpace(output)), "\n")
	faults := slices.DeleteFunc(slices.Clone(lines), func(line string) bool {
		return !strings.Contains(strings.ToLower(line), "error") && !strings.Contains(line, "firn:")
	})
	if len(faults) == 0 {
		faults = lines
	}
	return strings.Join(faults[max(0, len(faults)-maxLines):], "\n")
}

func appendFile(path string, content []byte) error {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer file.Close()
	_, err = file.Write(content)
	return err
}
