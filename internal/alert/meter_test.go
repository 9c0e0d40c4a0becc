package alert_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/firn-data/firn/internal/alert"
	"github.com/firn-data/firn/internal/batch"
	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/journal"
	"github.com/firn-data/firn/internal/telemetry"
)

// fakeQueues has the three counts of each queue.
type fakeQueues map[string][3]string

func (q fakeQueues) GetQueueAttributes(_ context.Context, in *sqs.GetQueueAttributesInput, _ ...func(*sqs.Options)) (*sqs.GetQueueAttributesOutput, error) {
	counts, found := q[aws.ToString(in.QueueUrl)]
	if !found {
		return nil, errors.New("no such queue")
	}
	attributes := make(map[string]string)
	for i, name := range in.AttributeNames {
		attributes[string(name)] = counts[i]
	}
	return &sqs.GetQueueAttributesOutput{Attributes: attributes}, nil
}

// metricsOf returns the values of all lines with metrics.
func metricsOf(t *testing.T, log []byte) map[string]float64 {
	t.Helper()
	values := make(map[string]float64)
	for line := range bytes.Lines(log) {
		var fields map[string]any
		if err := json.Unmarshal(line, &fields); err != nil {
			t.Fatal(err)
		}
		for name, value := range fields {
			if number, ok := value.(float64); ok {
				values[name] += number
			}
		}
	}
	return values
}

// TestTickMeasuresQueuesAndWaits: a complete tick writes all metrics of the tick.
func TestTickMeasuresQueuesAndWaits(t *testing.T) {
	t.Parallel()
	b := newWaitFixture(t)
	b.watcher.Meter = &alert.Meter{
		Queues: fakeQueues{"work": {"3", "2", "1"}, "more": {"1", "0", "0"}, "dead": {"4", "0", "0"}},
		Work:   []string{"work", "more"}, DeadLetters: []string{"dead"},
	}
	received := b.waiting("a.csv", "", 10*time.Minute)
	received.State = journal.Received
	b.waits.entries = []journal.Entry{received, b.waiting("b.csv", fault.DatasetPaused, 9*time.Hour), b.waiting("c.csv", fault.LockBusy, time.Minute)}
	var log bytes.Buffer
	ctx := telemetry.WithMetrics(t.Context(), &telemetry.Metrics{Out: &log, Environment: "test", Now: b.clock.read})
	ticks := []batch.Message{{ID: "t", Body: `{"tick":"2026-12-01T09:00:00Z"}`}}
	if failed := alert.Tick(b.watcher.Check)(ctx, ticks); len(failed) > 0 {
		t.Fatal(failed)
	}
	for name, want := range map[string]float64{
		"Messages": 7, "DeadLetters": 4, "ObjectsToTransform": 1, "ObjectsToLoad": 2, "OldestWait": 600, "Heartbeat": 1,
	} {
		if got := metricsOf(t, log.Bytes())[name]; got != want {
			t.Errorf("%s = %v, want %v", name, got, want)
		}
	}
}

// TestIncompleteTickHasNoHeartbeat: a fault of one check stops the heartbeat, and not the
// other checks.
func TestIncompleteTickHasNoHeartbeat(t *testing.T) {
	t.Parallel()
	b := newWaitFixture(t)
	b.watcher.Meter = &alert.Meter{Queues: fakeQueues{}, Work: []string{"work"}}
	var log bytes.Buffer
	ctx := telemetry.WithMetrics(t.Context(), &telemetry.Metrics{Out: &log, Environment: "test", Now: b.clock.read})
	checked := false
	after := func(context.Context) error {
		checked = true
		return nil
	}
	ticks := []batch.Message{{ID: "t", Body: `{"tick":"2026-12-01T09:00:00Z"}`}}
	failed := alert.Tick(b.watcher.Check, after)(ctx, ticks)
	if !fault.Is(failed["t"], fault.QueueAway) || !checked || metricsOf(t, log.Bytes())["Heartbeat"] != 0 {
		t.Errorf("failed %v, other check %t, log %s", failed, checked, log.String())
	}
}

// TestRefusedMailIsCounted: the metric UnsentMails counts each mail that SNS refuses.
func TestRefusedMailIsCounted(t *testing.T) {
	t.Parallel()
	b := newWaitFixture(t)
	b.waits.entries = []journal.Entry{b.waiting("a.csv", fault.TableMissing, time.Hour)}
	b.topic.refuse = refuseAll
	var log bytes.Buffer
	ctx := telemetry.WithMetrics(t.Context(), &telemetry.Metrics{Out: &log, Environment: "test", Now: b.clock.read})
	if err := b.watcher.Check(ctx); err == nil || metricsOf(t, log.Bytes())["UnsentMails"] != 1 {
		t.Errorf("error %v, log %s", err, log.String())
	}
}
