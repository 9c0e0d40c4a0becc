package laptop

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
)

// migrate runs `firn migrate` on the laptop's cloud, like an operator after a
// deployment.
func (c *Cloud) migrate(ctx context.Context) error {
	cmd := exec.CommandContext(ctx, c.Program, "migrate")
	cmd.Dir = c.Root
	cmd.Env = slices.Concat(os.Environ(), c.Environment(), []string{"FIRN_DATASETS=" + c.datasets()})
	if output, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("migrate Snowflake: %s", strings.TrimSpace(string(output)))
	}
	return nil
}
