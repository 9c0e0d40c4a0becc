package journal

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/firn-data/firn/internal/fault"
)

// loadsKey is the key of the item that counts committed loads, in its attribute
// of the same name.
const loadsKey = "loads"

// CountLoad counts a committed load, for whoever builds on the tables and would
// have to wake a warehouse to see that there is nothing new. The count only
// grows; a request that the SDK repeats counts twice, so a count that moved says
// that there was a load, and not how many.
func (t *Table) CountLoad(ctx context.Context) error {
	_, err := t.Client.UpdateItem(ctx, &dynamodb.UpdateItemInput{
		TableName:                 aws.String(t.Name),
		Key:                       key(loadsKey),
		UpdateExpression:          aws.String("ADD #loads :one SET #at = :at"),
		ExpressionAttributeNames:  map[string]string{"#loads": loadsKey, "#at": "at"},
		ExpressionAttributeValues: map[string]types.AttributeValue{":one": number(1), ":at": text(stamp(t.Now()))},
	})
	if err != nil {
		return fault.AWS("write journal", fault.JournalAway, err)
	}
	return nil
}
