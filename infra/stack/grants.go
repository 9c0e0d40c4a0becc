package stack

import (
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awskms"
	"github.com/aws/aws-cdk-go/awscdk/v2/awss3"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssns"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssqs"
	"github.com/aws/jsii-runtime-go"
)

// PolicyName is the name of each role's one inline policy. The policy's statements have
// ids, so that a test can remove one statement and check that the path fails.
const PolicyName = "grants"

// grant is one statement in a role's policy.
type grant struct {
	sid       string
	actions   []string
	resources []*string
	// condition limits the grant. nil for an unconditional grant.
	condition *map[string]any
}

// createRole creates a role with exactly these grants. If name is empty, CloudFormation
// chooses a name.
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

// consume lets a function read its queues, delay a message, and send a message to the
// dead-letter queues.
func (s *Stack) consume(names ...string) []grant {
	queues := make([]awssqs.Queue, len(names))
	for i, name := range names {
		queues[i] = s.queues[name].Queue
	}
	return []grant{receive(queues...), s.sendDeadLetters(names...)}
}

// receive lets a function read queues and delay a message.
func receive(queues ...awssqs.Queue) grant {
	g := grant{sid: "Consume", actions: []string{
		"sqs:ChangeMessageVisibility", "sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage",
	}}
	for _, q := range queues {
		g.resources = append(g.resources, q.QueueArn())
	}
	return g
}

// sendDeadLetters lets a role send messages to the dead-letter queues of these queues.
func (s *Stack) sendDeadLetters(names ...string) grant {
	g := grant{sid: "Bury", actions: []string{"sqs:SendMessage"}}
	for _, name := range names {
		g.resources = append(g.resources, s.queues[name].deadLetters.QueueArn())
	}
	return g
}

// send lets a function send messages to queues. SendMessage is also the IAM action for
// SendMessageBatch.
func (s *Stack) send(names ...string) grant {
	g := grant{sid: "Send", actions: []string{"sqs:SendMessage"}}
	for _, name := range names {
		g.resources = append(g.resources, s.queues[name].QueueArn())
	}
	return g
}

// changeJournal lets a function read and update the items of objects and runs.
func (s *Stack) changeJournal() grant { return s.useJournal("dynamodb:GetItem", "dynamodb:UpdateItem") }

func (s *Stack) useJournal(actions ...string) grant {
	return grant{sid: "Journal", actions: actions, resources: []*string{s.journal.TableArn()}}
}

// searchJournal lets a function query indexes of the journal.
func (s *Stack) searchJournal(indexes ...string) grant {
	g := grant{sid: "JournalIndex", actions: []string{"dynamodb:Query"}}
	for _, index := range indexes {
		g.resources = append(g.resources, jsii.String(*s.journal.TableArn()+"/index/"+index))
	}
	return g
}

// read lets a role get the objects of a bucket whose keys match a pattern. The action
// s3:GetObject reads the newest version, s3:GetObjectVersion a given version. Without
// ListBucket a missing object gives 403 instead of 404 (AmazonS3 API reference,
// GetObject). The function would take 403 for a missing grant and retry without end.
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

// listVersions lets a function list the versions of a key in order. The resource of the
// action is the bucket.
func (s *Stack) listVersions(sid string, bucket awss3.Bucket) grant {
	return grant{sid: sid, actions: []string{"s3:ListBucketVersions"}, resources: []*string{bucket.BucketArn()}}
}

// write lets a function put objects, also in parts. A function that aborts an upload in
// parts also needs s3:AbortMultipartUpload.
func (s *Stack) write(sid string, bucket awss3.Bucket, more ...string) grant {
	return grant{
		sid:       sid,
		actions:   append([]string{"s3:PutObject"}, more...),
		resources: []*string{bucket.ArnForObjects(jsii.String("*"))},
	}
}

// deleteCurated lets a function delete the curated files of withdrawn objects. No grants
// without a contract with firn.onDelete: withdraw. The bucket keeps the deleted files as
// old versions for a while.
func (s *Stack) deleteCurated() []grant {
	if !s.props.Contracts.WithdrawsOnDelete() {
		return nil
	}
	return []grant{{sid: "DeleteCurated", actions: []string{"s3:DeleteObject"}, resources: objects(s.curated, "*")}}
}

// decrypt lets a function read data under the data key. No grants if the buckets have
// Amazon S3's own key.
func (s *Stack) decrypt() []grant { return s.useDataKey("kms:Decrypt") }

// encrypt lets a function write data under the data key. UploadPart also needs Decrypt
// (AmazonS3 user guide, mpuoverview).
func (s *Stack) encrypt() []grant { return s.useDataKey("kms:Decrypt", "kms:GenerateDataKey") }

func (s *Stack) useDataKey(actions ...string) []grant {
	if s.dataKey == nil {
		return nil
	}
	return []grant{useKey("DataKey", s.dataKey, actions...)}
}

// publish lets a function publish to a topic under the topics' key.
func (s *Stack) publish(topic awssns.Topic) []grant {
	return []grant{
		{sid: "Publish", actions: []string{"sns:Publish"}, resources: []*string{topic.TopicArn()}},
		useKey("TopicKey", s.topicKey, "kms:Decrypt", "kms:GenerateDataKey"),
	}
}

func useKey(sid string, key awskms.Key, actions ...string) grant {
	return grant{sid: sid, actions: actions, resources: []*string{key.KeyArn()}}
}

// joinGrants joins lists of grants.
func joinGrants(lists ...[]grant) []grant {
	var all []grant
	for _, list := range lists {
		all = append(all, list...)
	}
	return all
}
