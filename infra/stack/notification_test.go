//go:build cdk

package stack_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

var listeners = []struct{ bucket, queue, topic, filter string }{
	{"Landing", "RouteQueue", "LandingEventsTopic", "<nil>"},
	{"Curated", "ReceiptsQueue", "CuratedEventsTopic", "map[Name:suffix Value:receipt.json]"},
}

// A bucket's events reach the bucket's queue. The policy admits S3 only for this bucket
// of this account, and the bucket is created after the policy.
func TestBucketEventsReachQueue(t *testing.T) {
	for fanOut, tm := range map[bool]template{false: standardTemplate(t), true: fanOutTemplate(t)} {
		for _, l := range listeners {
			bucket := tm.Resources[l.bucket]
			kind, target, action, policy := "Queue", l.queue, "sqs:SendMessage", l.queue+"Policy"
			arn := "${" + l.queue + ".Arn}"
			if fanOut {
				kind, target, action, policy = "Topic", l.topic, "sns:Publish", l.topic+"Policy"
				arn = "${" + l.topic + "}"
			}
			configurations := list(valueAt(bucket.Properties, "NotificationConfiguration", kind+"Configurations"))
			if len(configurations) != 1 {
				t.Fatalf("fan-out %t: %s sends events to %v", fanOut, l.bucket, configurations)
			}
			c := configurations[0]
			if render(valueAt(c, kind)) != arn || valueAt(c, "Event") != "s3:ObjectCreated:*" {
				t.Errorf("fan-out %t: %s sends %v to %s", fanOut, l.bucket, valueAt(c, "Event"), render(valueAt(c, kind)))
			}
			if got := render(valueAt(c, "Filter", "S3Key", "Rules", 0)); got != l.filter {
				t.Errorf("fan-out %t: %s has the filter %s, want %s", fanOut, l.bucket, got, l.filter)
			}
			if !dependsOn(bucket, policy) {
				t.Errorf("fan-out %t: %s doesn't depend on %s, only on %v", fanOut, l.bucket, policy, bucket.DependsOn)
			}
			name := render(bucket.Properties["BucketName"])
			want := "map[ArnLike:map[aws:SourceArn:arn:${AWS::Partition}:s3:::" + name + "] StringEquals:map[aws:SourceAccount:${AWS::AccountId}]]"
			if !allows(tm, policy, "s3.amazonaws.com", action, want) {
				t.Errorf("fan-out %t: %s doesn't allow S3 the action %s on %s with the condition %s", fanOut, policy, action, target, want)
			}
		}
	}
}

// With a topic in between, S3 needs the topic's key. The queue must receive the same
// message as directly from S3.
func TestBucketEventsReachQueueByTopic(t *testing.T) {
	tm := fanOutTemplate(t)
	var users []string
	for _, s := range statementsOf(tm.Resources["TopicKey"].Properties["KeyPolicy"]) {
		if strings.Contains(s.principal, "amazonaws.com") && slices.Contains(s.actions, "kms:GenerateDataKey") {
			users = append(users, s.principal)
		}
	}
	if !slices.Equal(users, []string{"map[Service:s3.amazonaws.com]", "map[Service:s3.amazonaws.com]"}) {
		t.Errorf("the users of the topics' key are %v", users)
	}
	raw := 0
	for _, name := range tm.resourcesOf("AWS::SNS::Subscription") {
		p := tm.Resources[name].Properties
		if p["Protocol"] != "sqs" {
			continue
		}
		raw++
		if p["RawMessageDelivery"] != true || !strings.HasSuffix(render(valueAt(p, "RedrivePolicy", "deadLetterTargetArn")), "DeadLetters.Arn}") {
			t.Errorf("%s: raw %v, dead letters %v", name, p["RawMessageDelivery"], p["RedrivePolicy"])
		}
	}
	if raw != len(listeners) {
		t.Errorf("%d queues have a subscription, want %d", raw, len(listeners))
	}
}

func dependsOn(r resource, name string) bool {
	for _, id := range list(r.DependsOn) {
		if withoutHash(id.(string)) == name {
			return true
		}
	}
	return false
}

// The alarm of the heartbeat looks at two whole periods of the clock, and a missing
// heartbeat fires the alarm. The stand-in of CloudWatch ignores the window.
func TestHeartbeatAlarmHasWallClockWindow(t *testing.T) {
	p := standardTemplate(t).Resources["HeartbeatAlarm"].Properties
	got := fmt.Sprint(p["EvaluationWindow"], p["EvaluationPeriods"], p["Period"], p["Threshold"]) + fmt.Sprint(" ", p["ComparisonOperator"], " ", p["Statistic"])
	if want := "map[WallClockWindow:map[Timezone:UTC]] 2 300 1 LessThanThreshold Sum"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func allows(tm template, policy, service, action, condition string) bool {
	for _, s := range statementsOf(tm.Resources[policy].Properties["PolicyDocument"]) {
		if s.effect == "Allow" && s.principal == "map[Service:"+service+"]" && slices.Contains(s.actions, action) && s.condition == condition {
			return true
		}
	}
	return false
}

// Every alarm sends mail: its action is the topic Alarms, and CloudWatch may publish
// there. The topic has no key, so no key can stop the mail. No alarm uses the age of a
// queue's oldest message, see createAlarms.
func TestEveryAlarmSendsMail(t *testing.T) {
	tm := standardTemplate(t)
	var names []string
	for _, name := range tm.resourcesOf("AWS::CloudWatch::Alarm") {
		p := tm.Resources[name].Properties
		names = append(names, render(p["AlarmName"]))
		if got := render(p["AlarmActions"]) + render(p["OKActions"]); got != "${AlarmsTopic}${AlarmsTopic}" {
			t.Errorf("%s has the actions %s", name, got)
		}
		missing := "notBreaching"
		if render(p["MetricName"]) == "Heartbeat" {
			missing = "breaching"
		}
		if p["TreatMissingData"] != missing || len(list(p["Dimensions"])) != 1 || p["MetricName"] == "ApproximateAgeOfOldestMessage" {
			t.Errorf("%s: missing data is %v, dimensions %v, metric %v", name, p["TreatMissingData"], p["Dimensions"], p["MetricName"])
		}
	}
	if key := tm.Resources["AlarmsTopic"].Properties["KmsMasterKeyId"]; key != nil {
		t.Errorf("the topic Alarms has the key %v", key)
	}
	golden(t, "alarms", strings.Join(names, "\n")+"\n")
	condition := "map[ArnLike:map[aws:SourceArn:arn:${AWS::Partition}:cloudwatch:${AWS::Region}:${AWS::AccountId}:alarm:*] StringEquals:map[aws:SourceAccount:${AWS::AccountId}]]"
	if !allows(tm, "AlarmsTopicPolicy", "cloudwatch.amazonaws.com", "sns:Publish", condition) {
		t.Error("CloudWatch may not publish to the topic Alarms")
	}
	subscription := tm.Resources[tm.resourcesOf("AWS::SNS::Subscription")[0]].Properties
	if subscription["Protocol"] != "email" || subscription["Endpoint"] != "you@example.com" {
		t.Errorf("alerts go to %v %v", subscription["Protocol"], subscription["Endpoint"])
	}
}
