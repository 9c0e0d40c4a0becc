package laptop

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// BuildDBT builds the dbt project against the laptop's Snowflake and returns
// dbt's last line, which counts what passed.
func (c *Cloud) BuildDBT(ctx context.Context) (string, error) {
	project := filepath.Join(c.Root, "dbt")
	cmd := exec.CommandContext(ctx, filepath.Join(c.Root, "build", "venv", "dbt", "bin", "dbt"), "build",
		"--project-dir", project, "--profiles-dir", project,
		"--target-path", filepath.Join(c.Directory, "dbt", "target"),
		"--log-path", filepath.Join(c.Directory, "dbt", "logs"))
	cmd.Env = append(os.Environ(), c.Environment()...)
	cmd.Env = append(cmd.Env, "DBT_SEND_ANONYMOUS_USAGE_STATS=false", "NO_COLOR=1")
	output, err := cmd.CombinedOutput()
	lines := strings.Split(strings.TrimSpace(string(output)), "\n")
	summary := lines[len(lines)-1]
	for _, line := range lines {
		if _, counts, found := strings.Cut(line, "Done. "); found {
			summary = counts
		}
	}
	if err != nil {
		return summary, fmt.Errorf("dbt build: %w: %s", err, reason(output))
	}
	return summary, nil
}
