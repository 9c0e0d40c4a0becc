package stack

import (
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/jsii-runtime-go"
)

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
	s.storageRole = s.createRole("StorageRole", physical("storage"), "firn: Snowflake reads curated files",
		trusted, []string{s.props.Settings.SnowflakeExternalID}, append(grants, s.decrypt()...))
}
