package stack

import (
	"github.com/aws/aws-cdk-go/awscdk/v2/awsdynamodb"
	"github.com/aws/jsii-runtime-go"
)

// The journal's sparse indexes: objects that stand still, and objects that
// wait for a load or failed, by dataset.
const (
	indexStuck = "stuck"
	indexWork  = "work"
)

// createJournal makes the table of every object's state. The indexes hold whole
// items, so that no reader asks the table again.
func (s *Stack) createJournal() {
	s.journal = awsdynamodb.NewTable(s.Stack, jsii.String("Journal"), &awsdynamodb.TableProps{
		PartitionKey:        text("pk"),
		BillingMode:         awsdynamodb.BillingMode_PAY_PER_REQUEST,
		TimeToLiveAttribute: jsii.String("expires_at"),
		PointInTimeRecoverySpecification: &awsdynamodb.PointInTimeRecoverySpecification{
			PointInTimeRecoveryEnabled: jsii.Bool(true),
		},
		RemovalPolicy: s.removalPolicy(),
	})
	for _, index := range []string{indexStuck, indexWork} {
		s.journal.AddGlobalSecondaryIndex(&awsdynamodb.GlobalSecondaryIndexProps{
			IndexName:      jsii.String(index),
			PartitionKey:   text(index + "_pk"),
			SortKey:        text(index + "_sk"),
			ProjectionType: awsdynamodb.ProjectionType_ALL,
		})
	}
}

func text(name string) *awsdynamodb.Attribute {
	return &awsdynamodb.Attribute{Name: jsii.String(name), Type: awsdynamodb.AttributeType_STRING}
}
