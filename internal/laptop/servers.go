package laptop

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Account of the laptop's cloud. The keys are no secrets: the stand-in takes "test" for
// the root user of the account.
const (
	Region    = "us-east-1"
	accessKey = "test"
	secretKey = "test"
	account   = "000000000000"
)

// Script of a Glue run, and the command with which the stand-in runs the script.
const (
	glueScript = "glue/transform.py"
	// glueModules is the package that the script imports.
	glueModules = "glue/firn_glue"
	glueRunner  = "glue/run_local.sh"
)

// Endpoint is the address of the laptop's AWS.
func (c *Cloud) Endpoint() string { return "http://" + address(c.Ports.AWS) }

// servers are the stand-ins. Each has only the listed variables.
func (c *Cloud) servers(recordings []recording) []process {
	servers := []process{
		{
			name:        "mail",
			command:     []string{c.python("aws"), "-m", "firn_aws.mail", "--port", strconv.Itoa(c.Ports.Mail), "--directory", c.MailDirectory()},
			environment: c.pythonEnvironment("local/aws"),
			ready:       func(ctx context.Context) error { return checkPort(ctx, c.Ports.Mail) },
		},
		{
			name:        "fdsn",
			command:     c.fdsnCommand(recordings),
			environment: baseEnvironment(),
			ready:       func(ctx context.Context) error { return checkPort(ctx, c.Ports.FDSN) },
		},
		{
			name:        "aws",
			command:     []string{c.python("aws"), "-m", "firn_aws"},
			environment: append(c.pythonEnvironment("local/aws"), c.awsEnvironment(recordings)...),
			ready:       func(ctx context.Context) error { return healthy(ctx, c.Endpoint()+"/_ministack/health") },
		},
		{
			name:        "snowflake",
			command:     []string{c.python("snowflake"), "-m", "firn_snowflake"},
			environment: append(c.pythonEnvironment("local/snowflake"), c.snowflakeEnvironment()...),
			ready:       func(ctx context.Context) error { return checkPort(ctx, c.Ports.Snowflake) },
		},
	}
	for i := range servers {
		servers[i].directory, servers[i].tied = c.Directory, c.EndWithProcess
	}
	return servers
}

// awsEnvironment configures the AWS stand-in (local/aws/README.md). The functions
// inherit only the variables in FIRN_LAMBDA_PASS.
func (c *Cloud) awsEnvironment(recordings []recording) []string {
	passed := append(c.sourceURLs(recordings),
		"SNOWFLAKE_HOST=127.0.0.1",
		"SNOWFLAKE_PORT="+strconv.Itoa(c.Ports.Snowflake),
		"SNOWFLAKE_PROTOCOL=http",
		"FIRN_LOAD_EVERY=0s",
		"FIRN_BACKOFF_SECONDS=1",
		"FIRN_OUTAGE_AFTER=5s",
	)
	return append(append(passed, javaHome()...),
		"FIRN_LAMBDA_PASS="+names(passed),
		"MS_GLUE_RUNNER="+quoted(filepath.Join(c.Root, glueRunner)),
		"AUTH=true",
		"LAMBDA_EXECUTOR=local",
		"GATEWAY_PORT="+strconv.Itoa(c.Ports.AWS),
		"BIND_HOST=127.0.0.1",
		"MINISTACK_HOST=127.0.0.1",
		"MINISTACK_REGION="+Region,
		"PERSIST_STATE=1",
		"S3_PERSIST=1",
		"STATE_DIR="+filepath.Join(c.Directory, "aws/state"),
		"S3_DATA_DIR="+filepath.Join(c.Directory, "aws/s3"),
		"TMPDIR="+filepath.Join(c.Directory, "aws/tmp"),
		"SMTP_HOST="+address(c.Ports.Mail),
		"AWS_ENDPOINT_URL="+cmp.Or(c.FunctionEndpoint, c.Endpoint()),
		"AWS_ACCESS_KEY_ID="+accessKey,
		"AWS_SECRET_ACCESS_KEY="+secretKey,
		"AWS_DEFAULT_REGION="+Region,
	)
}

// snowflakeEnvironment configures the Snowflake stand-in
// (local/snowflake/README.md).
func (c *Cloud) snowflakeEnvironment() []string {
	environment := []string{
		"FS_PORT=" + strconv.Itoa(c.Ports.Snowflake),
		"FS_DB_PATH=" + filepath.Join(c.Directory, "snowflake"),
		"S3_ENDPOINT=" + c.Endpoint(),
		"AWS_ACCESS_KEY_ID=" + accessKey,
		"AWS_SECRET_ACCESS_KEY=" + secretKey,
		"AWS_DEFAULT_REGION=" + Region,
	}
	if c.IdleBlocker > 0 {
		environment = append(environment, fmt.Sprintf("FS_IDLE_BLOCKER_SECONDS=%g", c.IdleBlocker.Seconds()))
	}
	return environment
}

func (c *Cloud) pythonEnvironment(source string) []string {
	return append(baseEnvironment(), "PYTHONPATH="+filepath.Join(c.Root, source), "PYTHONUNBUFFERED=1")
}

// baseEnvironment has the variables that any program needs.
func baseEnvironment() []string {
	return []string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME"), "LANG=C.UTF-8"}
}

// javaHome is JAVA_HOME for Spark, if the environment has the variable.
func javaHome() []string {
	if home := os.Getenv("JAVA_HOME"); home != "" {
		return []string{"JAVA_HOME=" + home}
	}
	return nil
}

// quoted returns a text as a single word for a shell.
func quoted(text string) string { return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'" }

func names(variables []string) string {
	found := make([]string, len(variables))
	for i, variable := range variables {
		found[i], _, _ = strings.Cut(variable, "=")
	}
	return strings.Join(found, ",")
}

func (c *Cloud) python(environment string) string {
	return filepath.Join(c.Root, "build", "venv", environment, "bin", "python")
}

// require returns an error if a program or folder of `make setup` is missing for the
// needed parts.
func (c *Cloud) require(needs []string) error {
	installed := map[string]string{
		"aws": c.python("aws"), "mail": c.python("aws"), "snowflake": c.python("snowflake"), "cdk": c.cdk(),
		"glue": c.python("glue"), "jars": filepath.Join(c.Root, "build", "jars"),
	}
	for _, need := range needs {
		if _, err := os.Stat(installed[need]); err != nil {
			return fmt.Errorf("%s is missing: run `make setup` first", relative(c.Root, installed[need]))
		}
	}
	return nil
}

func relative(root, path string) string {
	if short, err := filepath.Rel(root, path); err == nil {
		return short
	}
	return path
}

func healthy(ctx context.Context, url string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %s", url, response.Status)
	}
	return nil
}
