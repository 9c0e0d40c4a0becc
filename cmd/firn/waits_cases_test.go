//go:build standin

package main_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/journal"
)

// causesOfWaits has a case for each cause of a wait.
var causesOfWaits = []waitCase{
	{code: fault.KeyRefused, cause: "the key of the bucket is disabled", provoke: func(t *testing.T, p *waitingPath) wait {
		disable, enable := p.encryptUnderKey(t)
		dataset := p.addDataset(t, "locked")
		o := p.upload(t, p.keyIn(t, dataset, "a.csv"), goodFile)
		disable()
		p.drain(t)
		return wait{dataset: dataset, object: o, end: enable}
	}},
	{code: fault.AccessDenied, cause: "the policy of the bucket denies each read", provoke: func(t *testing.T, p *waitingPath) wait {
		return p.refusedByAWS(t, "denied", refuseReads(p.landing, http.StatusForbidden, "AccessDenied"))
	}},
	{code: fault.AccessDenied, cause: "a person took the grant on a table", provoke: func(t *testing.T, p *waitingPath) wait {
		dataset := p.addDataset(t, "revoked")
		p.ddl(t, "revoke insert on table raw.till_revoked from role firn_loader")
		return p.putWaiting(t, dataset, func() { p.ddl(t, "grant insert on table raw.till_revoked to role firn_loader") })
	}},
	{code: fault.StoreAway, cause: "S3 doesn't answer", provoke: func(t *testing.T, p *waitingPath) wait {
		return p.refusedByAWS(t, "store", refuseReads(p.landing, http.StatusServiceUnavailable, "SlowDown"))
	}},
	{code: fault.QueueAway, cause: "SQS refuses a queue", provoke: func(t *testing.T, p *waitingPath) wait {
		return p.refusedByAWS(t, "queue", refuseAWS("SendMessage", p.queues["transform"], http.StatusBadRequest, `{"__type": "com.amazonaws.sqs#RequestThrottled", "message": "The request was denied due to request throttling."}`))
	}},
	{code: fault.TopicAway, cause: "SNS doesn't answer", provoke: func(t *testing.T, p *waitingPath) wait {
		return p.refusedByAWS(t, "topic", refuseAWS("Publish", "", http.StatusInternalServerError, `<ErrorResponse><Error><Type>Receiver</Type><Code>InternalError</Code><Message>internal failure</Message></Error></ErrorResponse>`))
	}},
	{code: fault.AccessDenied, cause: "the policy of the topic denies the message", provoke: func(t *testing.T, p *waitingPath) wait {
		return p.refusedByAWS(t, "closed", refuseAWS("Publish", "", http.StatusForbidden, `<ErrorResponse><Error><Type>Sender</Type><Code>AuthorizationError</Code><Message>not authorized</Message></Error></ErrorResponse>`))
	}},
	{code: fault.GlueAway, cause: "Glue doesn't answer", provoke: func(t *testing.T, p *waitingPath) wait {
		dataset := p.addDataset(t, "glue", "firn.engine, value: glue")
		p.useGlue(t)
		p.aws.set(refuseAWS("StartJobRun", "", http.StatusInternalServerError, `{"__type": "InternalServiceException", "Message": "An internal service error occurred."}`))
		w := p.putWaiting(t, dataset, nil)
		w.end = func() { // this path has no job
			p.aws.set(nil)
			p.firn("dismiss", string(w.object.ID()), "--reason", "no Glue here").succeed(t)
			p.stopGlue(t)
		}
		w.state = journal.Dismissed
		return w
	}},
	{code: fault.SecretAway, cause: "the secret of the login was deleted", provoke: func(t *testing.T, p *waitingPath) wait {
		p.settings["FIRN_SNOWFLAKE_SECRET_ARN"] = "arn:aws:secretsmanager:us-east-1:000000000000:secret:deleted-AbCdEf"
		return p.putWaiting(t, p.addDataset(t, "secret"), func() {
			delete(p.settings, "FIRN_SNOWFLAKE_SECRET_ARN")
			p.deploy(t)
		})
	}},
	// For 20 minutes after an outage, the mails of the outage report waits for Snowflake.
	{code: fault.CommitUnknown, cause: "the network fails during COMMIT", provoke: refusedBySnowflake("commit", dropCommit)},
	{code: fault.SnowflakeAway, cause: "Snowflake doesn't answer", byOutage: true, provoke: refusedBySnowflake("away", dropSnowflake)},
	{code: fault.SnowflakeRefused, cause: "Snowflake refuses the login", byOutage: true, provoke: refusedBySnowflake("login", refuseLogin)},
	{code: fault.WarehouseAway, cause: "the warehouse doesn't exist", byOutage: true, provoke: refusedBySnowflake("warehouse",
		refuseLock("000606", "57P03", "No active warehouse selected in the current session."))},
	{code: fault.StatementTimeout, cause: "the warehouse is busy", provoke: refusedBySnowflake("timeout",
		refuseLock("000630", "57014", "Statement reached its statement or warehouse timeout of 1 second(s) and was canceled."))},
	{code: fault.LockBusy, cause: "another session holds the lock", provoke: func(t *testing.T, p *waitingPath) wait {
		dataset := p.addDataset(t, "busy")
		p.ddl(t, "begin")
		p.sql(t, "update raw.till_busy_loads set object = object where object = '~lock'")
		return p.putWaiting(t, dataset, func() { p.ddl(t, "rollback") })
	}},
	{code: fault.TableBehind, cause: "the contract is deployed before the migration", provoke: func(t *testing.T, p *waitingPath) wait {
		dataset := p.addDataset(t, "later")
		p.changeContract(t, dataset, "version: 1.0.0", "version: 1.1.0")
		p.writeScript(t, dataset)
		return p.putWaiting(t, dataset, func() { p.firn("migrate").succeed(t) })
	}},
	{code: fault.TableMissing, cause: "a person dropped the table", provoke: func(t *testing.T, p *waitingPath) wait {
		dataset := p.addDataset(t, "dropped")
		p.writeScript(t, dataset)
		p.ddl(t, "drop table raw.till_dropped")
		return p.putWaiting(t, dataset, func() { p.firn("migrate").succeed(t) })
	}},
	{code: fault.TableMissing, cause: "a person dropped the stage", provoke: func(t *testing.T, p *waitingPath) wait {
		dataset := p.addDataset(t, "staged")
		p.writeScript(t, dataset)
		p.ddl(t, "drop stage raw.curated")
		return p.putWaiting(t, dataset, func() { p.firn("migrate").succeed(t) })
	}},
	{code: fault.DatasetPaused, cause: "a person paused the dataset", provoke: func(t *testing.T, p *waitingPath) wait {
		dataset := p.addDataset(t, "still")
		p.firn("pause", dataset).succeed(t)
		return p.putWaiting(t, dataset, func() { p.firn("resume", dataset).succeed(t) })
	}},
	{code: fault.NotTried, cause: "the function doesn't start", provoke: func(t *testing.T, p *waitingPath) wait {
		dataset := p.addDataset(t, "dead")
		delete(p.functions, p.queues["load"])
		return p.putWaiting(t, dataset, func() { p.deploy(t) })
	}},
	{code: fault.SourceAway, cause: "the source of a run doesn't answer", provoke: func(t *testing.T, p *waitingPath) wait {
		p.serveSource(t, statusOnly(http.StatusServiceUnavailable))
		start, end := day(1)
		p.firn("ingest", stationEvents, "--start", start.Format(time.RFC3339), "--end", end.Format(time.RFC3339)).succeed(t)
		p.drain(t)
		return wait{dataset: stationEvents, end: func() {
			p.serveSource(t, nil)
			p.firn("ingest", stationEvents, "--start", start.Format(time.RFC3339), "--end", end.Format(time.RFC3339)).succeed(t)
		}}
	}},
}
