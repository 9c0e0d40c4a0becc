package operator

import (
	"context"
	"fmt"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/journal"
)

// Redrive tries a failed object again: the journal first, then the message. A
// command that dies in between is simply given again.
func (o *Operator) Redrive(ctx context.Context, name string) (journal.Entry, error) {
	entry, err := o.Status(ctx, name)
	if err != nil {
		return journal.Entry{}, err
	}
	return entry, o.redrive(ctx, entry)
}

// RedriveAll tries all failed objects of a dataset again, those with the code
// only unless it is empty. It returns those that it redrove, also when it
// fails halfway. The dataset "" stands for keys that no contract claims.
func (o *Operator) RedriveAll(ctx context.Context, dataset string, code fault.Code) ([]journal.Entry, error) {
	if err := o.CheckDataset(dataset); err != nil {
		return nil, err
	}
	if code != "" && !slices.Contains(fault.Codes(), code) {
		return nil, fmt.Errorf("no fault has the code %q: docs/runbook.md has them all", code)
	}
	failed, err := o.Journal.Failed(ctx, dataset, code)
	if err != nil {
		return nil, err
	}
	for i, entry := range failed {
		if err := o.redrive(ctx, entry); err != nil {
			return failed[:i], err
		}
	}
	return failed, nil
}

func (o *Operator) redrive(ctx context.Context, entry journal.Entry) error {
	again, err := o.Journal.Redrive(ctx, entry.ID)
	if err != nil {
		return err
	}
	return o.send(ctx, string(again.Stage), again.Body)
}

func (o *Operator) send(ctx context.Context, stage, body string) error {
	_, err := o.Queues.SendMessage(ctx, &sqs.SendMessageInput{
		QueueUrl: aws.String(o.Stack.Queues[stage]), MessageBody: aws.String(body),
	})
	if err != nil {
		return fmt.Errorf("send to the %s queue: %w", stage, err)
	}
	return nil
}
