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

// size is what a function gets to run with.
type size struct {
	// memory is in MiB; 1,769 is one whole processor (lambda/latest/dg,
	// configuration-memory).
	memory  float64
	timeout time.Duration
	// concurrency bounds the function's copies for each of its queues; at
	// least 2, at most 1,000. Load's copies wait for one lock a dataset.
	concurrency float64
}

var functionSizes = map[string]size{
	ingest:    {memory: 256, timeout: 15 * time.Minute, concurrency: 2},
	route:     {memory: 256, timeout: time.Minute, concurrency: 5},
	transform: {memory: 1769, timeout: 15 * time.Minute, concurrency: 10},
	load:      {memory: 512, timeout: 5 * time.Minute, concurrency: 2},
	alert:     {memory: 256, timeout: time.Minute, concurrency: 2},
}

// function is a Lambda function with what belongs to it.
type function struct {
	awslambda.Function
	role awsiam.Role
	logs awslogs.LogGroup
}

// functionProps is what makes one function differ from the next.
type functionProps struct {
	purpose     string
	environment map[string]*string
	grants      []grant
	// queues are those that the function consumes.
	queues []awssqs.Queue
	// roleName is empty unless somebody outside must know it.
	roleName string
	// continues is true for a function that sends work to itself: Lambda stops
	// such a chain after about 16 turns (lambda/latest/dg,
	// invocation-recursion), and the function has a limit of its own.
	continues bool
}

func (s *Stack) createFunction(name string, props functionProps) {
	id := title(name)
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
	if props.continues {
		lambda.RecursiveLoop = awslambda.RecursiveLoop_ALLOW
	}
	f := awslambda.NewFunction(s.Stack, jsii.String(id+"Function"), lambda)
	for _, q := range props.queues {
		f.AddEventSourceMapping(jsii.String("From"+*q.Node().Id()), &awslambda.EventSourceMappingOptions{
			EventSourceArn:          q.QueueArn(),
			BatchSize:               jsii.Number(10),
			MaxConcurrency:          jsii.Number(functionSizes[name].concurrency),
			ReportBatchItemFailures: jsii.Bool(true),
		})
	}
	s.functions[name] = function{Function: f, role: role, logs: logs}
}

func (s *Stack) architecture() awslambda.Architecture {
	if s.props.Settings.Architecture == setting.X8664 {
		return awslambda.Architecture_X86_64()
	}
	return awslambda.Architecture_ARM_64()
}
