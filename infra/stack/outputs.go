package stack

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/jsii-runtime-go"
)

// createOutputs creates the outputs that the command firn and Snowflake's DDL need.
func (s *Stack) createOutputs() {
	s.output("LandingBucket", s.landing.BucketName())
	s.output("CuratedBucket", s.curated.BucketName())
	s.output("JournalTable", s.journal.TableName())
	for _, name := range queueNames {
		s.output(logicalName(name)+"QueueUrl", s.queues[name].QueueUrl())
		s.output(logicalName(name)+"DeadLetterUrl", s.queues[name].deadLetters.QueueUrl())
	}
	s.output("AlertsTopicArn", s.alerts.TopicArn())
	s.output("LoadedTopicArn", s.loaded.TopicArn())
	s.output("TopicKeyArn", s.topicKey.KeyArn())
	for _, name := range functionNames {
		f := s.functions[name]
		s.output(logicalName(name)+"FunctionName", f.FunctionName())
		s.output(logicalName(name)+"RoleName", f.role.RoleName())
		s.output(logicalName(name)+"LogGroup", f.logs.LogGroupName())
	}
	s.output("GlueJobName", jsii.String(glueJob))
	s.output("GlueRoleName", s.glueRole.RoleName())
	s.output("LoadRoleArn", s.functions[load].role.RoleArn())
	if s.loginSecret != nil {
		s.output("LoginSecretArn", s.loginSecret.Ref())
	}
	s.output("StorageRoleArn", s.storageRole.RoleArn())
	s.output("StorageExternalId", jsii.String(s.props.Settings.SnowflakeExternalID))
}

func (s *Stack) output(name string, value *string) {
	awscdk.NewCfnOutput(s.Stack, jsii.String(name), &awscdk.CfnOutputProps{Value: value})
}
