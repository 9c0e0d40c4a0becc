package journal

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/object"
)

// FailedObject is an object in the state Failed, and the time of the failure.
type FailedObject struct {
	ID object.ID
	At time.Time
}

// Key names the failure of the object. A second failure of the same object has another
// key.
func (f FailedObject) Key() string { return stamp(f.At) + "#" + string(f.ID) }

// EachFailed calls do with each failed object of a dataset with the code, the oldest
// failure first. An empty dataset means the keys without a contract. The read costs a
// read unit for each 8 KB of entries. The index is eventually consistent: a recent
// failure can be missing.
func (t *Table) EachFailed(ctx context.Context, dataset string, code fault.Code, do func(FailedObject)) error {
	input := failedSince(dataset, code, time.Time{})
	input.ProjectionExpression = aws.String("#s")
	return t.eachItem(ctx, input, func(attributes map[string]types.AttributeValue) (bool, error) {
		at, id, _ := strings.Cut(strings.TrimPrefix(valueOf(attributes["work_sk"]), string(code)+"#"), "#")
		failed, err := time.Parse(stampLayout, at)
		if err != nil {
			return false, fmt.Errorf("journal: attribute work_sk of the failed object %s: %w", id, err)
		}
		do(FailedObject{ID: object.ID(id), At: failed})
		return true, nil
	})
}

// HasFailed reports whether the dataset has an object that failed with the code at the
// time since or later, and is still failed. The index is eventually consistent.
func (t *Table) HasFailed(ctx context.Context, dataset string, code fault.Code, since time.Time) (bool, error) {
	input := failedSince(dataset, code, since)
	input.Limit = aws.Int32(1)
	output, err := t.page(ctx, input)
	if err != nil {
		return false, err
	}
	return len(output.Items) > 0, nil
}

// HasFailedSince reports whether the dataset has an object that failed with any code at
// the time since or later, and is still failed. The cost grows with the number of codes.
// The index is eventually consistent.
func (t *Table) HasFailedSince(ctx context.Context, dataset string, since time.Time) (bool, error) {
	codes, err := t.FailedByCode(ctx, dataset, 1, 1)
	return slices.ContainsFunc(codes, func(c FailedCode) bool {
		return len(c.Newest) > 0 && !c.Newest[0].Times[Failed].Before(since)
	}), err
}

func failedSince(dataset string, code fault.Code, since time.Time) *dynamodb.QueryInput {
	if dataset == "" {
		dataset = noDataset
	}
	from := string(code) + "#"
	if !since.IsZero() {
		from += stamp(since)
	}
	input := queryPartition(indexWork, "failed#"+dataset, "#s BETWEEN :s AND :end", from)
	input.ExpressionAttributeValues[":end"] = text(string(code) + "#~") // after each time
	return input
}
