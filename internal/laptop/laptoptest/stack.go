package laptoptest

import (
	"context"
	_ "embed" // for the template
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"

	"github.com/firn-data/firn/internal/fault"
)

//go:embed stack.json
var template string

// deployLimit is the longest time of a deployment.
const deployLimit = time.Minute

// Deploy makes a stack with the parts that an operator uses, without functions: only
// the test changes the state.
func Deploy(ctx context.Context, cfg aws.Config, name string) error {
	client := cloudformation.NewFromConfig(cfg)
	if _, err := client.CreateStack(ctx, &cloudformation.CreateStackInput{
		StackName: aws.String(name), TemplateBody: aws.String(template),
	}); err != nil && !fault.IsAWS(err, "AlreadyExistsException") { // the SDK retried the request
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

// Outputs returns the outputs of a stack by name.
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
