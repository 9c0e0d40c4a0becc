package stack

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awskms"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssns"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssnssubscriptions"
	"github.com/aws/jsii-runtime-go"

	"github.com/firn-data/firn/infra/setting"
)

// createKeys creates a key for stored data and a key for topics.
func (s *Stack) createKeys() {
	if s.props.Settings.Encryption == setting.KMS {
		s.dataKey = awskms.NewKey(s.Stack, jsii.String("DataKey"), &awskms.KeyProps{
			Description:       jsii.String("firn: landing and curated buckets"),
			EnableKeyRotation: jsii.Bool(true),
			RemovalPolicy:     s.removalPolicy(),
		})
	}
	s.topicKey = awskms.NewKey(s.Stack, jsii.String("TopicKey"), &awskms.KeyProps{
		Description:       jsii.String("firn: topics"),
		EnableKeyRotation: jsii.Bool(true),
		RemovalPolicy:     awscdk.RemovalPolicy_DESTROY,
	})
}

// createTopics creates the topics Alerts, Alarms and Loaded. Alerts sends the mails of
// the function alert. Alarms sends the mails of CloudWatch's alarms, which report that
// alert itself doesn't work. Loaded announces new rows of a dataset.
func (s *Stack) createTopics() {
	s.alerts = s.createTopic("Alerts")
	s.sendMails(s.alerts)
	s.createAlarmsTopic()
	s.loaded = s.createTopic("Loaded")
}

func (s *Stack) sendMails(topic awssns.Topic) {
	topic.AddSubscription(awssnssubscriptions.NewEmailSubscription(jsii.String(s.props.Settings.AlertAddress), nil))
}

// createAlarmsTopic creates the second way to a person. The topic has no customer key, so
// a deleted key or a changed key policy can't stop the mail about missing mails. The
// messages have names of alarms and no data.
func (s *Stack) createAlarmsTopic() {
	s.alarms = awssns.NewTopic(s.Stack, jsii.String("AlarmsTopic"), &awssns.TopicProps{EnforceSSL: jsii.Bool(true)})
	s.sendMails(s.alarms)
	s.allowPublish(s.alarms, "cloudwatch.amazonaws.com", s.arn("cloudwatch", "alarm:*"))
}

func servicePrincipal(service string) *[]awsiam.IPrincipal {
	return &[]awsiam.IPrincipal{awsiam.NewServicePrincipal(jsii.String(service), nil)}
}

func (s *Stack) createTopic(name string) awssns.Topic {
	return awssns.NewTopic(s.Stack, jsii.String(name+"Topic"), &awssns.TopicProps{
		MasterKey:  s.topicKey,
		EnforceSSL: jsii.Bool(true),
	})
}

// allowPublish lets a service publish for one of this account's resources.
func (s *Stack) allowPublish(topic awssns.Topic, service, sourceARN string) {
	topic.AddToResourcePolicy(awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{
		Principals: servicePrincipal(service),
		Actions:    jsii.Strings("sns:Publish"),
		Resources:  &[]*string{topic.TopicArn()},
		Conditions: s.sameAccount(sourceARN),
	}))
}

// allowTopicKey lets a service use the topics' key for one of this account's resources.
func (s *Stack) allowTopicKey(service, sourceARN string) {
	s.topicKey.AddToResourcePolicy(awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{
		Principals: servicePrincipal(service),
		Actions:    jsii.Strings("kms:Decrypt", "kms:GenerateDataKey"),
		Resources:  jsii.Strings("*"),
		Conditions: s.sameAccount(sourceARN),
	}), nil)
}

// arn returns an ARN in this account and region.
func (s *Stack) arn(service, resource string) string {
	return "arn:" + *s.Stack.Partition() + ":" + service + ":" + *s.Stack.Region() + ":" + *s.Stack.Account() + ":" + resource
}
