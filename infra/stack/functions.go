package stack

import (
	"strconv"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssqs"
	"github.com/aws/jsii-runtime-go"
)

// What the function load is in Snowflake: the names in snowflake/'s DDL.
const (
	snowflakeWarehouse = "FIRN_LOAD"
	snowflakeRole      = "FIRN_LOADER"
)

// createIngest makes the function that pages through an API and writes what it
// gets to the landing bucket.
func (s *Stack) createIngest() {
	s.createFunction(ingest, functionProps{
		purpose: "fetches records from APIs to the landing bucket",
		environment: map[string]*string{
			"FIRN_LANDING_BUCKET":  s.landing.BucketName(),
			"FIRN_QUEUE_URL":       s.queues[ingest].QueueUrl(),
			"FIRN_DEAD_LETTER_URL": s.queues[ingest].deadLetters.QueueUrl(),
		},
		grants: joinGrants(
			s.consume(ingest),
			[]grant{s.send(ingest), s.changeCheckpoints(), s.write("WriteLanding", s.landing)},
			s.encrypt(),
		),
		sources:   sourcesOf(s.queues[ingest].Queue),
		continues: true,
	})
}

// createRoute makes the function that decides what an event means, and whose
// sweep finds what no event announced. It reads receipts, and no landing object.
func (s *Stack) createRoute() {
	s.createFunction(route, functionProps{
		purpose: "turns S3 events into work",
		environment: map[string]*string{
			"FIRN_LANDING_BUCKET":           s.landing.BucketName(),
			"FIRN_CURATED_BUCKET":           s.curated.BucketName(),
			"FIRN_QUEUE_URL":                s.queues[route].QueueUrl(),
			"FIRN_DEAD_LETTER_URL":          s.queues[route].deadLetters.QueueUrl(),
			"FIRN_RECEIPTS_QUEUE_URL":       s.queues[receipts].QueueUrl(),
			"FIRN_RECEIPTS_DEAD_LETTER_URL": s.queues[receipts].deadLetters.QueueUrl(),
			"FIRN_TRANSFORM_QUEUE_URL":      s.queues[transform].QueueUrl(),
			"FIRN_LOAD_QUEUE_URL":           s.queues[load].QueueUrl(),
		},
		grants: joinGrants(
			s.consume(route, receipts),
			[]grant{s.send(route, transform, load), s.changeJournal(), s.searchJournal(indexStuck)},
			s.read("ReadReceipts", "s3:GetObject", s.curated, "*/"+receiptSuffix),
			[]grant{s.listVersions("LandingVersions", s.landing)},
			s.decrypt(),
		),
		sources: sourcesOf(s.queues[route].Queue, s.queues[receipts].Queue),
		// A sweep of many versions; each message of its chain gets further.
		continues: true,
	})
}

// createTransform makes the function that turns an object into typed Parquet,
// rejects and a receipt, or starts a Glue run that does.
func (s *Stack) createTransform() {
	s.createFunction(transform, functionProps{
		purpose: "turns landing objects into Parquet, rejects and a receipt",
		environment: map[string]*string{
			"FIRN_CURATED_BUCKET":       s.curated.BucketName(),
			"FIRN_QUEUE_URL":            s.queues[transform].QueueUrl(),
			"FIRN_DEAD_LETTER_URL":      s.queues[transform].deadLetters.QueueUrl(),
			"FIRN_GLUE_JOB":             jsii.String(glueJob),
			"FIRN_GLUE_QUEUE_URL":       s.queues[glue].QueueUrl(),
			"FIRN_GLUE_DEAD_LETTER_URL": s.queues[glue].deadLetters.QueueUrl(),
			// A third less memory for 1 % of the time (bench/README.md), and no
			// death where unique columns need most of what the function has.
			"GOGC":       jsii.String("50"),
			"GOMEMLIMIT": jsii.String("1600MiB"),
		},
		grants: joinGrants(
			s.consume(transform, glue),
			[]grant{s.send(glue), s.changeJournal(), s.searchJournal(indexStuck), s.grantStartRuns()},
			s.read("ReadLanding", "s3:GetObjectVersion", s.landing, "*"),
			[]grant{{sid: "SeeNewest", actions: []string{"s3:GetObject"}, resources: objects(s.landing, "*")}},
			s.read("ReadCurated", "s3:GetObject", s.curated, manifestPrefix+"*", "*/"+receiptSuffix),
			[]grant{s.write("WriteCurated", s.curated, "s3:AbortMultipartUpload")},
			s.encrypt(),
		),
		sources: append(sourcesOf(s.queues[transform].Queue), collectedSource(s.queues[glue].Queue, glueBatch, s.props.Settings.Glue.Window)),
	})
}

