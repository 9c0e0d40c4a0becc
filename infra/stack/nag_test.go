//go:build cdk

package stack_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/assertions"
	"github.com/aws/aws-cdk-go/awscdk/v2/cxapi"
	"github.com/aws/jsii-runtime-go"
	"github.com/cdklabs/cdk-nag-go/cdknag/v2"

	"github.com/firn-data/firn/infra/setting"
	"github.com/firn-data/firn/infra/stack"
)

// acceptedFindings lists the accepted findings of cdk-nag's AwsSolutions rules, by the
// path of the construct.
var acceptedFindings = []struct{ path, rule, reason string }{
	{"Landing", "AwsSolutions-S1", "Access logs are the account's choice (CloudTrail data events). The journal has an entry for each version."},
	{"Curated", "AwsSolutions-S1", "Access logs are the account's choice (CloudTrail data events). Only roles of this stack read and write the bucket."},
	{"IngestRole", "AwsSolutions-IAM5", "Ingest writes the objects of every dataset to landing. The key depends on the run."},
	{"RouteRole", "AwsSolutions-IAM5", "Route reads the receipt of every object. The pattern excludes the data."},
	{"TransformRole", "AwsSolutions-IAM5", "Transform reads every landing object and writes below a prefix with the object's id."},
	{"GlueRole", "AwsSolutions-IAM5", "A run reads every landing object and writes below the datasets' prefixes. Only a namespace limits a grant on metrics."},
	{"LoadRole", "AwsSolutions-IAM5", "Load reads the receipt of every object. The pattern excludes the data."},
	{"GlueJob", "AwsSolutions-GL1", "The log holds counts and keys, but no rows. CloudWatch Logs encrypts the log with its own key."},
	{"GlueJob", "AwsSolutions-GL3", "The job has no bookmarks: the journal knows which objects are done."},
	{"LoginSecret", "AwsSolutions-SMG4", "`firn keys rotate` rotates the secret together with Snowflake's user. Secrets Manager can't change the user."},
	{"StorageRole", "AwsSolutions-IAM5", "Snowflake reads the files of every object in the curated bucket, but no other bucket."},
}

func TestNagFindingsAreAccepted(t *testing.T) {
	app := newApp(t, t.TempDir())
	app.Node().SetContext(jsii.String("@aws-cdk/core:annotationsInValidationReport"), false)
	p := props(t)
	p.Settings.SnowflakeLogin = setting.KeyPair // the setting with the most resources
	firn := stack.New(app, p)
	for _, a := range acceptedFindings {
		path := fmt.Sprintf("/%s/%s/Resource", stack.Name, a.path)
		if a.path == "GlueJob" || a.path == "LoginSecret" { // resources without a higher-level construct
			path = strings.TrimSuffix(path, "/Resource")
		}
		cdknag.NagSuppressions_AddResourceSuppressionsByPath(firn.Stack, path,
			&[]*cdknag.NagPackSuppression{{Id: jsii.String(a.rule), Reason: jsii.String(a.reason)}}, jsii.Bool(false))
	}
	awscdk.Aspects_Of(app).Add(cdknag.NewAwsSolutionsChecks(&cdknag.NagPackProps{Reports: jsii.Bool(false)}), nil)
	app.Synth(nil)
	found := assertions.Annotations_FromStack(firn.Stack)
	anything := assertions.Match_AnyValue()
	for _, messages := range []*[]*cxapi.SynthesisMessage{
		found.FindError(jsii.String("*"), anything), found.FindWarning(jsii.String("*"), anything),
	} {
		for _, message := range *messages {
			t.Errorf("%s: %v", *message.Id, message.Entry.Data)
		}
	}
}
