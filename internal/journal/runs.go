package journal

import (
	"context"
	"errors"
	"fmt"
	"maps"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/work"
)

// maxFailRunAttempts limits the tries to write a fault next to a checkpoint that
// another invocation changes.
const maxFailRunAttempts = 3

// failRun records the fault of an ingestion run next to the run's checkpoint, and keeps
// the checkpoint. SaveCheckpoint replaces the item, so a run with progress has no
// fault.
func (t *Table) failRun(ctx context.Context, f *fault.Fault) error {
	for range maxFailRunAttempts {
		written, err := t.failRunOnce(ctx, f)
		if err != nil || written {
			return err
		}
	}
	return fault.Dependency("write journal", fault.JournalAway, fmt.Errorf("the checkpoint of run %s changed during each of %d tries", f.RunID, maxFailRunAttempts))
}

// failRunOnce returns false if the checkpoint changed between the read and the write.
// The write is a PutItem, because the grants of the ingest function don't include
// UpdateItem.
func (t *Table) failRunOnce(ctx context.Context, f *fault.Fault) (bool, error) {
	pk := checkpointPrefix + f.Dataset + "/" + f.RunID
	item, err := t.get(ctx, pk)
	switch {
	case errors.Is(err, ErrNotFound):
		item = key(pk)
	case err != nil:
		return false, err
	}
	input := &dynamodb.PutItemInput{
		TableName: aws.String(t.Name), Item: item,
		ConditionExpression:      aws.String("attribute_not_exists(#checkpoint)"),
		ExpressionAttributeNames: map[string]string{"#checkpoint": "checkpoint"},
	}
	if before, found := item["checkpoint"]; found {
		input.ConditionExpression = aws.String("#checkpoint = :before")
		input.ExpressionAttributeValues = map[string]types.AttributeValue{":before": before}
	}
	maps.Copy(item, map[string]types.AttributeValue{
		"failed_at": text(stamp(t.Now())), "stage": text(string(work.Ingest)),
		"code": text(string(f.Code)), "cause": text(truncate(f.Cause())), "hint": text(f.Advice()),
	})
	_, err = t.Client.PutItem(ctx, input)
	var moved *types.ConditionalCheckFailedException
	switch {
	case errors.As(err, &moved):
		return false, nil
	case err != nil:
		return false, fault.AWS("write journal", fault.JournalAway, err)
	}
	return true, nil
}
