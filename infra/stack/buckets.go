package stack

import (
	"strings"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awss3"
	"github.com/aws/jsii-runtime-go"
)

const (
	// receiptSuffix ends the key of a receipt, the one curated object that is
	// news.
	receiptSuffix = "receipt.json"
	// manifestPrefix begins the keys of what a Glue run is told to do, and of the
	// copies of overwritten objects that it reads.
	manifestPrefix = "_glue/"
	// manifestDays is for how long they are kept after the run.
	manifestDays = 30
)

// createLanding makes the bucket that files are dropped in. Every new object
// is announced to route.
func (s *Stack) createLanding() {
	s.landing = s.createBucket("Landing", s.queues[route], nil)
}

// createCurated makes the bucket for what the transform writes. A receipt is
// written last, and is all that route hears of.
func (s *Stack) createCurated() {
	s.curated = s.createBucket("Curated", s.queues[receipts], &awss3.CfnBucket_NotificationFilterProperty{
		S3Key: &awss3.CfnBucket_S3KeyFilterProperty{Rules: &[]any{
			&awss3.CfnBucket_FilterRuleProperty{Name: jsii.String("suffix"), Value: jsii.String(receiptSuffix)},
		}},
	})
	s.curated.AddLifecycleRule(&awss3.LifecycleRule{
		Id:         jsii.String("manifests"),
		Prefix:     jsii.String(manifestPrefix),
		Expiration: awscdk.Duration_Days(jsii.Number(manifestDays)),
	})
}

// createBucket makes a bucket that announces new objects to a queue. S3 sends
// a test message when the bucket is made, so everything that lets the message
// through must stand before it; what lets it through names the bucket. Hence
// the name is written down, not asked for: a reference would be a circle.
func (s *Stack) createBucket(id string, listener queue, filter *awss3.CfnBucket_NotificationFilterProperty) awss3.Bucket {
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
	announcement := s.notifyQueue(id, "arn:"+*s.Stack.Partition()+":s3:::"+name, listener, filter)
	bucket := awss3.NewBucket(s.Stack, jsii.String(id), props)
	bucket.Node().DefaultChild().(awss3.CfnBucket).SetNotificationConfiguration(announcement.configuration)
	bucket.Node().AddDependency(announcement.dependencies...)
	return bucket
}
