package stack

import (
	"time"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssqs"
	"github.com/aws/jsii-runtime-go"
)

// The queues. Each queue has a dead-letter queue.
const (
	route     = "route"
	receipts  = "receipts"
	transform = "transform"
	// glue has the objects for Glue runs and the ends of these runs. The function
	// transform consumes glue and transform.
	glue   = "glue"
	load   = "load"
	ingest = "ingest"
	// alert has the ticks. At each tick the function alert checks for outages. The
	// function also consumes all dead-letter queues.
	alert = "alert"
)

// queueNames lists the queues in the order of outputs and variables.
var queueNames = []string{route, receipts, transform, glue, load, ingest, alert}

// functionNames lists the functions in the order of outputs.
var functionNames = []string{ingest, route, transform, load, alert}

// queue is a queue with its dead-letter queue.
type queue struct {
	awssqs.Queue
	deadLetters awssqs.Queue
}

// createQueues creates the queues. A dead letter keeps the send time of its message. So
// a dead-letter queue needs a longer retention than the queue (AWSSimpleQueueService
// developer guide, sqs-dead-letter-queues). Amazon SQS's own key is enough, because
// messages hold keys and no rows.
func (s *Stack) createQueues() {
	consumers := map[string]string{receipts: route, glue: transform}
	windows := map[string]time.Duration{glue: s.props.Settings.Glue.Window}
	for _, name := range queueNames {
		consumer := name
		if c, ok := consumers[name]; ok {
			consumer = c
		}
		deadLetters := s.createQueue(logicalName(name)+"DeadLetters", 14, functionSizes[alert].timeout, nil)
		s.queues[name] = queue{
			Queue:       s.createQueue(logicalName(name)+"Queue", 4, windows[name]+functionSizes[consumer].timeout, deadLetters),
			deadLetters: deadLetters,
		}
	}
}

const (
	// hiddenAfterTimeout is the time for which a message stays hidden after a kill of
	// its function at the timeout. AWS advises six timeouts as a protection against
	// throttling. Here the concurrency limit of the mappings prevents throttling.
	hiddenAfterTimeout = time.Minute
	// maxReceives is SQS's largest number. The functions themselves send a message to
	// the dead-letter queue after its attempts. An outage of a dependency must not
	// produce dead letters.
	maxReceives = 1000
)

// createQueue creates one queue. Retention is in days. busy is the longest time of a
// message with its function, including the window. deadLetters is nil for a dead-letter
// queue.
func (s *Stack) createQueue(id string, retention float64, busy time.Duration, deadLetters awssqs.Queue) awssqs.Queue {
	props := &awssqs.QueueProps{
		Encryption:        awssqs.QueueEncryption_SQS_MANAGED,
		EnforceSSL:        jsii.Bool(true),
		RetentionPeriod:   awscdk.Duration_Days(jsii.Number(retention)),
		VisibilityTimeout: seconds(busy + hiddenAfterTimeout),
	}
	if deadLetters != nil {
		props.DeadLetterQueue = &awssqs.DeadLetterQueue{Queue: deadLetters, MaxReceiveCount: jsii.Number(maxReceives)}
	}
	return awssqs.NewQueue(s.Stack, jsii.String(id), props)
}

func seconds(d time.Duration) awscdk.Duration {
	return awscdk.Duration_Seconds(jsii.Number(d.Seconds()))
}
