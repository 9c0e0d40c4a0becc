package journal

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/object"
)

// Get returns the object's entry, or ErrNotFound.
func (t *Table) Get(ctx context.Context, id object.ID) (Entry, error) {
	attributes, err := t.get(ctx, string(id))
	if err != nil {
		return Entry{}, err
	}
	return decode(attributes)
}

// Newest returns the entry of the key's newest version that the journal knows,
// or ErrNotFound.
func (t *Table) Newest(ctx context.Context, bucket, key string) (Entry, error) {
	attributes, err := t.get(ctx, newestPrefix+object.KeyID(bucket, key))
	if err != nil {
		return Entry{}, err
	}
	return t.Get(ctx, object.ID(valueOf(attributes["newest"])))
}

// Waiting returns the dataset's transformed objects, those that wait longest
// first, at most limit. The index is eventually consistent: what it misses is
// found next time.
func (t *Table) Waiting(ctx context.Context, dataset string, limit int) ([]Entry, error) {
	return t.query(ctx, queryWorkIndex("waiting#"+dataset, ""), limit)
}

// Failed returns the dataset's failed objects with the code, or with any code
// if it is empty. The dataset "" stands for keys that no contract claims.
func (t *Table) Failed(ctx context.Context, dataset string, code fault.Code) ([]Entry, error) {
	if dataset == "" {
		dataset = unclaimed
	}
	prefix := ""
	if code != "" {
		prefix = string(code) + "#"
	}
	return t.query(ctx, queryWorkIndex("failed#"+dataset, prefix), 0)
}

// queryWorkIndex asks for one partition of the work index, of it only what begins
// with the prefix.
func queryWorkIndex(partition, prefix string) *dynamodb.QueryInput {
	return queryPartition(indexWork, partition, "begins_with(#s, :s)", prefix)
}

// queryStuckIndex asks for what one shard of the index "stuck" has in the state since
// before the time.
func queryStuckIndex(state State, digit string, before time.Time) *dynamodb.QueryInput {
	return queryPartition(indexStuck, string(state)+"#"+digit, "#s < :s", stamp(before))
}

// queryPartition asks for one partition of an index, and of it for what the condition on
// the sort key #s and the value :s leaves; all if the value is empty.
func queryPartition(index, partition, condition, value string) *dynamodb.QueryInput {
	input := &dynamodb.QueryInput{
		IndexName:                 aws.String(index),
		KeyConditionExpression:    aws.String("#p = :p"),
		ExpressionAttributeNames:  map[string]string{"#p": index + "_pk"},
		ExpressionAttributeValues: map[string]types.AttributeValue{":p": text(partition)},
	}
	if value != "" {
		input.KeyConditionExpression = aws.String("#p = :p AND " + condition)
		input.ExpressionAttributeNames["#s"] = index + "_sk"
		input.ExpressionAttributeValues[":s"] = text(value)
	}
	return input
}

// query reads one partition of an index, to the end if limit is 0.
func (t *Table) query(ctx context.Context, input *dynamodb.QueryInput, limit int) ([]Entry, error) {
	input.TableName = aws.String(t.Name)
	if limit > 0 {
		input.Limit = aws.Int32(int32(limit))
	}
	entries := []Entry{} // as JSON, none is an empty list
	for {
		output, err := t.Client.Query(ctx, input)
		if err != nil {
			return nil, fault.AWS("query journal", fault.JournalAway, err)
		}
		for _, attributes := range output.Items {
			entry, err := decode(attributes)
			if err != nil {
				return nil, err
			}
			entries = append(entries, entry)
		}
		if limit > 0 && len(entries) >= limit {
			return entries[:limit], nil
		}
		if len(output.LastEvaluatedKey) == 0 {
			return entries, nil
		}
		input.ExclusiveStartKey = output.LastEvaluatedKey
	}
}

func (t *Table) get(ctx context.Context, pk string) (map[string]types.AttributeValue, error) {
	output, err := t.Client.GetItem(ctx, &dynamodb.GetItemInput{
		TableName: aws.String(t.Name), Key: key(pk), ConsistentRead: aws.Bool(true),
	})
	switch {
	case err != nil:
		return nil, fault.AWS("read journal", fault.JournalAway, err)
	case len(output.Item) == 0:
		return nil, fmt.Errorf("%w: %s", ErrNotFound, pk)
	}
	return output.Item, nil
}

// newestPrefix begins the key of the item that says which version of a key is
// the newest. An index can't: reads of it lag behind.
const newestPrefix = "key#"

// updateNewest moves the key's newest version forward, never back. A version
// without a sequencer (found by a listing, not by an event) counts as newer
// than nothing only.
func (t *Table) updateNewest(ctx context.Context, o object.Object) error {
	_, err := t.write(ctx, newestPrefix+object.KeyID(o.Bucket, o.Key), newChange("").
		set("newest", text(string(o.ID()))).
		set("sequencer", text("s"+o.Sequencer)).
		where("attribute_not_exists(#newest) OR #sequencer < :sequencer"))
	return err
}

// checkpointPrefix begins the key of an ingestion run's checkpoint.
const checkpointPrefix = "run#"

// Checkpoint reads the run's checkpoint into the value that into points to; it
// returns false if the run has none.
func (t *Table) Checkpoint(ctx context.Context, run string, into any) (bool, error) {
	attributes, err := t.get(ctx, checkpointPrefix+run)
	switch {
	case errors.Is(err, ErrNotFound):
		return false, nil
	case err != nil:
		return false, err
	}
	saved := valueOf(attributes["checkpoint"])
	if saved == "" { // a run that failed before its first page has a fault only
		return false, nil
	}
	if err := json.Unmarshal([]byte(saved), into); err != nil {
		return false, fmt.Errorf("checkpoint of run %s: %w", run, err)
	}
	return true, nil
}

// SaveCheckpoint replaces the run's checkpoint.
func (t *Table) SaveCheckpoint(ctx context.Context, run string, value any) error {
	body, err := json.Marshal(value)
	if err != nil {
		return fmt.Errorf("checkpoint of run %s: %w", run, err)
	}
	item := key(checkpointPrefix + run)
	item["checkpoint"] = text(string(body))
	item["at"] = text(stamp(t.Now()))
	if _, err := t.Client.PutItem(ctx, &dynamodb.PutItemInput{TableName: aws.String(t.Name), Item: item}); err != nil {
		return fault.AWS("write journal", fault.JournalAway, err)
	}
	return nil
}
