package stack

import (
	"fmt"
	"time"

	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsscheduler"
	"github.com/aws/jsii-runtime-go"
)

// ingestMessage is the message that a schedule puts in the ingest queue. Scheduler
// fills in the time that was meant, so that a late or repeated delivery asks
// for the same interval (scheduler/latest/UserGuide,
// managing-schedule-context-attributes). The text needs no escapes: a
// dataset's name is two words of lower-case letters.
func ingestMessage(dataset string) string {
	return `{"dataset":"` + dataset + `","scheduled":"<aws.scheduler.scheduled-time>"}`
}

// tickMessage is the message that makes alert look for what is away.
const tickMessage = `{"tick":"<aws.scheduler.scheduled-time>"}`

// sweepMessage is the message that makes route look for what no event announced and for
// what stands still.
const sweepMessage = `{"sweep":"<aws.scheduler.scheduled-time>"}`

// createSchedules makes alert's tick, route's sweep, and one schedule for each
// contract that has one, unless somebody else drives them.
func (s *Stack) createSchedules() {
	s.createSchedule(schedule{
		id: "Alert", description: "firn: looks for what is away", queue: alert, input: tickMessage,
		expression: rate(s.props.Settings.Tick),
		role:       s.createScheduleRole("TickRole", "firn: a schedule puts ticks in alert's queue", alert),
	})
	if s.props.Settings.Sweep > 0 {
		s.createSchedule(schedule{
			id: "Sweep", description: "firn: looks for what no event announced and for what stands still", queue: route, input: sweepMessage,
			expression: rate(s.props.Settings.Sweep),
			role:       s.createScheduleRole("SweepRole", "firn: a schedule puts sweeps in route's queue", route),
		})
	}
	if !s.props.Settings.Schedules {
		return
	}
	var role awsiam.Role // no schedule of a contract, no role
	for _, c := range s.props.Contracts {
		if c.Ingest == nil || c.Ingest.Schedule == "" {
			continue
		}
		if role == nil {
			role = s.createScheduleRole("ScheduleRole", "firn: schedules put orders in the ingest queue", ingest)
		}
		s.createSchedule(schedule{
			id: logicalName(c.Source) + logicalName(c.Entity), description: "firn: fetches " + c.Dataset(), queue: ingest, input: ingestMessage(c.Dataset()),
			expression: c.Ingest.Schedule, role: role,
		})
	}
}

// rate is Scheduler's expression. Its singular is "minute" (scheduler/latest/
// UserGuide, schedule-types).
func rate(every time.Duration) string {
	if every == time.Minute {
		return "rate(1 minute)"
	}
	return fmt.Sprintf("rate(%d minutes)", int(every.Minutes()))
}

// schedule puts one message in a queue, again and again.
type schedule struct {
	id, description, queue, input string
	// expression is rate, cron or at (scheduler/latest/UserGuide,
	// schedule-types).
	expression string
	role       awsiam.Role
}

func (s *Stack) createSchedule(made schedule) {
	awsscheduler.NewCfnSchedule(s.Stack, jsii.String(made.id+"Schedule"), &awsscheduler.CfnScheduleProps{
		Description:        jsii.String(made.description),
		ScheduleExpression: jsii.String(made.expression),
		FlexibleTimeWindow: &awsscheduler.CfnSchedule_FlexibleTimeWindowProperty{Mode: jsii.String("OFF")},
		Target: &awsscheduler.CfnSchedule_TargetProperty{
			Arn:              s.queues[made.queue].QueueArn(),
			RoleArn:          made.role.RoleArn(),
			Input:            jsii.String(made.input),
			DeadLetterConfig: &awsscheduler.CfnSchedule_DeadLetterConfigProperty{Arn: s.queues[made.queue].deadLetters.QueueArn()},
		},
	})
}

// createScheduleRole makes the role by which Scheduler sends messages to a queue,
// and buries those that it can't send.
func (s *Stack) createScheduleRole(id, description, queue string) awsiam.Role {
	scheduler := awsiam.NewServicePrincipal(jsii.String("scheduler.amazonaws.com"), &awsiam.ServicePrincipalOpts{
		Conditions: s.sameAccount(s.arn("scheduler", "schedule-group/default")),
	})
	return s.createRole(id, "", description, scheduler, nil, []grant{s.send(queue), s.sendDeadLetters(queue)})
}