// createLoad makes the function that loads receipts to Snowflake. Its role's
// name is fixed: the Snowflake user is bound to the role by its ARN.
func (s *Stack) createLoad() {
	environment := map[string]*string{
		"FIRN_CURATED_BUCKET":      s.curated.BucketName(),
		"FIRN_QUEUE_URL":           s.queues[load].QueueUrl(),
		"FIRN_DEAD_LETTER_URL":     s.queues[load].deadLetters.QueueUrl(),
		"FIRN_LOADED_TOPIC_ARN":    s.loaded.TopicArn(),
		"FIRN_SNOWFLAKE_ACCOUNT":   jsii.String(s.props.Settings.SnowflakeAccount),
		"FIRN_SNOWFLAKE_DATABASE":  jsii.String(s.props.Settings.SnowflakeDatabase),
		"FIRN_SNOWFLAKE_WAREHOUSE": jsii.String(snowflakeWarehouse),
		"FIRN_SNOWFLAKE_ROLE":      jsii.String(snowflakeRole),
		"FIRN_SNOWFLAKE_OCSP":      jsii.String(strconv.FormatBool(s.props.Settings.SnowflakeOCSP)),
		// The driver keeps what it asked for; /tmp is all that a function may write.
		"SF_OCSP_RESPONSE_CACHE_DIR": jsii.String("/tmp"),
		// The driver would ask for the platform it runs on at each start.
		"SNOWFLAKE_DISABLE_PLATFORM_DETECTION": jsii.String("true"),
	}
	if s.loginSecret != nil {
		environment["FIRN_SNOWFLAKE_SECRET_ARN"] = s.loginSecret.Ref()
	}
	s.createFunction(load, functionProps{
		purpose:     "loads curated files to Snowflake",
		environment: environment,
		grants: joinGrants(
			s.consume(load),
			[]grant{s.changeJournal(), s.searchJournal(indexWork)},
			s.read("ReadReceipts", "s3:GetObject", s.curated, "*/"+receiptSuffix),
			[]grant{s.listVersions("LandingVersions", s.landing)},
			s.decrypt(),
			s.publish(s.loaded),
			s.readLogin(),
		),
		sources:  sourcesOf(s.queues[load].Queue),
		roleName: physicalName(load),
	})
}

// createAlert makes the function that tells people what failed and what is away.
// What it can't announce stays in the dead-letter queue.
func (s *Stack) createAlert() {
	consumed := []awssqs.Queue{s.queues[alert].Queue}
	var urls []*string
	for _, name := range queueNames {
		consumed = append(consumed, s.queues[name].deadLetters)
		urls = append(urls, s.queues[name].deadLetters.QueueUrl())
	}
	s.createFunction(alert, functionProps{
		purpose: "tells people what failed or is away, and what to do",
		environment: map[string]*string{
			"FIRN_ALERTS_TOPIC_ARN": s.alerts.TopicArn(),
			"FIRN_QUEUE_URL":        s.queues[alert].QueueUrl(),
			"FIRN_DEAD_LETTER_URL":  s.queues[alert].deadLetters.QueueUrl(),
			"FIRN_DEAD_LETTER_URLS": awscdk.Fn_Join(jsii.String(","), &urls),
		},
		grants: joinGrants(
			[]grant{receive(consumed...), s.sendDeadLetters(alert), s.changeJournal(), s.searchJournal(indexWork)},
			s.publish(s.alerts),
		),
		sources: sourcesOf(consumed...),
	})
}
