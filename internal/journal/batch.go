package journal

import (
	"context"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/object"
)

const (
	// maxBatch is the number of keys in one BatchGetItem request
	// (docs.aws.amazon.com, amazondynamodb/latest/APIReference/API_BatchGetItem).
	maxBatch = 100
	// maxBatchTries limits the requests without any answered key.
	maxBatchTries = 8
	// batchPause is the wait before the second request without an answered key. The wait
	// doubles with each request.
	batchPause = 50 * time.Millisecond
)

// EachOf calls do with the entry of each of the ids, in no order. An id without an entry
// and an empty id have no call. A repeated id has one call. The reads are strongly
// consistent.
func (t *Table) EachOf(ctx context.Context, ids []object.ID, do func(Entry)) error {
	seen := make(map[object.ID]bool, len(ids))
	var keys []map[string]types.AttributeValue
	for _, id := range ids {
		if id == "" || seen[id] {
			continue
		}
		seen[id] = true
		if keys = append(keys, key(string(id))); len(keys) == maxBatch {
			if err := t.batch(ctx, keys, do); err != nil {
				return err
			}
			keys = nil
		}
	}
	return t.batch(ctx, keys, do)
}

// batch reads at most 100 keys. DynamoDB may leave keys unanswered, for example keys
// above 16 MB: another request asks for these keys again.
func (t *Table) batch(ctx context.Context, keys []map[string]types.AttributeValue, do func(Entry)) error {
	for tries := 0; len(keys) > 0; {
		output, err := t.Client.BatchGetItem(ctx, &dynamodb.BatchGetItemInput{RequestItems: map[string]types.KeysAndAttributes{
			t.Name: {Keys: keys, ConsistentRead: aws.Bool(true)},
		}})
		if err != nil {
			return fault.AWS("read journal", fault.JournalAway, err)
		}
		for _, attributes := range output.Responses[t.Name] {
			if valueOf(attributes["state"]) == "" { // not an object
				continue
			}
			entry, err := decode(attributes)
			if err != nil {
				return err
			}
			do(entry)
		}
		left := output.UnprocessedKeys[t.Name].Keys
		if len(left) < len(keys) {
			tries = 0
		} else if tries++; tries == maxBatchTries {
			return fault.Dependency("read journal", fault.JournalAway, fmt.Errorf("%d keys had no answer in %d requests", len(left), maxBatchTries))
		}
		if keys = left; tries > 0 {
			if err := pause(ctx, batchPause<<(tries-1)); err != nil {
				return err
			}
		}
	}
	return nil
}

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-timer.C:
		return nil
	}
}
