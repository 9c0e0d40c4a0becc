package stack

import (
	"time"

	"github.com/aws/aws-cdk-go/awscdk/v2/awscloudwatch"
	"github.com/aws/aws-cdk-go/awscdk/v2/awscloudwatchactions"
	"github.com/aws/jsii-runtime-go"
)

// maxMessageAge is the age at which a queue's oldest message means that its
// stage stands still: longer than the longest backoff, and for work than its
// attempts.
var maxMessageAge = map[string]time.Duration{
	route:     20 * time.Minute,
	receipts:  20 * time.Minute,
	transform: time.Hour,
	glue:      time.Hour,
	load:      time.Hour,
	ingest:    time.Hour,
	alert:     20 * time.Minute,
}

// maxDeadLetterAge is the age at which a dead letter means that alert is
// broken: it empties the queues within seconds, so an alarm on their length
// would never ring.
const maxDeadLetterAge = 10 * time.Minute

// createAlarms makes the alarms for what alert can't tell, itself included.
func (s *Stack) createAlarms() {
	for _, name := range queueNames {
		s.createAlarm(logicalName(name)+"QueueOld", s.queues[name].MetricApproximateAgeOfOldestMessage(maximum()), maxMessageAge[name].Seconds(),
			"A message has waited in firn's "+name+" queue for too long: see the log group of its function.")
		s.createAlarm(logicalName(name)+"DeadLettersOld", s.queues[name].deadLetters.MetricApproximateAgeOfOldestMessage(maximum()), maxDeadLetterAge.Seconds(),
			"A dead letter of firn's "+name+" queue was not announced: see the log group of the function alert.")
	}
	s.createAlarm("AlertErrors", s.functions[alert].MetricErrors(sum()), 1,
		"firn's function alert failed, so a failure may be unannounced: see its log group.")
	for _, name := range functionNames {
		s.createAlarm(logicalName(name)+"Throttles", s.functions[name].MetricThrottles(sum()), 1,
			"Lambda refused to start firn's function "+name+": the account's concurrency is used up.")
		if !s.functions[name].sendsToItself {
			s.createAlarm(logicalName(name)+"Recursion", s.functions[name].Metric(jsii.String("RecursiveInvocationsDropped"), sum()), 1,
				"Lambda cut a loop that runs through firn's function "+name+": its messages end in a dead-letter queue.")
		}
	}
}

// createAlarm makes an alarm that rings when a metric reaches a threshold
// within one minute. Its name is what the mail's subject says.
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
