package journal

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/firn-data/firn/internal/fault"
)

// Each tells every object's entry, in no order. It reads the whole table, which
// costs a unit for each 4 KB, and consistently, so that what was written a moment
// ago shows
// (docs.aws.amazon.com, amazondynamodb/latest/APIReference/API_Scan).
func (t *Table) Each(ctx context.Context, do func(Entry)) error {
	input := &dynamodb.ScanInput{
		TableName: aws.String(t.Name), ConsistentRead: aws.Bool(true),
		// What has no state is no object's: the newest versions, the checkpoints,
		// the breakers, the count of loads.
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
