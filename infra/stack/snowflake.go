package stack

import (
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssecretsmanager"
	"github.com/aws/jsii-runtime-go"

	"github.com/firn-data/firn/infra/setting"
)

// createLoginSecret creates an empty secret for the key pair of the load function, if
// the setting is a login by key pair. The command `firn keys rotate` writes the key
// pair. The CDK's higher-level construct isn't used: it would write a password into the
// secret and add a statement to the key's policy.
func (s *Stack) createLoginSecret() {
	if s.props.Settings.SnowflakeLogin != setting.KeyPair {
		return
	}
	props := &awssecretsmanager.CfnSecretProps{Description: jsii.String("firn load: key pair of its Snowflake user")}
	if s.dataKey != nil {
		props.KmsKeyId = s.dataKey.KeyArn()
	}
	s.loginSecret = awssecretsmanager.NewCfnSecret(s.Stack, jsii.String("LoginSecret"), props)
}

// readLogin lets the load function read its key pair. The result is empty for a login
// by role. The secret is encrypted by the buckets' key, which the function may already
// use.
func (s *Stack) readLogin() []grant {
	if s.loginSecret == nil {
		return nil
	}
	return []grant{{sid: "ReadLogin", actions: []string{"secretsmanager:GetSecretValue"}, resources: []*string{s.loginSecret.Ref()}}}
}

// createStorageRole creates the role by which Snowflake reads the curated bucket. The
// storage integration is created with the role's name and external id. The integration
// then names the IAM user that will assume the role. Until the setting has this user,
// the role trusts the stack's own account (Snowflake,
// user-guide/data-load-s3-config-storage-integration).
func (s *Stack) createStorageRole() {
	var trusted awsiam.IPrincipal = awsiam.NewAccountRootPrincipal()
	if user := s.props.Settings.SnowflakeUserARN; user != "" {
		trusted = awsiam.NewArnPrincipal(jsii.String(user))
	}
	grants := []grant{
		{sid: "Read", actions: []string{"s3:GetObject", "s3:GetObjectVersion"}, resources: []*string{s.curated.ArnForObjects(jsii.String("*"))}},
		{sid: "List", actions: []string{"s3:GetBucketLocation", "s3:ListBucket"}, resources: []*string{s.curated.BucketArn()}},
	}
	s.storageRole = s.createRole("StorageRole", physicalName("storage"), "firn: Snowflake reads curated files",
		trusted, []string{s.props.Settings.SnowflakeExternalID}, append(grants, s.decrypt()...))
}
