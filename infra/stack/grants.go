package stack

import (
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awskms"
	"github.com/aws/aws-cdk-go/awscdk/v2/awss3"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssns"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssqs"
	"github.com/aws/jsii-runtime-go"
)

// PolicyName is the name of the one inline policy of each role. Its statements
// have ids, so that a test can take one away and see the path break.
const PolicyName = "grants"

// grant is one statement of a role's policy.
type grant struct {
	sid       string
	actions   []string
	resources []*string
	// condition is nil for a grant that always holds.
	condition *map[string]any
}

// createRole makes a role that has exactly these grants. An empty name lets
// CloudFormation choose one.
func (s *Stack) createRole(id, name, description string, assumedBy awsiam.IPrincipal, externalIDs []string, grants []grant) awsiam.Role {
	var statements []awsiam.PolicyStatement
	for _, g := range grants {
		statements = append(statements, awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{
			Sid: jsii.String(g.sid), Actions: jsii.Strings(g.actions...), Resources: &g.resources, Conditions: g.condition,
		}))
	}
	props := &awsiam.RoleProps{
		AssumedBy:   assumedBy,
		Description: jsii.String(description),
		InlinePolicies: &map[string]awsiam.PolicyDocument{
			PolicyName: awsiam.NewPolicyDocument(&awsiam.PolicyDocumentProps{
				Statements: &statements, Minimize: jsii.Bool(false),
			}),
		},
	}
	if name != "" {
		props.RoleName = jsii.String(name)
	}
	if len(externalIDs) > 0 {
		props.ExternalIds = jsii.Strings(externalIDs...)
	}
	return awsiam.NewRole(s.Stack, jsii.String(id), props)
}

// consume lets a function read its queues, put off a message, and bury one.
func (s *Stack) consume(names ...string) []grant {
	queues := make([]awssqs.Queue, len(names))
	for i, name := range names {
		queues[i] = s.queues[name].Queue
	}
	return []grant{receive(queues...), s.sendDeadLetters(names...)}
}

// receive lets a function read queues, and put off a message.
func receive(queues ...awssqs.Queue) grant {
	g := grant{sid: "Consume", actions: []string{
		"sqs:ChangeMessageVisibility", "sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage",
	}}
	for _, q := range queues {
		g.resources = append(g.resources, q.QueueArn())
	}
	return g
}

// sendDeadLetters lets a role put messages into the dead-letter queues of these queues.
func (s *Stack) sendDeadLetters(names ...string) grant {
	g := grant{sid: "Bury", actions: []string{"sqs:SendMessage"}}
	for _, name := range names {
		g.resources = append(g.resources, s.queues[name].deadLetters.QueueArn())
	}
	return g
}

// send lets a function put messages in queues. SendMessageBatch has no action
// of its own.
func (s *Stack) send(names ...string) grant {
	g := grant{sid: "Send", actions: []string{"sqs:SendMessage"}}
	for _, name := range names {
		g.resources = append(g.resources, s.queues[name].QueueArn())
	}
	return g
}

// changeJournal lets a function read and change objects' entries.
func (s *Stack) changeJournal() grant { return s.useJournal("dynamodb:GetItem", "dynamodb:UpdateItem") }

// changeCheckpoints lets a function read and replace its checkpoints.
func (s *Stack) changeCheckpoints() grant {
	return s.useJournal("dynamodb:GetItem", "dynamodb:PutItem")
}

func (s *Stack) useJournal(actions ...string) grant {
	return grant{sid: "Journal", actions: actions, resources: []*string{s.journal.TableArn()}}
}

// searchJournal lets a function query an index.
func (s *Stack) searchJournal(index string) grant {
	return grant{
		sid:       "JournalIndex",
		actions:   []string{"dynamodb:Query"},
		resources: []*string{jsii.String(*s.journal.TableArn() + "/index/" + index)},
	}
}

// read lets a role get objects of a bucket whose keys match a pattern, by
// s3:GetObject the newest version, by s3:GetObjectVersion the one it names.
// Without ListBucket a missing object would look like a missing grant, 403 and
// not 404 (AmazonS3 API reference, GetObject), and be tried again for ever.
func (s *Stack) read(sid, action string, bucket awss3.Bucket, patterns ...string) []grant {
	return []grant{
		{sid: sid, actions: []string{action}, resources: objects(bucket, patterns...)},
		{sid: sid + "Missing", actions: []string{"s3:ListBucket"}, resources: []*string{bucket.BucketArn()}},
	}
}

func objects(bucket awss3.Bucket, patterns ...string) []*string {
	var all []*string
	for _, pattern := range patterns {
		all = append(all, bucket.ArnForObjects(jsii.String(pattern)))
	}
	return all
}

// listVersions lets a function see the order of a key's versions. The action
// is the bucket's.
func (s *Stack) listVersions(sid string, bucket awss3.Bucket) grant {
	return grant{sid: sid, actions: []string{"s3:ListBucketVersions"}, resources: []*string{bucket.BucketArn()}}
}

// write lets a function put objects, in parts too; to drop the parts of a
// file that it gives up it needs s3:AbortMultipartUpload more.
func (s *Stack) write(sid string, bucket awss3.Bucket, more ...string) grant {
	return grant{
		sid:       sid,
		actions:   append([]string{"s3:PutObject"}, more...),
		resources: []*string{bucket.ArnForObjects(jsii.String("*"))},
	}
}

// decrypt lets a function read what the data key encrypts. No grant if the
// buckets have no key of ours.
func (s *Stack) decrypt() []grant { return s.useDataKey("kms:Decrypt") }

// encrypt lets a function write under the data key. UploadPart needs Decrypt
// too (AmazonS3 user guide, mpuoverview).
func (s *Stack) encrypt() []grant { return s.useDataKey("kms:Decrypt", "kms:GenerateDataKey") }

func (s *Stack) useDataKey(actions ...string) []grant {
	if s.dataKey == nil {
		return nil
	}
	return []grant{useKey("DataKey", s.dataKey, actions...)}
}

// publish lets a function publish on a topic under the topics' key.
func (s *Stack) publish(topic awssns.Topic) []grant {
	return []grant{
		{sid: "Publish", actions: []string{"sns:Publish"}, resources: []*string{topic.TopicArn()}},
		useKey("TopicKey", s.topicKey, "kms:Decrypt", "kms:GenerateDataKey"),
	}
}

func useKey(sid string, key awskms.Key, actions ...string) grant {
	return grant{sid: sid, actions: actions, resources: []*string{key.KeyArn()}}
}

// joinGrants joins grants and lists of grants.
func joinGrants(lists ...[]grant) []grant {
	var all []grant
	for _, list := range lists {
		all = append(all, list...)
	}
	return all
}
