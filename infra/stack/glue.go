package stack

import (
	"path/filepath"
	"slices"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsevents"
	"github.com/aws/aws-cdk-go/awscdk/v2/awseventstargets"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsglue"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslogs"
	"github.com/aws/aws-cdk-go/awscdk/v2/awss3assets"
	"github.com/aws/jsii-runtime-go"

	"github.com/firn-data/firn/internal/work"
)

const (
	// glueVersion has Spark 3.5 and Python 3.11, and reads s3:// through S3A
	// (glue/latest/dg, migrating-version-51).
	glueVersion = "5.1"
	// glueBatch is the largest number of messages that transform receives from the glue
	// queue at once. For each dataset among the objects, transform starts one run.
	glueBatch = 100
	// glueLogs begins the names of the job's two log groups, error and output
	// (glue/latest/dg, monitor-continuous-logging).
	glueLogs = "/aws-glue/firn-transform"
	// glueModules is the Python package in the folder of the script.
	glueModules = "firn_glue"
)

// glueJob is the job's name. The name is fixed, because the function that starts runs
// is created before the job.
var glueJob = physicalName(transform)

// createGlue creates the job whose runs transform the objects that Lambda can't
// transform. The end of each run sends an event to the glue queue.
func (s *Stack) createGlue() {
	script := awss3assets.NewAsset(s.Stack, jsii.String("GlueScript"), &awss3assets.AssetProps{
		Path: jsii.String(s.props.GlueScript),
	})
	modules := s.packGlueModules()
	s.glueRole = s.createRole("GlueRole", "", "firn: Glue runs turn landing objects into Parquet, rejects and receipts",
		awsiam.NewServicePrincipal(jsii.String("glue.amazonaws.com"), nil), nil,
		joinGrants(s.logRuns(), s.readForRuns(script, modules), s.writeForRuns(), s.encrypt()))
	s.createJob(script, modules)
	s.createRunEndRule()
	s.scheduleRunCheck()
}

// packGlueModules zips the Python package that the script imports.
func (s *Stack) packGlueModules() awss3assets.Asset {
	return awss3assets.NewAsset(s.Stack, jsii.String("GlueModules"), &awss3assets.AssetProps{
		Path:       jsii.String(filepath.Dir(s.props.GlueScript)),
		Exclude:    jsii.Strings("/*", "!/"+glueModules, "__pycache__"),
		IgnoreMode: awscdk.IgnoreMode_GIT,
	})
}

// createJob creates the job. Glue doesn't repeat a failed run, because firn tries the
// run's objects again. Runs over the limit wait in Glue's queue, and Glue doesn't allow
// retries for queued jobs (glue/latest/dg, add-job).
func (s *Stack) createJob(script, modules awss3assets.Asset) {
	settings := s.props.Settings.Glue
	class := "STANDARD"
	if settings.Flex {
		class = "FLEX"
	}
	awsglue.NewCfnJob(s.Stack, jsii.String("GlueJob"), &awsglue.CfnJobProps{
		Name:        jsii.String(glueJob),
		Description: jsii.String("firn: turns landing objects into Parquet, rejects and receipts"),
		Role:        s.glueRole.RoleArn(),
		GlueVersion: jsii.String(glueVersion),
		Command: &awsglue.CfnJob_JobCommandProperty{
			Name:           jsii.String("glueetl"),
			PythonVersion:  jsii.String("3"),
			ScriptLocation: script.S3ObjectUrl(),
		},
		WorkerType:           jsii.String(settings.WorkerType),
		NumberOfWorkers:      jsii.Number(settings.Workers),
		Timeout:              jsii.Number(settings.Timeout.Minutes()),
		MaxRetries:           jsii.Number(0),
		ExecutionProperty:    &awsglue.CfnJob_ExecutionPropertyProperty{MaxConcurrentRuns: jsii.Number(settings.ConcurrentRuns)},
		ExecutionClass:       jsii.String(class),
		JobRunQueuingEnabled: jsii.Bool(true),
		DefaultArguments:     s.runArguments(modules),
	})
}

// runArguments returns Glue's own arguments (glue/latest/dg,
// aws-glue-programming-etl-glue-arguments). Without a region, S3A uses us-east-2
// (glue/latest/dg, migrating-version-51). Glue adds the zip of modules to the Python
// path of driver and executors.
func (s *Stack) runArguments(modules awss3assets.Asset) *map[string]*string {
	return &map[string]*string{
		"--extra-py-files":                   modules.S3ObjectUrl(),
		"--enable-metrics":                   jsii.String("true"),
		"--enable-observability-metrics":     jsii.String("true"),
		"--enable-continuous-cloudwatch-log": jsii.String("true"),
		"--custom-logGroup-prefix":           jsii.String(glueLogs),
		"--conf":                             jsii.String("spark.hadoop.fs.s3a.endpoint.region=" + *s.Stack.Region()),
	}
}

