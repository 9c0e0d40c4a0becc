package laptop

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
)

// BuildDBT builds the dbt project on the laptop's Snowflake and returns the last line
// of dbt, with the counts of the results.
func (c *Cloud) BuildDBT(ctx context.Context) (string, error) {
	project := filepath.Join(c.project(), "dbt")
	// dbt caches the parsed project in this folder, and the cache outlives the cloud.
	scratch := filepath.Join(c.Root, "build", "dbt", filepath.Base(c.Directory))
	output, err := child{
		command: []string{
			filepath.Join(c.Root, "build", "venv", "dbt", "bin", "dbt"), "build",
			"--project-dir", project, "--profiles-dir", project,
			"--target-path", filepath.Join(scratch, "target"), "--log-path", filepath.Join(scratch, "logs"),
			"--log-level-file", "info",
		},
		environment: slices.Concat(outerEnvironment(), c.Environment(), []string{"DBT_SEND_ANONYMOUS_USAGE_STATS=false", "NO_COLOR=1"}),
	}.run(ctx)
	lines := strings.Split(strings.TrimSpace(string(output)), "\n")
	summary := lines[len(lines)-1]
	for _, line := range lines {
		if _, counts, found := strings.Cut(line, "Done. "); found {
			summary = counts
		}
	}
	if ctx.Err() != nil {
		return summary, err
	}
	if err != nil {
		return summary, fmt.Errorf("dbt build: %w: %s", err, errorLines(output))
	}
	return summary, nil
}
