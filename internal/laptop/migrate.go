package laptop

import (
	"context"
	"fmt"
	"slices"
)

// migrate runs `firn migrate` on the laptop's cloud, like an operator after a
// deployment.
func (c *Cloud) migrate(ctx context.Context) error {
	output, err := child{
		command:     []string{c.Program, "migrate"},
		directory:   c.Root,
		environment: slices.Concat(outerEnvironment(), c.Environment(), []string{"FIRN_DATASETS=" + c.datasets(), "FIRN_STACK=" + StackName}),
	}.run(ctx)
	if err == nil || ctx.Err() != nil {
		return err
	}
	return fmt.Errorf("migrate Snowflake: %s", errorLines(output))
}
