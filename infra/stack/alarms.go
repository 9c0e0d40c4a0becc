package stack

import (
	"time"

	"github.com/aws/aws-cdk-go/awscdk/v2/awscloudwatch"
	"github.com/aws/aws-cdk-go/awscdk/v2/awscloudwatchactions"
	"github.com/aws/jsii-runtime-go"

	"github.com/firn-data/firn/internal/telemetry"
)

const (
	// alarmPeriod is the period of every alarm. An alarm with a wall-clock window needs
	// a period of 1 or 5 minutes, or longer (AmazonCloudWatch user guide,
	// alarm-evaluation-window).
	alarmPeriod = 5 * time.Minute
	// maxWait is the longest wait of an object before the alarm OldestWait. alert's own
	// mails report a wait within a few hours. The alarm means that no mail came, or that
	// the cause wasn't fixed.
	maxWait = 24 * time.Hour
	// patience is the number of periods in a row that make a lasting state.
	patience = 3
)

// createAlarms creates the alarms for faults that alert can't report, including alert's
// own faults. Every alarm publishes to the topic Alarms, which shares nothing with the
// topic of alert's mails.
//
// No alarm uses the age of a queue's oldest message. Amazon SQS leaves out a message
// after three receives (AWSSimpleQueueService developer guide,
// sqs-available-cloudwatch-metrics), and firn receives a waiting message more often.
func (s *Stack) createAlarms() {
	s.createHeartbeatAlarm()
	s.createAlarm("MailsUnsent", alarmProps{
		metric: s.ownMetric(telemetry.UnsentMails, "Sum"), threshold: 1, periods: 1,
		description: "Amazon SNS refused a mail of firn's function alert. Read the log of the function alert.",
	})
	s.createAlarm("DeadLettersWait", alarmProps{
		metric: s.ownMetric(telemetry.DeadLetters, "Minimum"), threshold: 1, periods: patience,
		description: "A dead letter of firn has had no mail. Read the log of the function alert.",
	})
	s.createAlarm("OldestWait", alarmProps{
		metric: s.ownMetric(telemetry.OldestWait, "Maximum"), threshold: maxWait.Seconds(), periods: 1,
		description: "An object of firn has waited for a day. Type `firn status`.",
	})
	s.createAlarm("AlertErrors", alarmProps{
		metric: s.functions[alert].MetricErrors(metricOptions("Sum")), threshold: 1, periods: 1,
		description: "firn's function alert crashed, so a mail may be missing. Read the log of the function alert.",
	})
	for _, name := range functionNames {
		s.createAlarm(logicalName(name)+"Throttles", alarmProps{
			metric: s.functions[name].MetricThrottles(metricOptions("Sum")), threshold: 1, periods: patience,
			description: "For 15 minutes Lambda hasn't started firn's function " + name + " often enough. The account's concurrency is used up.",
		})
		if !s.functions[name].sendsToItself {
			s.createAlarm(logicalName(name)+"Recursion", alarmProps{
				metric: s.functions[name].Metric(jsii.String("RecursiveInvocationsDropped"), metricOptions("Sum")), threshold: 1, periods: 1,
				description: "Lambda stopped a loop through firn's function " + name + ". The messages of the loop are in a dead-letter queue.",
			})
		}
	}
}

// alarmProps describes an alarm that fires if a metric reaches a threshold in each of
// some periods in a row.
type alarmProps struct {
	metric      awscloudwatch.IMetric
	threshold   float64
	periods     float64
	description string
}

// createAlarm creates an alarm. The alarm's name is in the subject of the mail.
func (s *Stack) createAlarm(id string, props alarmProps) {
	alarm := awscloudwatch.NewAlarm(s.Stack, jsii.String(id+"Alarm"), &awscloudwatch.AlarmProps{
		AlarmName:          jsii.String(Name + id),
		AlarmDescription:   jsii.String(props.description),
		Metric:             props.metric,
		Threshold:          jsii.Number(props.threshold),
		EvaluationPeriods:  jsii.Number(props.periods),
		ComparisonOperator: awscloudwatch.ComparisonOperator_GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
		TreatMissingData:   awscloudwatch.TreatMissingData_NOT_BREACHING,
	})
	s.sendAlarm(alarm)
}

// createHeartbeatAlarm creates the alarm that fires without two periods of heartbeats.
// With the usual sliding window CloudWatch also looks at older periods, and one old
// heartbeat would keep the alarm quiet (AmazonCloudWatch user guide,
// alarms-and-missing-data). A wall-clock window has exactly two periods.
func (s *Stack) createHeartbeatAlarm() {
	alarm := awscloudwatch.NewAlarm(s.Stack, jsii.String("HeartbeatAlarm"), &awscloudwatch.AlarmProps{
		AlarmName:          jsii.String(Name + "Heartbeat"),
		AlarmDescription:   jsii.String("firn's function alert doesn't look for failures and waits any more. Read the log of the function alert."),
		Metric:             s.ownMetric(telemetry.Heartbeat, "Sum"),
		Threshold:          jsii.Number(1),
		EvaluationPeriods:  jsii.Number(2),
		ComparisonOperator: awscloudwatch.ComparisonOperator_LESS_THAN_THRESHOLD,
		TreatMissingData:   awscloudwatch.TreatMissingData_BREACHING,
	})
	resource := alarm.Node().DefaultChild().(awscloudwatch.CfnAlarm)
	resource.SetEvaluationWindow(&awscloudwatch.CfnAlarm_EvaluationWindowProperty{
		WallClockWindow: &awscloudwatch.CfnAlarm_WallClockWindowProperty{Timezone: jsii.String("UTC")},
	})
	s.sendAlarm(alarm)
}

// sendAlarm makes an alarm send a mail when the alarm fires and when the alarm ends.
func (s *Stack) sendAlarm(alarm awscloudwatch.Alarm) {
	action := awscloudwatchactions.NewSnsAction(s.alarms)
	alarm.AddAlarmAction(action)
	alarm.AddOkAction(action)
}

// ownMetric returns a metric from the log of a function.
func (s *Stack) ownMetric(name telemetry.Metric, statistic string) awscloudwatch.Metric {
	return awscloudwatch.NewMetric(&awscloudwatch.MetricProps{
		Namespace:     jsii.String(telemetry.Namespace),
		MetricName:    jsii.String(string(name)),
		DimensionsMap: &map[string]*string{telemetry.DimensionEnvironment: jsii.String(s.environment())},
		Statistic:     jsii.String(statistic),
		Period:        seconds(alarmPeriod),
	})
}

func metricOptions(statistic string) *awscloudwatch.MetricOptions {
	return &awscloudwatch.MetricOptions{Period: seconds(alarmPeriod), Statistic: jsii.String(statistic)}
}
