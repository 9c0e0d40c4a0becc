package stack

import (
	"github.com/aws/aws-cdk-go/awscdk/v2/awsdynamodb"
	"github.com/aws/jsii-runtime-go"
)

// The journal's sparse indexes. The index stuck lists the objects and ingestion runs that
// have no end state, by state. The index work lists objects that wait for a load or
// failed, and runs that aren't finished, by dataset.
const (
	indexStuck = "stuck"
	indexWork  = "work"
)

// createJournal creates the table with the state of each object and each ingestion run.
// The indexes hold whole items, so that readers of an index don't also read the table.
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
