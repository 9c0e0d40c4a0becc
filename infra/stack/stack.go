// Package stack is firn's CloudFormation stack on AWS. Each part of the architecture
// picture has a create method.
package stack

import (
	"cmp"
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

// Name is the stack's name. In lower case, the name begins the names of the buckets and
// of the roles that Snowflake must know.
const Name = "Firn"

// Props holds the input of New.
type Props struct {
	Settings setting.Settings
	// Contracts are the contracts of the datasets.
	Contracts contract.Set
	// Functions is the folder with the content of the functions' zips, one folder for
	// each function. bundle.Build returns this folder.
	Functions string
	// GlueScript is the path of the script that a Glue run executes, glue/transform.py.
	// The script imports the package firn_glue from the same folder.
	GlueScript string
}

// Stack holds the resources that the create methods share.
type Stack struct {
	// Stack is the construct. The construct isn't embedded, because jsii would take the
	// struct for another construct.
	Stack awscdk.Stack
	props Props

	// dataKey encrypts the buckets. nil for Amazon S3's own key.
	dataKey          awskms.Key
	topicKey         awskms.Key
	landing, curated awss3.Bucket
	journal          awsdynamodb.Table
	// alerts, alarms and loaded are the topics, see createTopics.
	alerts, alarms, loaded awssns.Topic
	queues                 map[string]queue
	functions              map[string]function
	// loginSecret is nil for a login by role.
	loginSecret awssecretsmanager.CfnSecret
	storageRole awsiam.Role
	glueRole    awsiam.Role
}

// New creates the stack. Later resources may refer to earlier resources.
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

// environment returns the name of the deployment in mails and metrics.
func (s *Stack) environment() string { return cmp.Or(s.props.Settings.Environment, Name) }

// physicalName returns a name that is known before the resource exists. Snowflake needs
// such names. Policies need such names to avoid circular references.
func physicalName(name string) string { return strings.ToLower(Name) + "-" + name }

// logicalName writes a name in the form of a logical id: "route" as "Route".
func logicalName(name string) string { return strings.ToUpper(name[:1]) + name[1:] }

// removalPolicy returns the policy for data after the stack's deletion. With Retain, a
// resource stays after a deletion. But CloudFormation removes the resource if its first
// deployment fails, so that the name is free for the next deployment.
func (s *Stack) removalPolicy() awscdk.RemovalPolicy {
	if s.props.Settings.Retain {
		return awscdk.RemovalPolicy_RETAIN_ON_UPDATE_OR_DELETE
	}
	return awscdk.RemovalPolicy_DESTROY
}

// sameAccount is the condition for a service principal that acts for a resource of this
// account. Without the condition another account could use the service.
func (s *Stack) sameAccount(sourceARN string) *map[string]any {
	return &map[string]any{
		"StringEquals": map[string]any{"aws:SourceAccount": s.Stack.Account()},
		"ArnLike":      map[string]any{"aws:SourceArn": sourceARN},
	}
}
