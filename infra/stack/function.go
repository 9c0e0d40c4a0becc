package stack

import (
	"path/filepath"
	"time"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslogs"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssqs"
	"github.com/aws/jsii-runtime-go"

	"github.com/firn-data/firn/infra/setting"
)

// size is the size of a function.
type size struct {
	// memory is in MiB. 1,769 MiB are one whole processor (lambda/latest/dg,
	// configuration-memory).
	memory  float64
	timeout time.Duration
	// concurrency limits the function's parallel executions for each of the function's
	// queues; 2 to 1,000. Parallel loads of a dataset wait for one lock.
	concurrency float64
}

var functionSizes = map[string]size{
	ingest:    {memory: 256, timeout: 15 * time.Minute, concurrency: 2},
	route:     {memory: 256, timeout: time.Minute, concurrency: 5},
	transform: {memory: 1769, timeout: 15 * time.Minute, concurrency: 10},
	load:      {memory: 512, timeout: 5 * time.Minute, concurrency: 2},
	alert:     {memory: 256, timeout: time.Minute, concurrency: 2},
}

// function is a Lambda function with its role and its log group.
type function struct {
	awslambda.Function
	role awsiam.Role
	logs awslogs.LogGroup
	// sendsToItself reports whether the function sends work to itself.
	sendsToItself bool
}

// functionProps holds the differences between functions.
type functionProps struct {
	purpose     string
	environment map[string]*string
	grants      []grant
	// sources lists the queues that the function consumes.
	sources []source
	// roleName is the fixed name of the role. Empty for a generated name.
	roleName string
	// sendsToItself is true for a function that sends work to itself. Lambda stops such
	// a chain after about 16 calls (lambda/latest/dg, invocation-recursion), unless the
	// function may continue. The function's own chain has an end.
	sendsToItself bool
}

// source is a queue that a function consumes, with the largest number of messages in a
// batch.
type source struct {
	queue awssqs.Queue
	batch float64
	// window is the time in which Lambda collects messages. 0 means no waiting. A batch
	// of more than 10 messages needs a window of one second or more (lambda/latest/dg,
	// services-sqs-configure).
	window time.Duration
}

// defaultBatchSize is the batch size of a queue without a window.
const defaultBatchSize = 10

// sourcesOf returns sources without a window, which pass messages on at once.
func sourcesOf(queues ...awssqs.Queue) []source {
	var all []source
	for _, q := range queues {
		all = append(all, source{queue: q, batch: defaultBatchSize})
	}
	return all
}

// collectedSource returns a source that passes on up to most messages after the window.
// Without a window, most is defaultBatchSize.
func collectedSource(q awssqs.Queue, most float64, window time.Duration) source {
	if window == 0 {
		most = defaultBatchSize
	}
	return source{queue: q, batch: most, window: window}
}

func (s *Stack) createFunction(name string, props functionProps) {
	id := logicalName(name)
	logs := awslogs.NewLogGroup(s.Stack, jsii.String(id+"Logs"), &awslogs.LogGroupProps{
		Retention:     awslogs.RetentionDays_ONE_MONTH,
		RemovalPolicy: awscdk.RemovalPolicy_DESTROY,
	})
	grants := append([]grant{{
		sid: "Log", actions: []string{"logs:CreateLogStream", "logs:PutLogEvents"}, resources: []*string{logs.LogGroupArn()},
	}}, props.grants...)
	role := s.createRole(id+"Role", props.roleName, "firn "+name+": "+props.purpose,
		awsiam.NewServicePrincipal(jsii.String("lambda.amazonaws.com"), nil), nil, grants)
	props.environment["FIRN_JOURNAL_TABLE"] = s.journal.TableName()
	props.environment["FIRN_ENVIRONMENT"] = jsii.String(s.environment())
	lambda := &awslambda.FunctionProps{
		Description:   jsii.String("firn " + name + ": " + props.purpose),
		Runtime:       awslambda.Runtime_PROVIDED_AL2023(),
		Architecture:  s.architecture(),
		Handler:       jsii.String("bootstrap"),
		Code:          awslambda.Code_FromAsset(jsii.String(filepath.Join(s.props.Functions, name)), nil),
		MemorySize:    jsii.Number(functionSizes[name].memory),
		Timeout:       seconds(functionSizes[name].timeout),
		Environment:   &props.environment,
		Role:          role,
		LogGroup:      logs,
		RecursiveLoop: awslambda.RecursiveLoop_TERMINATE,
	}
	if props.sendsToItself {
		lambda.RecursiveLoop = awslambda.RecursiveLoop_ALLOW
	}
	f := awslambda.NewFunction(s.Stack, jsii.String(id+"Function"), lambda)
	for _, from := range props.sources {
		mapping := &awslambda.EventSourceMappingOptions{
			EventSourceArn:          from.queue.QueueArn(),
			BatchSize:               jsii.Number(from.batch),
			MaxConcurrency:          jsii.Number(functionSizes[name].concurrency),
			ReportBatchItemFailures: jsii.Bool(true),
		}
		if from.window > 0 {
			mapping.MaxBatchingWindow = seconds(from.window)
		}
		f.AddEventSourceMapping(jsii.String("From"+*from.queue.Node().Id()), mapping)
	}
	s.functions[name] = function{Function: f, role: role, logs: logs, sendsToItself: props.sendsToItself}
}

func (s *Stack) architecture() awslambda.Architecture {
	if s.props.Settings.Architecture == setting.X8664 {
		return awslambda.Architecture_X86_64()
	}
	return awslambda.Architecture_ARM_64()
}
