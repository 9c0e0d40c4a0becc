package laptop

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// writeEnvironment writes the environment file. A shell that sources the file can run
// dbt, firn and other AWS and Snowflake clients on the laptop's cloud.
func (c *Cloud) writeEnvironment() error {
	var text strings.Builder
	text.WriteString("# Variables of the laptop's cloud, written by `firn up`. Source this file.\n")
	for _, variable := range c.Environment() {
		name, value, _ := strings.Cut(variable, "=")
		fmt.Fprintf(&text, "export %s=%s\n", name, quoted(value))
	}
	if err := os.MkdirAll(filepath.Dir(c.EnvironmentFile), 0o755); err != nil {
		return fmt.Errorf("write local.env: %w", err)
	}
	if err := os.WriteFile(c.EnvironmentFile, []byte(text.String()), 0o644); err != nil {
		return fmt.Errorf("write local.env: %w", err)
	}
	return nil
}

// Environment has the variables of clients of the laptop's cloud, as NAME=value.
func (c *Cloud) Environment() []string {
	return append(c.clientEnvironment(),
		"SNOWFLAKE_HOST=127.0.0.1",
		"SNOWFLAKE_PORT="+strconv.Itoa(c.Ports.Snowflake),
		"SNOWFLAKE_PROTOCOL=http",
		"SNOWFLAKE_ACCOUNT=laptop",
		"SNOWFLAKE_DATABASE=FIRN",
		"SNOWFLAKE_USER=operator",
		"SNOWFLAKE_PASSWORD=laptop",
	)
}

// Redirecting returns the names of the variables that could send calls of the laptop's
// clients to another place, or with other credentials.
func Redirecting(variables []string) []string {
	var found []string
	for _, variable := range variables {
		if name, _, _ := strings.Cut(variable, "="); redirects(name) {
			found = append(found, name)
		}
	}
	return found
}

func redirects(name string) bool {
	switch name {
	case "AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS":
		return true
	default: // the endpoint of a single service has priority over AWS_ENDPOINT_URL
		return strings.HasPrefix(name, "AWS_ENDPOINT_URL_")
	}
}

// outerEnvironment has the variables of the shell for a client of the laptop's cloud.
func outerEnvironment() []string {
	return slices.DeleteFunc(os.Environ(), func(variable string) bool {
		name, _, _ := strings.Cut(variable, "=")
		return redirects(name)
	})
}

// SetEnvironment sets the variables of clients with the given function, for example
// os.Setenv.
func (c *Cloud) SetEnvironment(set func(name, value string) error) error {
	for _, variable := range append(c.Environment(), "FIRN_DATASETS="+c.datasets()) {
		name, value, _ := strings.Cut(variable, "=")
		if err := set(name, value); err != nil {
			return fmt.Errorf("set %s: %w", name, err)
		}
	}
	return nil
}
