package stack

import (
	"time"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssqs"
	"github.com/aws/jsii-runtime-go"
)

// The queues, each with a dead-letter queue.
const (
	route     = "route"
	receipts  = "receipts"
	transform = "transform"
	// glue has the objects that Lambda can't take, and the ends of the runs that
	// take them. The function transform consumes it too.
	glue   = "glue"
	load   = "load"
	ingest = "ingest"
	// alert has the ticks at which the function looks for what is away. The
	// function empties all dead-letter queues too.
	alert = "alert"
)

// queueNames is the order of the queues in outputs and variables.
var queueNames = []string{route, receipts, transform, glue, load, ingest, alert}

// functionNames is the order of the functions.
var functionNames = []string{ingest, route, transform, load, alert}

// queue is a stage's queue and where its dead letters go.
type queue struct {
	awssqs.Queue
	deadLetters awssqs.Queue
}

// createQueues makes the queues. A dead letter keeps the time at which its
// message was first sent, so dead-letter queues must retain for longer
// (AWSSimpleQueueService developer guide, sqs-dead-letter-queues). Work
// messages hold keys and no rows: Amazon SQS's own key is enough for them.
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
	// hiddenAfterTimeout is how long a message stays hidden when its function was
	// killed at its timeout. The advice of six timeouts guards against
	// throttling, which the mappings' concurrency limit does here.
	hiddenAfterTimeout = time.Minute
	// maxReceives is the largest number that SQS takes: the functions bury a
	// message themselves after its attempts, and an outage of a dependency
	// must not make dead letters.
	maxReceives = 1000
)

// createQueue makes one queue. Retention is in days, busy is how long a message
// is with its function, collecting included; deadLetters is nil for a queue of
// dead letters.
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
