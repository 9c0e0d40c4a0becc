package laptoptest

import (
	"context"
	_ "embed" // the template
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"

	"github.com/firn-data/firn/internal/fault"
)

//go:embed stack.json
var template string

// deployLimit bounds how long the stand-in may take.
const deployLimit = time.Minute

// Deploy makes a stack with the parts that an operator works with and no
// function, so that nothing moves but what the test moves.
func Deploy(ctx context.Context, cfg aws.Config, name string) error {
	client := cloudformation.NewFromConfig(cfg)
	if _, err := client.CreateStack(ctx, &cloudformation.CreateStackInput{
		StackName: aws.String(name), TemplateBody: aws.String(template),
	}); err != nil && !fault.IsAWS(err, "AlreadyExistsException") { // the SDK asked twice
		return fmt.Errorf("deploy %s: %w", name, err)
	}
	done := cloudformation.NewStackCreateCompleteWaiter(client, func(o *cloudformation.StackCreateCompleteWaiterOptions) {
		o.MinDelay, o.MaxDelay = 50*time.Millisecond, time.Second
	})
	if err := done.Wait(ctx, &cloudformation.DescribeStacksInput{StackName: aws.String(name)}, deployLimit); err != nil {
		return fmt.Errorf("deploy %s: %w", name, err)
	}
	return nil
}

// Outputs returns what a stack says of its parts, by name.
func Outputs(ctx context.Context, cfg aws.Config, name string) (map[string]string, error) {
	described, err := cloudformation.NewFromConfig(cfg).DescribeStacks(ctx, &cloudformation.DescribeStacksInput{StackName: aws.String(name)})
	if err != nil {
		return nil, fmt.Errorf("describe %s: %w", name, err)
	}
	outputs := make(map[string]string)
	for _, o := range described.Stacks[0].Outputs {
		outputs[aws.ToString(o.OutputKey)] = aws.ToString(o.OutputValue)
	}
	return outputs, nil
}
