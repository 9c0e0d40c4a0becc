package stack

import (
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awss3"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssnssubscriptions"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"
)

// The events of a bucket. objectRemoved has deletions by a request, also those that only
// add a delete marker. It has no deletions by a lifecycle rule (AmazonS3 userguide,
// notification-how-to-event-types-and-destinations).
const (
	objectCreated = "s3:ObjectCreated:*"
	objectRemoved = "s3:ObjectRemoved:*"
)

// notification is a bucket's notification configuration, a property of the bucket. The
// CDK's AddEventNotification isn't used, because it would add a Lambda function.
type notification struct {
	configuration *awss3.CfnBucket_NotificationConfigurationProperty
	// dependencies must exist before the bucket exists.
	dependencies []constructs.IDependable
}

// notifyQueue sends a bucket's events of some types to a queue. With the setting FanOut a topic is
// between bucket and queue, so that other systems can subscribe.
func (s *Stack) notifyQueue(id, bucketARN string, listener queue, filter *awss3.CfnBucket_NotificationFilterProperty, events []string) notification {
	if s.props.Settings.FanOut {
		return s.notifyQueueByTopic(id, bucketARN, listener, filter, events)
	}
	listener.AddToResourcePolicy(awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{
		Principals: &[]awsiam.IPrincipal{awsiam.NewServicePrincipal(jsii.String("s3.amazonaws.com"), nil)},
		Actions:    jsii.Strings("sqs:SendMessage"),
		Resources:  &[]*string{listener.QueueArn()},
		Conditions: s.sameAccount(bucketARN),
	}))
	var configurations []any
	for _, event := range events {
		configuration := &awss3.CfnBucket_QueueConfigurationProperty{Event: jsii.String(event), Queue: listener.QueueArn()}
		if filter != nil {
			configuration.Filter = filter
		}
		configurations = append(configurations, configuration)
	}
	return notification{
		configuration: &awss3.CfnBucket_NotificationConfigurationProperty{QueueConfigurations: &configurations},
		dependencies:  []constructs.IDependable{listener.Node().FindChild(jsii.String("Policy"))},
	}
}

// notifyQueueByTopic adds a topic between bucket and queue. By raw delivery the queue
// receives the same message as without a topic.
func (s *Stack) notifyQueueByTopic(id, bucketARN string, listener queue, filter *awss3.CfnBucket_NotificationFilterProperty, events []string) notification {
	topic := s.createTopic(id + "Events")
	s.allowPublish(topic, "s3.amazonaws.com", bucketARN)
	s.allowTopicKey("s3.amazonaws.com", bucketARN)
	topic.AddSubscription(awssnssubscriptions.NewSqsSubscription(listener.Queue, &awssnssubscriptions.SqsSubscriptionProps{
		RawMessageDelivery: jsii.Bool(true),
		DeadLetterQueue:    listener.deadLetters,
	}))
	var configurations []any
	for _, event := range events {
		configuration := &awss3.CfnBucket_TopicConfigurationProperty{Event: jsii.String(event), Topic: topic.TopicArn()}
		if filter != nil {
			configuration.Filter = filter
		}
		configurations = append(configurations, configuration)
	}
	return notification{
		configuration: &awss3.CfnBucket_NotificationConfigurationProperty{TopicConfigurations: &configurations},
		dependencies:  []constructs.IDependable{topic.Node().FindChild(jsii.String("Policy")), s.topicKey},
	}
}
