package journal

import (
	"context"
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

// getMarked returns the object's entry, and the mark of its unsent message.
func (t *Table) getMarked(ctx context.Context, id object.ID) (entry Entry, mark string, err error) {
	attributes, err := t.get(ctx, string(id))
	if err != nil {
		return Entry{}, "", err
	}
	entry, err = decode(attributes)
	return entry, valueOf(attributes[attributeUnsent]), err
}

// Newest returns the entry of the key's newest version in the journal, or ErrNotFound.
func (t *Table) Newest(ctx context.Context, bucket, key string) (Entry, error) {
	attributes, err := t.get(ctx, newestPrefix+object.KeyID(bucket, key))
	if err != nil {
		return Entry{}, err
	}
	newest := valueOf(attributes["newest"])
	if newest == "" { // the item has only failed versions
		return Entry{}, fmt.Errorf("%w: %s", ErrNotFound, key)
	}
	return t.Get(ctx, object.ID(newest))
}

// Waiting returns the dataset's transformed objects, at most limit, with the longest
// wait first. The index is eventually consistent: the next call finds a missed object.
func (t *Table) Waiting(ctx context.Context, dataset string, limit int) ([]Entry, error) {
	return t.query(ctx, queryWorkIndex("waiting#"+dataset, ""), limit)
}

// Failed returns the dataset's failed objects with the code; an empty code means all
// codes. An empty dataset means the keys without a contract.
func (t *Table) Failed(ctx context.Context, dataset string, code fault.Code) ([]Entry, error) {
	return t.byCode(ctx, "failed#", dataset, code)
}

// byCode returns the dataset's objects in a partition of the index "work" that is sorted
// by code. An empty code means all codes.
func (t *Table) byCode(ctx context.Context, partition, dataset string, code fault.Code) ([]Entry, error) {
	if dataset == "" {
		dataset = noDataset
	}
	prefix := ""
	if code != "" {
		prefix = string(code) + "#"
	}
	return t.query(ctx, queryWorkIndex(partition+dataset, prefix), 0)
}

// queryWorkIndex is the query for one partition of the index "work", limited to sort
// keys with the prefix.
func queryWorkIndex(partition, prefix string) *dynamodb.QueryInput {
	return queryPartition(indexWork, partition, "begins_with(#s, :s)", prefix)
}

// queryStuckIndex is the query for the objects of one shard of the index "stuck" that
// are in the state and without progress since before the time.
func queryStuckIndex(state State, digit string, before time.Time) *dynamodb.QueryInput {
	return queryPartition(indexStuck, string(state)+"#"+digit, "#s < :s", stamp(before))
}

// queryPartition is the query for one partition of an index. The condition compares the
// sort key #s with the value :s. An empty value means the whole partition.
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

// query reads one partition of an index, up to limit entries; 0 means all.
func (t *Table) query(ctx context.Context, input *dynamodb.QueryInput, limit int) ([]Entry, error) {
	if limit > 0 {
		input.Limit = aws.Int32(int32(limit))
	}
	entries := []Entry{} // no entries are an empty JSON list, not null
	err := t.each(ctx, input, func(e Entry) bool {
		entries = append(entries, e)
		return limit == 0 || len(entries) < limit
	})
	if err != nil {
		return nil, err
	}
	return entries, nil
}

// each calls do with the entries of a query, page by page, until do returns false.
func (t *Table) each(ctx context.Context, input *dynamodb.QueryInput, do func(Entry) bool) error {
	return t.eachItem(ctx, input, func(attributes map[string]types.AttributeValue) (bool, error) {
		entry, err := decode(attributes)
		return err == nil && do(entry), err
	})
}

// eachItem calls do with the items of a query, page by page, until do returns false or
// an error.
func (t *Table) eachItem(ctx context.Context, input *dynamodb.QueryInput, do func(map[string]types.AttributeValue) (bool, error)) error {
	for {
		output, err := t.page(ctx, input)
		if err != nil {
			return err
		}
		for _, attributes := range output.Items {
			proceed, err := do(attributes)
			if err != nil || !proceed {
				return err
			}
		}
		if len(output.LastEvaluatedKey) == 0 {
			return nil
		}
		input.ExclusiveStartKey = output.LastEvaluatedKey
	}
}

// page reads one page of a query: at most 1 MB, and at most the query's limit of items.
func (t *Table) page(ctx context.Context, input *dynamodb.QueryInput) (*dynamodb.QueryOutput, error) {
	input.TableName = aws.String(t.Name)
	output, err := t.Client.Query(ctx, input)
	if err != nil {
		return nil, fault.AWS("query journal", fault.JournalAway, err)
	}
	return output, nil
}

// entryPage reads one page of at most limit objects. The key is the place of the next
// page; empty at the end.
func (t *Table) entryPage(ctx context.Context, input *dynamodb.QueryInput, limit int) ([]Entry, map[string]types.AttributeValue, error) {
	input.Limit = aws.Int32(int32(limit))
	output, err := t.page(ctx, input)
	if err != nil {
		return nil, nil, err
	}
	entries := make([]Entry, len(output.Items))
	for i, attributes := range output.Items {
		if entries[i], err = decode(attributes); err != nil {
			return nil, nil, err
		}
	}
	return entries, output.LastEvaluatedKey, nil
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

// find returns the item with the key. The reads of a missing item give zero values.
func (t *Table) find(ctx context.Context, pk string) (*item, error) {
	attributes, err := t.get(ctx, pk)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return nil, err
	}
	return &item{attributes: attributes}, nil
}

// newestPrefix begins the key of the item with the newest version of an S3 key. An
// index can't have this role, because reads of an index are late.
const newestPrefix = "key#"

// updateNewest moves the key's newest version forward, never back. A version without a
// sequencer comes from a listing and not from an event. Such a version is the newest
// only if the key has no other version.
func (t *Table) updateNewest(ctx context.Context, o object.Object) error {
	_, err := t.write(ctx, newestPrefix+object.KeyID(o.Bucket, o.Key), newChange("").
		set("newest", text(string(o.ID()))).
		set("sequencer", text("s"+o.Sequencer)).
		where("attribute_not_exists(#newest) OR #sequencer < :sequencer"))
	return err
}
