package alert

import (
	"context"
	"fmt"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/telemetry"
)

// Queues reads the number of messages in a queue.
type Queues interface {
	GetQueueAttributes(context.Context, *sqs.GetQueueAttributesInput, ...func(*sqs.Options)) (*sqs.GetQueueAttributesOutput, error)
}

// Meter measures the queues and the waiting objects at a tick.
type Meter struct {
	Queues Queues
	// Work and DeadLetters are the URLs of the queues.
	Work, DeadLetters []string
}

// measure writes the metrics of a tick. The heartbeat is not among them: a complete tick
// writes the heartbeat.
func (m *Meter) measure(ctx context.Context, c *census) error {
	messages, err := m.depth(ctx, m.Work)
	if err != nil {
		return err
	}
	deadLetters, err := m.depth(ctx, m.DeadLetters)
	if err != nil {
		return err
	}
	telemetry.Put(ctx, map[telemetry.Metric]float64{
		telemetry.Messages: float64(messages), telemetry.DeadLetters: float64(deadLetters),
		telemetry.ObjectsToTransform: float64(c.toTransform), telemetry.ObjectsToLoad: float64(c.toLoad),
		telemetry.OldestWait: c.oldest.Seconds(),
	})
	return nil
}

// countedAttributes are the three states of a message in a queue: visible, in work and
// delayed (AWSSimpleQueueService API reference, GetQueueAttributes).
var countedAttributes = []types.QueueAttributeName{
	types.QueueAttributeNameApproximateNumberOfMessages,
	types.QueueAttributeNameApproximateNumberOfMessagesNotVisible,
	types.QueueAttributeNameApproximateNumberOfMessagesDelayed,
}

// depth returns the number of messages in all queues.
func (m *Meter) depth(ctx context.Context, urls []string) (int, error) {
	total := 0
	for _, url := range urls {
		output, err := m.Queues.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{
			QueueUrl: aws.String(url), AttributeNames: countedAttributes,
		})
		if err != nil {
			f := fault.AWS("count messages", fault.QueueAway, err)
			f.Subject = url
			return 0, f
		}
		for _, name := range countedAttributes {
			n, err := strconv.Atoi(output.Attributes[string(name)])
			if err != nil {
				return 0, fault.Dependency("count messages", fault.QueueAway, fmt.Errorf("%s of %s isn't a number", name, url))
			}
			total += n
		}
	}
	return total, nil
}
