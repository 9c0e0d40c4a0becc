package journal

import (
	"context"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/object"
)

// Count is a number of objects from an index.
type Count struct {
	Objects int
	// More reports that the count stopped at its limit: the index can have more objects.
	More bool
}

// FailedCode has the failed objects of a dataset with one code.
type FailedCode struct {
	Count

	Code fault.Code
	// Newest are the newest failures, the newest first.
	Newest []Entry
}

// CountWaiting counts the dataset's transformed objects, at most limit. The index is
// eventually consistent.
func (t *Table) CountWaiting(ctx context.Context, dataset string, limit int) (Count, error) {
	return t.count(ctx, queryWorkIndex("waiting#"+dataset, ""), limit)
}

// FailedByCode counts the dataset's failed objects of each code, at most limit objects
// of a code. The result is in the order of the codes, with at most newest entries for
// each code. An empty dataset means the keys without a contract. The cost grows with the
// number of codes, and not with the number of objects above limit.
func (t *Table) FailedByCode(ctx context.Context, dataset string, limit, newest int) ([]FailedCode, error) {
	if dataset == "" {
		dataset = noDataset
	}
	partition := "failed#" + dataset
	var all []FailedCode
	for after := ""; ; {
		first, err := t.query(ctx, queryPartition(indexWork, partition, "#s > :s", after), 1)
		if err != nil || len(first) == 0 {
			return all, err
		}
		found := FailedCode{Code: fault.Code(first[0].Code)}
		prefix := first[0].Code + "#"
		if found.Count, err = t.count(ctx, queryWorkIndex(partition, prefix), limit); err != nil {
			return nil, err
		}
		backwards := queryWorkIndex(partition, prefix)
		backwards.ScanIndexForward = aws.Bool(false)
		if found.Newest, err = t.query(ctx, backwards, newest); err != nil {
			return nil, err
		}
		all = append(all, found)
		after = prefix + "~" // after each time
	}
}

// OldestMoving calls do with the objects in the state without progress for the longest
// time, at most limit objects of each of the sixteen shards. The state is Received,
// Transforming or Transformed. The result is true if a shard has more objects. The read
// is at most 1 MB of each shard.
func (t *Table) OldestMoving(ctx context.Context, state State, limit int, do func(Entry)) (more bool, err error) {
	for _, digit := range idDigits {
		input := queryPartition(indexStuck, string(state)+"#"+string(digit), "", "")
		entries, next, err := t.entryPage(ctx, input, limit)
		if err != nil {
			return false, err
		}
		for _, e := range entries {
			do(e)
		}
		more = more || len(next) > 0
	}
	return more, nil
}

// count counts the items of a query, at most limit, without reading their attributes.
func (t *Table) count(ctx context.Context, input *dynamodb.QueryInput, limit int) (Count, error) {
	input.Select = types.SelectCount
	var c Count
	for {
		input.Limit = aws.Int32(int32(limit - c.Objects))
		output, err := t.page(ctx, input)
		if err != nil {
			return Count{}, err
		}
		c.Objects += int(output.Count)
		c.More = len(output.LastEvaluatedKey) > 0
		if !c.More || c.Objects >= limit {
			return c, nil
		}
		input.ExclusiveStartKey = output.LastEvaluatedKey
	}
}

// EachInWorkIndex calls do with the id of each object of a dataset in the index "work":
// the objects that wait for a load, that failed, or whose message was never sent. An
// empty dataset means the keys without a contract. The memory is one page of a query.
func (t *Table) EachInWorkIndex(ctx context.Context, dataset string, do func(object.ID)) error {
	if dataset == "" {
		dataset = noDataset
	}
	for _, partition := range []string{"waiting#", "failed#", "unsent#"} {
		input := queryWorkIndex(partition+dataset, "")
		input.ExpressionAttributeNames["#s"] = "work_sk"
		input.ProjectionExpression = aws.String("#s")
		err := t.eachItem(ctx, input, func(attributes map[string]types.AttributeValue) (bool, error) {
			sortKey := valueOf(attributes["work_sk"])
			do(object.ID(sortKey[strings.LastIndexByte(sortKey, '#')+1:]))
			return true, nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}