// createRunEndRule sends the end of each run to the glue queue. Glue sends events only
// for the end states of a run, and only by best effort (eventbridge/latest/ref,
// events-ref-glue). So transform also asks for the state of runs, see scheduleRunCheck.
func (s *Stack) createRunEndRule() {
	awsevents.NewRule(s.Stack, jsii.String("GlueRuns"), &awsevents.RuleProps{
		Description: jsii.String("firn: the end of a Glue run"),
		EventPattern: &awsevents.EventPattern{
			Source:     jsii.Strings("aws.glue"),
			DetailType: jsii.Strings("Glue Job State Change"),
			Detail: &map[string]any{
				"jobName": []string{glueJob},
				"state":   []string{"SUCCEEDED", "FAILED", "TIMEOUT", "STOPPED"},
			},
		},
		Targets: &[]awsevents.IRuleTarget{awseventstargets.NewSqsQueue(s.queues[glue].Queue, nil)},
	})
}

// scheduleRunCheck makes transform check every 10 minutes for runs that ended without
// an event.
func (s *Stack) scheduleRunCheck() {
	awsevents.NewRule(s.Stack, jsii.String("GlueCheck"), &awsevents.RuleProps{
		Description: jsii.String("firn: starts the check for Glue runs that ended without an event"),
		Schedule:    awsevents.Schedule_Rate(awscdk.Duration_Minutes(jsii.Number(10))),
		Targets: &[]awsevents.IRuleTarget{awseventstargets.NewSqsQueue(s.queues[glue].Queue, &awseventstargets.SqsQueueProps{
			Message: awsevents.RuleTargetInput_FromObject(work.CheckRuns()),
		})},
	})
}

// grantStartRuns lets a function start runs of the job and read their state.
func (s *Stack) grantStartRuns() grant {
	return grant{
		sid:       "Runs",
		actions:   []string{"glue:GetJobRun", "glue:GetJobRuns", "glue:StartJobRun"},
		resources: []*string{jsii.String(s.arn("glue", "job/"+glueJob))},
	}
}

// logRuns creates the job's log groups and lets a run write to the groups. A metric is
// no resource, so the grant for metrics is limited by a namespace
// (AmazonCloudWatch/latest/monitoring, iam-cw-condition-keys-namespace).
func (s *Stack) logRuns() []grant {
	log := grant{sid: "Log", actions: []string{"logs:CreateLogStream", "logs:PutLogEvents"}}
	for _, name := range []string{"error", "output"} {
		group := awslogs.NewLogGroup(s.Stack, jsii.String("Glue"+logicalName(name)+"Logs"), &awslogs.LogGroupProps{
			LogGroupName:  jsii.String(glueLogs + "/" + name),
			Retention:     awslogs.RetentionDays_ONE_MONTH,
			RemovalPolicy: awscdk.RemovalPolicy_DESTROY,
		})
		log.resources = append(log.resources, group.LogGroupArn())
	}
	return []grant{log, {
		sid: "Measure", actions: []string{"cloudwatch:PutMetricData"}, resources: []*string{jsii.String("*")},
		condition: &map[string]any{"StringEquals": map[string]any{"cloudwatch:namespace": "Glue"}},
	}}
}

// readForRuns lets a run read the code, the manifest and the objects in the manifest.
// Spark can't read a given version, only the newest version. The script checks before
// and after the read that the newest version is the version in the manifest.
func (s *Stack) readForRuns(code ...awss3assets.Asset) []grant {
	script := grant{sid: "ReadScript", actions: []string{"s3:GetObject"}}
	for _, asset := range code {
		script.resources = append(script.resources, asset.Bucket().ArnForObjects(asset.S3ObjectKey()))
	}
	return joinGrants(
		[]grant{script},
		s.read("ReadLanding", "s3:GetObject", s.landing, "*"),
		s.read("ReadCurated", "s3:GetObject", s.curated, append([]string{manifestPrefix + "*"}, s.datasetKeyPatterns(true)...)...),
	)
}

// writeForRuns lets a run write and delete below the datasets' prefixes. Spark's
// committer moves files, and S3A moves a file by a copy and a delete. Earlier versions
// stay in the bucket. No run may write another run's manifest.
func (s *Stack) writeForRuns() []grant {
	return []grant{{
		sid:       "WriteCurated",
		actions:   []string{"s3:PutObject", "s3:AbortMultipartUpload", "s3:DeleteObject"},
		resources: objects(s.curated, s.datasetKeyPatterns(false)...),
	}}
}

// datasetKeyPatterns returns the key patterns of the datasets in the curated bucket,
// one pattern for each source. With folder, the result also has the source's own key:
// S3A reads this key before it creates a folder below the source.
func (s *Stack) datasetKeyPatterns(folder bool) []string {
	var patterns []string
	for _, c := range s.props.Contracts {
		if folder {
			patterns = append(patterns, c.Source)
		}
		patterns = append(patterns, c.Source+"/*")
	}
	slices.Sort(patterns)
	return slices.Compact(patterns)
}
