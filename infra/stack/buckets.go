package stack

import (
	"strings"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awss3"
	"github.com/aws/jsii-runtime-go"
)

const (
	// receiptSuffix ends the key of a receipt. Receipts are the only curated objects
	// with an event.
	receiptSuffix = "receipt.json"
	// manifestPrefix begins the keys of the manifests of Glue runs. It also begins the
	// keys of the copies of overwritten objects, which Glue runs read.
	manifestPrefix = "_glue/"
	// manifestDays is the age in days at which S3 deletes manifests and copies.
	manifestDays = 30
)

// createLanding creates the bucket for incoming files. Each new object sends an event
// to route. Deleted objects send an event only if a contract has firn.onDelete:
// withdraw: without one, route would drop every such event.
func (s *Stack) createLanding() {
	events := []string{objectCreated}
	if s.props.Contracts.WithdrawsOnDelete() {
		events = append(events, objectRemoved)
	}
	s.landing = s.createBucket("Landing", s.queues[route], nil, events...)
}

// createCurated creates the bucket for the output of the transform. Only receipts send
// an event to route. A transform writes the receipt last.
func (s *Stack) createCurated() {
	s.curated = s.createBucket("Curated", s.queues[receipts], &awss3.CfnBucket_NotificationFilterProperty{
		S3Key: &awss3.CfnBucket_S3KeyFilterProperty{Rules: &[]any{
			&awss3.CfnBucket_FilterRuleProperty{Name: jsii.String("suffix"), Value: jsii.String(receiptSuffix)},
		}},
	}, objectCreated)
	s.curated.AddLifecycleRule(&awss3.LifecycleRule{
		Id:         jsii.String("manifests"),
		Prefix:     jsii.String(manifestPrefix),
		Expiration: awscdk.Duration_Days(jsii.Number(manifestDays)),
	})
}

// createBucket creates a bucket that sends its events of some types to a queue. S3
// sends a test message when the bucket is created. So the policies for the message must
// exist before the bucket, and these policies contain the bucket's name. A reference to
// the bucket would be a circle, so the name is composed in advance.
func (s *Stack) createBucket(id string, listener queue, filter *awss3.CfnBucket_NotificationFilterProperty, eventTypes ...string) awss3.Bucket {
	name := physicalName(strings.ToLower(id)) + "-" + *s.Stack.Account() + "-" + *s.Stack.Region()
	props := &awss3.BucketProps{
		BucketName:        jsii.String(name),
		Encryption:        awss3.BucketEncryption_S3_MANAGED,
		EnforceSSL:        jsii.Bool(true),
		BlockPublicAccess: awss3.BlockPublicAccess_BLOCK_ALL(),
		Versioned:         jsii.Bool(true),
		RemovalPolicy:     s.removalPolicy(),
		LifecycleRules: &[]*awss3.LifecycleRule{{
			Id:                                  jsii.String("tidy"),
			AbortIncompleteMultipartUploadAfter: awscdk.Duration_Days(jsii.Number(7)),
			NoncurrentVersionExpiration:         awscdk.Duration_Days(jsii.Number(30)),
			ExpiredObjectDeleteMarker:           jsii.Bool(true),
		}},
	}
	if s.dataKey != nil {
		props.Encryption = awss3.BucketEncryption_KMS
		props.EncryptionKey = s.dataKey
		props.BucketKeyEnabled = jsii.Bool(true)
	}
	events := s.notifyQueue(id, "arn:"+*s.Stack.Partition()+":s3:::"+name, listener, filter, eventTypes)
	bucket := awss3.NewBucket(s.Stack, jsii.String(id), props)
	bucket.Node().DefaultChild().(awss3.CfnBucket).SetNotificationConfiguration(events.configuration)
	bucket.Node().AddDependency(events.dependencies...)
	return bucket
}
