// Package stack is firn on AWS: one CloudFormation stack, with one create
// method for each box of the architecture picture.
package stack

import (
	"strings"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsdynamodb"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awskms"
	"github.com/aws/aws-cdk-go/awscdk/v2/awss3"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssecretsmanager"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssns"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"

	"github.com/firn-data/firn/infra/setting"
	"github.com/firn-data/firn/internal/contract"
)

// Name is the stack's name. In lower case it begins the names of the buckets
// and of the roles that Snowflake must know.
const Name = "Firn"

// Props is what the stack is made of.
type Props struct {
	Settings setting.Settings
	// Contracts are the datasets; those with a schedule are fetched by it.
	Contracts contract.Set
	// Functions is the folder with the content of each function's zip, in a
	// folder of the function's name: what bundle.Build returns.
	Functions string
	// GlueScript is the file that a Glue run executes, glue/transform.py. The
	// package firn_glue, which it imports, is beside it.
	GlueScript string
}

// Stack holds the boxes while they are wired to each other.
type Stack struct {
	// Stack is the construct. It isn't embedded: jsii takes a struct that embeds
	// a construct for another one.
	Stack awscdk.Stack
	props Props

	// dataKey encrypts the buckets; nil when Amazon S3's own key does.
	dataKey          awskms.Key
	topicKey         awskms.Key
	landing, curated awss3.Bucket
	journal          awsdynamodb.Table
	alerts, loaded   awssns.Topic
	queues           map[string]queue
	functions        map[string]function
	// loginSecret is nil when the load function logs in by its role.
	loginSecret awssecretsmanager.CfnSecret
	storageRole awsiam.Role
	glueRole    awsiam.Role
}

// New makes the stack. What is made later may refer to what is made earlier.
func New(scope constructs.Construct, props Props) *Stack {
	s := &Stack{
		Stack: awscdk.NewStack(scope, jsii.String(Name), &awscdk.StackProps{
			Description:        jsii.String("firn: files and API records to trusted Snowflake tables"),
			AnalyticsReporting: jsii.Bool(false),
		}),
		props:     props,
		queues:    map[string]queue{},
		functions: map[string]function{},
	}
	s.createKeys()
	s.createTopics()
	s.createQueues()
	s.createLanding()
	s.createCurated()
	s.createJournal()
	s.createIngest()
	s.createRoute()
	s.createTransform()
	s.createGlue()
	s.createLoginSecret()
	s.createLoad()
	s.createAlert()
	s.createStorageRole()
	s.createSchedules()
	s.createAlarms()
	s.createOutputs()
	return s
}

// physicalName returns a name that is known before the resource exists, and is the
// stack's own: Snowflake, and policies that would refer in a circle, need it.
func physicalName(name string) string { return strings.ToLower(Name) + "-" + name }

// logicalName writes a name as it begins a logical id: "route" as "Route".
func logicalName(name string) string { return strings.ToUpper(name[:1]) + name[1:] }

// removalPolicy says what becomes of data when the stack is deleted. A resource that
// is kept is still removed if its first deployment fails, so that the next one
// finds its name free.
func (s *Stack) removalPolicy() awscdk.RemovalPolicy {
	if s.props.Settings.Retain {
		return awscdk.RemovalPolicy_RETAIN_ON_UPDATE_OR_DELETE
	}
	return awscdk.RemovalPolicy_DESTROY
}

// sameAccount is the condition on a service principal that acts for a resource
// of this account: without it, another account could make the service act.
func (s *Stack) sameAccount(sourceARN string) *map[string]any {
	return &map[string]any{
		"StringEquals": map[string]any{"aws:SourceAccount": s.Stack.Account()},
		"ArnLike":      map[string]any{"aws:SourceArn": sourceARN},
	}
}
