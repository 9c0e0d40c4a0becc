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

// acceptedFindings are the findings of cdk-nag's AwsSolutions rules that stay, by the
// path of the construct.
var acceptedFindings = []struct{ path, rule, reason string }{
	{"Landing", "AwsSolutions-S1", "Access logs are the account's choice (CloudTrail data events); the journal tells who wrote which version."},
	{"Curated", "AwsSolutions-S1", "Access logs are the account's choice (CloudTrail data events); only roles of this stack read and write it."},
	{"IngestRole", "AwsSolutions-IAM5", "Ingest writes the objects of every dataset to landing, by keys that runs name."},
	{"RouteRole", "AwsSolutions-IAM5", "Route reads the receipt of every object; the pattern leaves out the data."},
	{"TransformRole", "AwsSolutions-IAM5", "Transform reads every landing object and writes under an id of each."},
	{"GlueRole", "AwsSolutions-IAM5", "A run reads every landing object and writes below the datasets' prefixes; metrics are told apart by namespace alone."},
	{"LoadRole", "AwsSolutions-IAM5", "Load reads the receipt of every object; the pattern leaves out the data."},
	{"GlueJob", "AwsSolutions-GL1", "The log holds counts and keys, no row, and CloudWatch Logs encrypts it by its own key."},
	{"GlueJob", "AwsSolutions-GL3", "The job has no bookmarks: the journal knows which objects are done."},
	{"LoginSecret", "AwsSolutions-SMG4", "`firn keys rotate` rotates it, with Snowflake's user; Secrets Manager alone can't."},
	{"StorageRole", "AwsSolutions-IAM5", "Snowflake reads the files of every object in the curated bucket, and in no other."},
}

func TestNagFindingsAreAccepted(t *testing.T) {
	app := newApp(t, t.TempDir())
	app.Node().SetContext(jsii.String("@aws-cdk/core:annotationsInValidationReport"), false)
	p := props(t)
	p.Settings.SnowflakeLogin = setting.KeyPair // the stack with the most in it
	made := stack.New(app, p)
	for _, a := range acceptedFindings {
		path := fmt.Sprintf("/%s/%s/Resource", stack.Name, a.path)
		if a.path == "GlueJob" || a.path == "LoginSecret" { // made without a construct of a higher level around it
			path = strings.TrimSuffix(path, "/Resource")
		}
		cdknag.NagSuppressions_AddResourceSuppressionsByPath(made.Stack, path,
			&[]*cdknag.NagPackSuppression{{Id: jsii.String(a.rule), Reason: jsii.String(a.reason)}}, jsii.Bool(false))
	}
	awscdk.Aspects_Of(app).Add(cdknag.NewAwsSolutionsChecks(&cdknag.NagPackProps{Reports: jsii.Bool(false)}), nil)
	app.Synth(nil)
	found := assertions.Annotations_FromStack(made.Stack)
	anything := assertions.Match_AnyValue()
	for _, messages := range []*[]*cxapi.SynthesisMessage{
		found.FindError(jsii.String("*"), anything), found.FindWarning(jsii.String("*"), anything),
	} {
		for _, message := range *messages {
			t.Errorf("%s: %v", *message.Id, message.Entry.Data)
		}
	}
}
