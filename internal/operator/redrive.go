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

// Redrive tries a failed object again. The journal changes first, then the message is
// sent. If the command stops before the send, the same command sends the message. The
// returned entry is the entry before the redrive.
func (o *Operator) Redrive(ctx context.Context, name string) (journal.Entry, error) {
	entry, err := o.Status(ctx, name)
	if err != nil {
		return journal.Entry{}, err
	}
	return entry, o.redrive(ctx, entry)
}

// RedriveAll redrives all failed objects of a dataset with the code. An empty code
// means any code. The dataset "" means keys without a contract. After an error,
// RedriveAll returns the entries redriven so far.
func (o *Operator) RedriveAll(ctx context.Context, dataset string, code fault.Code) ([]journal.Entry, error) {
	if err := o.CheckDataset(dataset); err != nil {
		return nil, err
	}
	if code != "" && !slices.Contains(fault.Codes(), code) {
		return nil, fmt.Errorf("no fault has the code %q: docs/runbook.md lists all codes", code)
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
	redriven, err := o.Journal.Redrive(ctx, entry.ID)
	if err != nil {
		return err
	}
	return o.send(ctx, string(redriven.Stage), redriven.Body)
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
