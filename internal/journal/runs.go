package journal

import (
	"context"
	"errors"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/work"
)

// failRun records beside an ingestion run's checkpoint that the run failed, and
// keeps the checkpoint. SaveCheckpoint replaces the item, so a run that goes on
// has no fault. If another invocation saves between the two requests here, the
// run goes on from the older checkpoint and writes the same parts again.
func (t *Table) failRun(ctx context.Context, f *fault.Fault) error {
	pk := checkpointPrefix + f.Dataset + "/" + f.RunID
	item, err := t.get(ctx, pk)
	switch {
	case errors.Is(err, ErrNotFound):
		item = key(pk)
	case err != nil:
		return err
	}
	for name, value := range map[string]string{
		"failed_at": stamp(t.Now()), "stage": string(work.Ingest),
		"code": string(f.Code), "cause": clip(f.Cause()), "hint": f.Advice(),
	} {
		item[name] = text(value)
	}
	if _, err := t.Client.PutItem(ctx, &dynamodb.PutItemInput{TableName: aws.String(t.Name), Item: item}); err != nil {
		return fault.AWS("write journal", fault.JournalAway, err)
	}
	return nil
}
