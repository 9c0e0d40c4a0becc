package journal

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/firn-data/firn/internal/fault"
)

// Each calls do with the entry of each object, in no order. Each reads the whole table,
// at one read unit for each 4 KB. The reads are strongly consistent, so the result has
// all writes from before the call (docs.aws.amazon.com,
// amazondynamodb/latest/APIReference/API_Scan).
func (t *Table) Each(ctx context.Context, do func(Entry)) error {
	input := &dynamodb.ScanInput{
		TableName: aws.String(t.Name), ConsistentRead: aws.Bool(true),
		// Only the items of objects have the attribute.
		FilterExpression:         aws.String("attribute_exists(#state)"),
		ExpressionAttributeNames: map[string]string{"#state": "state"},
	}
	for {
		output, err := t.Client.Scan(ctx, input)
		if err != nil {
			return fault.AWS("scan journal", fault.JournalAway, err)
		}
		for _, attributes := range output.Items {
			entry, err := decode(attributes)
			if err != nil {
				return err
			}
			do(entry)
		}
		if len(output.LastEvaluatedKey) == 0 {
			return nil
		}
		input.ExclusiveStartKey = output.LastEvaluatedKey
	}
}
