package stack

import (
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsscheduler"
	"github.com/aws/jsii-runtime-go"
)

// order is the message that a schedule puts in the ingest queue. Scheduler
// fills in the time that was meant, so that a late or repeated delivery asks
// for the same interval (scheduler/latest/UserGuide,
// managing-schedule-context-attributes). The text needs no escapes: a
// dataset's name is two words of lower-case letters.
func order(dataset string) string {
	return `{"dataset":"` + dataset + `","scheduled":"<aws.scheduler.scheduled-time>"}`
}

// createSchedules makes one schedule for each contract that has one, unless
// somebody else drives them. No schedule, no role.
func (s *Stack) createSchedules() {
	if !s.props.Settings.Schedules {
		return
	}
	var role awsiam.Role
	for _, c := range s.props.Contracts {
		if c.Ingest == nil || c.Ingest.Schedule == "" {
			continue
		}
		if role == nil {
			role = s.createScheduleRole()
		}
		s.createSchedule(title(c.Source)+title(c.Entity), c.Dataset(), c.Ingest.Schedule, role)
	}
}

func (s *Stack) createSchedule(id, dataset, expression string, role awsiam.Role) {
	awsscheduler.NewCfnSchedule(s.Stack, jsii.String(id+"Schedule"), &awsscheduler.CfnScheduleProps{
		Description:        jsii.String("firn: fetches " + dataset),
		ScheduleExpression: jsii.String(expression),
		FlexibleTimeWindow: &awsscheduler.CfnSchedule_FlexibleTimeWindowProperty{Mode: jsii.String("OFF")},
		Target: &awsscheduler.CfnSchedule_TargetProperty{
			Arn:              s.queues[ingest].QueueArn(),
			RoleArn:          role.RoleArn(),
			Input:            jsii.String(order(dataset)),
			DeadLetterConfig: &awsscheduler.CfnSchedule_DeadLetterConfigProperty{Arn: s.queues[ingest].deadLetters.QueueArn()},
		},
	})
}

// createScheduleRole makes the role by which Scheduler sends messages, and
// buries those that it can't send.
func (s *Stack) createScheduleRole() awsiam.Role {
	scheduler := awsiam.NewServicePrincipal(jsii.String("scheduler.amazonaws.com"), &awsiam.ServicePrincipalOpts{
		Conditions: s.sameAccount(s.arn("scheduler", "schedule-group/default")),
	})
	return s.createRole("ScheduleRole", "", "firn: schedules put orders in the ingest queue", scheduler, nil,
		append([]grant{s.send(ingest)}, s.consume(ingest)[1]))
}
