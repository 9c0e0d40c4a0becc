package telemetry

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"time"
)

// Namespace is the namespace of firn's metrics in CloudWatch.
const Namespace = "firn"

// DimensionEnvironment is the only dimension of firn's metrics. A metric by dataset would
// be a custom metric for each dataset, and each custom metric costs about $0.30 a month.
const DimensionEnvironment = "environment"

// Metric is the name of a metric. firn has no other metric.
type Metric string

// The metrics. alert's tick writes the heartbeat and the metrics of waits and queues. Each
// function writes Failures. route writes Rejects, load writes Latency, and alert's mailer
// writes UnsentMails.
const (
	// Heartbeat is 1 for each complete tick. Without a heartbeat nothing watches firn.
	Heartbeat Metric = "Heartbeat"
	// ObjectsToTransform is the number of objects that wait for the end of a transform.
	ObjectsToTransform Metric = "ObjectsToTransform"
	// ObjectsToLoad is the number of objects that wait for a load.
	ObjectsToLoad Metric = "ObjectsToLoad"
	// OldestWait is the time since the last progress of the object that waits longest,
	// in seconds. Objects of paused datasets don't count.
	OldestWait Metric = "OldestWait"
	// Failures is the number of reported failures: objects, runs and messages.
	Failures Metric = "Failures"
	// Rejects is the number of rejected records in an accepted object.
	Rejects Metric = "Rejects"
	// Latency is the time from the arrival of an object to its load, in seconds.
	Latency Metric = "Latency"
	// Messages is the number of messages in all queues of work.
	Messages Metric = "Messages"
	// DeadLetters is the number of messages in all dead-letter queues. alert empties
	// these queues within seconds.
	DeadLetters Metric = "DeadLetters"
	// UnsentMails is the number of mails that Amazon SNS didn't accept.
	UnsentMails Metric = "UnsentMails"
)

// units has the unit of each metric (CloudWatch API reference, MetricDatum).
var units = map[Metric]string{
	Heartbeat: "Count", ObjectsToTransform: "Count", ObjectsToLoad: "Count", OldestWait: "Seconds", Failures: "Count",
	Rejects: "Count", Latency: "Seconds", Messages: "Count", DeadLetters: "Count", UnsentMails: "Count",
}

// Metrics writes metrics as lines of a function's log. CloudWatch Logs reads the lines by
// the embedded metric format (AmazonCloudWatch user guide,
// CloudWatch_Embedded_Metric_Format_Specification).
type Metrics struct {
	// Out is the function's log. A metric is one call of Write.
	Out io.Writer
	// Environment is the value of the dimension, for example the name of the stack.
	Environment string
	// Now is the clock.
	Now func() time.Time
}

// Put writes the values of metrics in one line.
func (m *Metrics) Put(values map[Metric]float64) error {
	type definition struct {
		Name Metric
		Unit string
	}
	definitions := []definition{}
	line := map[string]any{DimensionEnvironment: m.Environment}
	for metric, value := range values {
		unit, known := units[metric]
		if !known {
			return fmt.Errorf("write metrics: no metric has the name %q", metric)
		}
		definitions = append(definitions, definition{metric, unit})
		line[string(metric)] = value
	}
	line["_aws"] = map[string]any{
		"Timestamp": m.Now().UnixMilli(),
		"CloudWatchMetrics": []any{map[string]any{
			"Namespace": Namespace, "Dimensions": [][]string{{DimensionEnvironment}}, "Metrics": definitions,
		}},
	}
	body, err := json.Marshal(line)
	if err != nil {
		return fmt.Errorf("write metrics: %w", err)
	}
	if _, err := m.Out.Write(append(body, '\n')); err != nil {
		return fmt.Errorf("write metrics: %w", err)
	}
	return nil
}

type metricsKey struct{}

// WithMetrics returns a context with the writer of metrics.
func WithMetrics(ctx context.Context, m *Metrics) context.Context {
	return context.WithValue(ctx, metricsKey{}, m)
}

// Put writes metrics by the context's writer. Without a writer Put does nothing. A failed
// write goes to the log: no work depends on a metric, and an alarm notices missing
// heartbeats.
func Put(ctx context.Context, values map[Metric]float64) {
	m, ok := ctx.Value(metricsKey{}).(*Metrics)
	if !ok || m == nil {
		return
	}
	if err := m.Put(values); err != nil {
		Logger(ctx).ErrorContext(ctx, "metrics not written", KeyError, err.Error())
	}
}
