package stack

import (
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssecretsmanager"
	"github.com/aws/jsii-runtime-go"

	"github.com/firn-data/firn/infra/setting"
)

// createLoginSecret makes the secret for the load function's key pair, if it
// logs in by one. It is empty: `firn keys rotate` fills it. The construct of a
// higher level would put a password into it, and a key into its policy.
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

// readLogin lets the load function read its key pair, if it logs in by one. The
// key of the secret is that of the buckets, which the function may use anyway.
func (s *Stack) readLogin() []grant {
	if s.loginSecret == nil {
		return nil
	}
	return []grant{{sid: "ReadLogin", actions: []string{"secretsmanager:GetSecretValue"}, resources: []*string{s.loginSecret.Ref()}}}
}

// createStorageRole makes the role by which Snowflake reads the curated bucket.
// The storage integration is made with the role's name and external id, and
// then tells which IAM user will assume it; until that is configured, the role
// trusts this account (Snowflake, user-guide/data-load-s3-config-storage-integration).
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
