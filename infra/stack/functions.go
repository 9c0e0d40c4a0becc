package stack

import (
	"strconv"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssqs"
	"github.com/aws/jsii-runtime-go"

	"github.com/firn-data/firn/internal/object"
)

// Names in the DDL under snowflake/ that the function load uses.
const (
	snowflakeWarehouse = "FIRN_LOAD"
	snowflakeRole      = "FIRN_LOADER"
)

// createIngest creates the function that reads the pages of an API and writes records
// to the landing bucket.
func (s *Stack) createIngest() {
	s.createFunction(ingest, functionProps{
		purpose: "fetches records from APIs and writes them to the landing bucket",
		environment: map[string]*string{
			"FIRN_LANDING_BUCKET":  s.landing.BucketName(),
			"FIRN_QUEUE_URL":       s.queues[ingest].QueueUrl(),
			"FIRN_DEAD_LETTER_URL": s.queues[ingest].deadLetters.QueueUrl(),
		},
		grants: joinGrants(
			s.consume(ingest),
			[]grant{s.send(ingest), s.changeJournal(), s.write("WriteLanding", s.landing)},
			s.encrypt(),
		),
		sources:       sourcesOf(s.queues[ingest].Queue),
		sendsToItself: true,
	})
}

// createRoute creates the function that turns events into work. Route's sweep finds
// objects without an event, and ingestion runs that lost their message. Route reads
// receipts, but no landing object.
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
			"FIRN_INGEST_QUEUE_URL":         s.queues[ingest].QueueUrl(),
		},
		grants: joinGrants(
			s.consume(route, receipts),
			[]grant{s.send(route, transform, load, ingest), s.changeJournal(), s.searchJournal(indexStuck)},
			s.read("ReadReceipts", "s3:GetObject", s.curated, "*/"+receiptSuffix),
			[]grant{s.listVersions("LandingVersions", s.landing)},
			s.decrypt(),
		),
		sources: sourcesOf(s.queues[route].Queue, s.queues[receipts].Queue),
		// A sweep of many versions continues in a chain of messages, each at a later
		// page.
		sendsToItself: true,
	})
}

// createTransform creates the function that turns an object into typed Parquet, rejects
// and a receipt. For large objects the function starts a Glue run.
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
			// These settings save a third of the memory and cost 1 % of the time
			// (bench/README.md). They prevent an out-of-memory kill if unique columns
			// need most of the function's memory.
			"GOGC":       jsii.String("50"),
			"GOMEMLIMIT": jsii.String("1600MiB"),
		},
		grants: joinGrants(
			s.consume(transform, glue),
			[]grant{s.send(glue), s.changeJournal(), s.searchJournal(indexStuck), s.grantStartRuns()},
			s.read("ReadLanding", "s3:GetObjectVersion", s.landing, "*"),
			[]grant{
				{sid: "SeeNewest", actions: []string{"s3:GetObject"}, resources: objects(s.landing, "*")},
				{sid: "WriteMarker", actions: []string{"s3:PutObject"}, resources: objects(s.landing, object.MarkerKey)},
			},
			s.read("ReadCurated", "s3:GetObject", s.curated, manifestPrefix+"*", "*/"+receiptSuffix),
			[]grant{s.write("WriteCurated", s.curated, "s3:AbortMultipartUpload")},
			s.encrypt(),
		),
		sources: append(sourcesOf(s.queues[transform].Queue), collectedSource(s.queues[glue].Queue, glueBatch, s.props.Settings.Glue.Window)),
	})
}

// createLoad creates the function that loads receipts into Snowflake. The role has a
// fixed name, because the Snowflake user is bound to the role's ARN.
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
		// The driver caches OCSP responses. A function may write only to /tmp.
		"SF_OCSP_RESPONSE_CACHE_DIR": jsii.String("/tmp"),
		// Without this setting the driver detects its platform at each start, by
		// network requests.
		"SNOWFLAKE_DISABLE_PLATFORM_DETECTION": jsii.String("true"),
	}
	if s.loginSecret != nil {
		environment["FIRN_SNOWFLAKE_SECRET_ARN"] = s.loginSecret.Ref()
	}
	s.createFunction(load, functionProps{
		purpose:     "loads curated files into Snowflake",
		environment: environment,
		grants: joinGrants(
			s.consume(load),
			[]grant{s.changeJournal(), s.searchJournal(indexWork)},
			s.read("ReadReceipts", "s3:GetObject", s.curated, "*/"+receiptSuffix),
			[]grant{s.listVersions("LandingVersions", s.landing)},
			s.deleteCurated(),
			s.decrypt(),
			s.publish(s.loaded),
			s.readLogin(),
		),
		sources:  sourcesOf(s.queues[load].Queue),
		roleName: physicalName(load),
	})
}

// createAlert creates the function that sends mails about failures and outages, and that
// resumes ingestion runs after a wait. A dead letter without a mail stays in the
// dead-letter queue.
func (s *Stack) createAlert() {
	consumed := []awssqs.Queue{s.queues[alert].Queue}
	var urls, deadLetterURLs, workQueues []*string
	for _, name := range queueNames {
		consumed = append(consumed, s.queues[name].deadLetters)
		urls = append(urls, s.queues[name].QueueUrl())
		deadLetterURLs = append(deadLetterURLs, s.queues[name].deadLetters.QueueUrl())
		workQueues = append(workQueues, s.queues[name].QueueArn())
	}
	settings := s.props.Settings
	environment := map[string]*string{
		"FIRN_ALERTS_TOPIC_ARN": s.alerts.TopicArn(),
		"FIRN_QUEUE_URL":        s.queues[alert].QueueUrl(),
		"FIRN_DEAD_LETTER_URL":  s.queues[alert].deadLetters.QueueUrl(),
		"FIRN_DEAD_LETTER_URLS": awscdk.Fn_Join(jsii.String(","), &deadLetterURLs),
		"FIRN_QUEUE_URLS":       awscdk.Fn_Join(jsii.String(","), &urls),
		"FIRN_INGEST_QUEUE_URL": s.queues[ingest].QueueUrl(),
		"FIRN_MAILS_PER_HOUR":   jsii.String(strconv.Itoa(settings.MailsPerHour)),
	}
	if settings.RunbookURL != "" {
		environment["FIRN_RUNBOOK_URL"] = jsii.String(settings.RunbookURL)
	}
	if settings.WebhookSecretARN != "" {
		environment["FIRN_WEBHOOK_SECRET_ARN"] = jsii.String(settings.WebhookSecretARN)
	}
	s.createFunction(alert, functionProps{
		purpose:     "sends mails about failures and outages, and resumes ingestion runs after a wait",
		environment: environment,
		grants: joinGrants(
			[]grant{
				receive(consumed...), s.sendDeadLetters(alert), s.send(ingest), s.changeJournal(), s.searchJournal(indexWork, indexStuck),
				{sid: "Depth", actions: []string{"sqs:GetQueueAttributes"}, resources: workQueues},
			},
			s.publish(s.alerts),
			s.readWebhook(),
		),
		sources: sourcesOf(consumed...),
	})
}

// readWebhook lets alert read the secret of the webhook, and no other secret. No grants
// without the setting.
func (s *Stack) readWebhook() []grant {
	arn := s.props.Settings.WebhookSecretARN
	if arn == "" {
		return nil
	}
	return []grant{{sid: "ReadWebhook", actions: []string{"secretsmanager:GetSecretValue"}, resources: []*string{jsii.String(arn)}}}
}
