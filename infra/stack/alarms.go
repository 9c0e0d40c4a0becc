package stack

import (
	"time"

	"github.com/aws/aws-cdk-go/awscdk/v2/awscloudwatch"
	"github.com/aws/aws-cdk-go/awscdk/v2/awscloudwatchactions"
	"github.com/aws/jsii-runtime-go"
)

// maxMessageAge is the age of a queue's oldest message at which an alarm reports that
// the stage stopped. Each age is longer than the longest backoff. For queues of work
// the age is also longer than all attempts.
var maxMessageAge = map[string]time.Duration{
	route:     20 * time.Minute,
	receipts:  20 * time.Minute,
	transform: time.Hour,
	glue:      time.Hour,
	load:      time.Hour,
	ingest:    time.Hour,
	alert:     20 * time.Minute,
}

// maxDeadLetterAge is the age of a dead letter at which an alarm reports that alert is
// broken. The alarm watches the age, because alert empties the queues within seconds
// and an alarm on their length would never fire.
const maxDeadLetterAge = 10 * time.Minute

// createAlarms creates the alarms for faults that alert can't report, including alert's
// own faults.
func (s *Stack) createAlarms() {
	for _, name := range queueNames {
		s.createAlarm(logicalName(name)+"QueueOld", s.queues[name].MetricApproximateAgeOfOldestMessage(maximum()), maxMessageAge[name].Seconds(),
			"A message has waited too long in firn's "+name+" queue. Read the log of the function that consumes the queue.")
		s.createAlarm(logicalName(name)+"DeadLettersOld", s.queues[name].deadLetters.MetricApproximateAgeOfOldestMessage(maximum()), maxDeadLetterAge.Seconds(),
			"A dead letter of firn's "+name+" queue has had no mail. Read the log of the function alert.")
	}
	s.createAlarm("AlertErrors", s.functions[alert].MetricErrors(sum()), 1,
		"firn's function alert failed, so the mail about a failure may be missing. Read the log of the function alert.")
	for _, name := range functionNames {
		s.createAlarm(logicalName(name)+"Throttles", s.functions[name].MetricThrottles(sum()), 1,
			"Lambda didn't start firn's function "+name+", because the account's concurrency is used up.")
		if !s.functions[name].sendsToItself {
			s.createAlarm(logicalName(name)+"Recursion", s.functions[name].Metric(jsii.String("RecursiveInvocationsDropped"), sum()), 1,
				"Lambda stopped a loop through firn's function "+name+". The messages of the loop are in a dead-letter queue.")
		}
	}
}

// createAlarm creates an alarm that fires if a metric reaches a threshold within one
// minute. The alarm's name is in the subject of the mail.
func (s *Stack) createAlarm(id string, metric awscloudwatch.Metric, threshold float64, description string) {
	alarm := awscloudwatch.NewAlarm(s.Stack, jsii.String(id+"Alarm"), &awscloudwatch.AlarmProps{
		AlarmName:          jsii.String(Name + id),
		AlarmDescription:   jsii.String(description),
		Metric:             metric,
		Threshold:          jsii.Number(threshold),
		EvaluationPeriods:  jsii.Number(1),
		ComparisonOperator: awscloudwatch.ComparisonOperator_GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
		TreatMissingData:   awscloudwatch.TreatMissingData_NOT_BREACHING,
	})
	alarm.AddAlarmAction(awscloudwatchactions.NewSnsAction(s.alerts))
}

func maximum() *awscloudwatch.MetricOptions { return perMinute("Maximum") }

func sum() *awscloudwatch.MetricOptions { return perMinute("Sum") }

func perMinute(statistic string) *awscloudwatch.MetricOptions {
	return &awscloudwatch.MetricOptions{Period: seconds(time.Minute), Statistic: jsii.String(statistic)}
}
