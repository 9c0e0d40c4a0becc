package stack

import (
	"fmt"
	"time"

	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsscheduler"
	"github.com/aws/jsii-runtime-go"
)

// ingestMessage is the message that a schedule sends to the ingest queue. Scheduler
// inserts the scheduled time, so that a late or repeated delivery asks for the same
// interval (scheduler/latest/UserGuide, managing-schedule-context-attributes). The text
// needs no escapes, because a dataset's name has only two words of lower-case letters.
func ingestMessage(dataset string) string {
	return `{"dataset":"` + dataset + `","scheduled":"<aws.scheduler.scheduled-time>"}`
}

// tickMessage is the message that makes alert look for waits, outages, unusual data and
// runs whose wait is over.
const tickMessage = `{"tick":"<aws.scheduler.scheduled-time>"}`

// sweepMessage is the message that makes route sweep.
const sweepMessage = `{"sweep":"<aws.scheduler.scheduled-time>"}`

// createSchedules creates the schedules of alert's tick and route's sweep. Each
// contract with a schedule also gets a schedule, unless the setting Schedules is false.
func (s *Stack) createSchedules() {
	s.createSchedule(schedule{
		id: "Alert", description: "firn: starts the check for waits, outages, unusual data and ingestion runs whose wait is over", queue: alert, input: tickMessage,
		expression: rate(s.props.Settings.Tick),
		role:       s.createScheduleRole("TickRole", "firn: a schedule sends ticks to alert's queue", alert),
	})
	if s.props.Settings.Sweep > 0 {
		s.createSchedule(schedule{
			id: "Sweep", description: "firn: starts the sweep for objects without an event, and for objects and runs that stopped moving", queue: route, input: sweepMessage,
			expression: rate(s.props.Settings.Sweep),
			role:       s.createScheduleRole("SweepRole", "firn: a schedule sends sweeps to route's queue", route),
		})
	}
	if !s.props.Settings.Schedules {
		return
	}
	var role awsiam.Role // nil until the first contract with a schedule
	for _, c := range s.props.Contracts {
		if c.Ingest == nil || c.Ingest.Schedule == "" {
			continue
		}
		if role == nil {
			role = s.createScheduleRole("ScheduleRole", "firn: schedules send messages to the ingest queue", ingest)
		}
		s.createSchedule(schedule{
			id: logicalName(c.Source) + logicalName(c.Entity), description: "firn: fetches " + c.Dataset(), queue: ingest, input: ingestMessage(c.Dataset()),
			expression: c.Ingest.Schedule, role: role,
		})
	}
}

// rate returns a schedule expression. The singular of the unit is "minute"
// (scheduler/latest/UserGuide, schedule-types).
func rate(every time.Duration) string {
	if every == time.Minute {
		return "rate(1 minute)"
	}
	return fmt.Sprintf("rate(%d minutes)", int(every.Minutes()))
}

// schedule sends one message to a queue at each scheduled time.
type schedule struct {
	id, description, queue, input string
	// expression is a rate, cron or at expression (scheduler/latest/UserGuide,
	// schedule-types).
	expression string
	role       awsiam.Role
}

func (s *Stack) createSchedule(config schedule) {
	awsscheduler.NewCfnSchedule(s.Stack, jsii.String(config.id+"Schedule"), &awsscheduler.CfnScheduleProps{
		Description:        jsii.String(config.description),
		ScheduleExpression: jsii.String(config.expression),
		FlexibleTimeWindow: &awsscheduler.CfnSchedule_FlexibleTimeWindowProperty{Mode: jsii.String("OFF")},
		Target: &awsscheduler.CfnSchedule_TargetProperty{
			Arn:              s.queues[config.queue].QueueArn(),
			RoleArn:          config.role.RoleArn(),
			Input:            jsii.String(config.input),
			DeadLetterConfig: &awsscheduler.CfnSchedule_DeadLetterConfigProperty{Arn: s.queues[config.queue].deadLetters.QueueArn()},
		},
	})
}

// createScheduleRole creates the role by which Scheduler sends messages to a queue.
// Scheduler sends undeliverable messages to the dead-letter queue.
func (s *Stack) createScheduleRole(id, description, queue string) awsiam.Role {
	scheduler := awsiam.NewServicePrincipal(jsii.String("scheduler.amazonaws.com"), &awsiam.ServicePrincipalOpts{
		Conditions: s.sameAccount(s.arn("scheduler", "schedule-group/default")),
	})
	return s.createRole(id, "", description, scheduler, nil, []grant{s.send(queue), s.sendDeadLetters(queue)})
}
