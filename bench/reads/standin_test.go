//go:build standin

package reads_test

import (
	"context"
	"flag"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"golang.org/x/sync/errgroup"

	"github.com/firn-data/firn/internal/awsconfig"
	"github.com/firn-data/firn/internal/journal"
	"github.com/firn-data/firn/internal/laptop/laptoptest"
	"github.com/firn-data/firn/internal/operator"
	"github.com/firn-data/firn/internal/operator/audit"
)

func TestMain(m *testing.M) { os.Exit(laptoptest.Main(m, "aws")) }

// standInItems is the number of journal entries on the stand-in.
var standInItems = flag.Int("standin-items", 1000, "the number of journal entries on the stand-in")

// countingClient counts the requests to the stand-in and the read items.
type countingClient struct {
	*dynamodb.Client

	store *store
}

func (c countingClient) GetItem(ctx context.Context, in *dynamodb.GetItemInput, options ...func(*dynamodb.Options)) (*dynamodb.GetItemOutput, error) {
	c.store.read(1)
	return c.Client.GetItem(ctx, in, options...)
}

func (c countingClient) BatchGetItem(ctx context.Context, in *dynamodb.BatchGetItemInput, options ...func(*dynamodb.Options)) (*dynamodb.BatchGetItemOutput, error) {
	output, err := c.Client.BatchGetItem(ctx, in, options...)
	if err == nil {
		c.store.read(len(output.Responses["journal"]))
	}
	return output, err
}

func (c countingClient) Query(ctx context.Context, in *dynamodb.QueryInput, options ...func(*dynamodb.Options)) (*dynamodb.QueryOutput, error) {
	output, err := c.Client.Query(ctx, in, options...)
	if err == nil {
		c.store.read(int(output.Count))
	}
	return output, err
}

func (c countingClient) Scan(ctx context.Context, in *dynamodb.ScanInput, options ...func(*dynamodb.Options)) (*dynamodb.ScanOutput, error) {
	output, err := c.Client.Scan(ctx, in, options...)
	if err == nil {
		c.store.read(int(output.ScannedCount))
	}
	return output, err
}

// TestReadsOnStandIn measures the same commands with a journal on the stand-in. Buckets and
// ledgers are in memory. The times are the times of the stand-in, which reads its whole
// table for a query.
func TestReadsOnStandIn(t *testing.T) { //nolint:paralleltest // the times are measured
	ctx := t.Context()
	cfg, err := awsconfig.Load(ctx)
	if err != nil {
		t.Fatal(err)
	}
	client := dynamodb.NewFromConfig(cfg)
	started := time.Now()
	if err := fill(ctx, client, *standInItems); err != nil {
		t.Fatal(err)
	}
	fmt.Printf("%d entries in the stand-in after %.1f s\n", *standInItems, time.Since(started).Seconds())
	s := &store{objects: *standInItems}
	table := &journal.Table{Client: countingClient{client, s}, Name: "journal", Now: func() time.Time { return noon }}
	for _, c := range []struct {
		name string
		run  func() error
		// most is the largest number of read items; 0 means no limit.
		most int
	}{
		{"firn status", func() error {
			o := &operator.Operator{Contracts: contracts, Journal: table}
			summaries, err := o.Summaries(ctx, noon)
			if err == nil && (summaries[1].Waiting != smallWaiting || len(summaries[1].Failed) != smallFailed) {
				err = fmt.Errorf("the summary is %+v", summaries[1])
			}
			return err
		}, 100 + maxItemsMore},
		{"firn audit --dataset shop.small", func() error { return auditTable(ctx, s, table, "shop.small") }, 200},
		{"firn audit", func() error { return auditTable(ctx, s, table, "") }, 0},
	} {
		s.requests, s.items, started = 0, 0, time.Now()
		if err := c.run(); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		fmt.Printf("%s: %d requests, %d items, %.1f s\n", c.name, s.requests, s.items, time.Since(started).Seconds())
		if c.most > 0 && s.items > c.most {
			t.Errorf("%s reads %d items, want at most %d", c.name, s.items, c.most)
		}
	}
}

func auditTable(ctx context.Context, s *store, table *journal.Table, dataset string) error {
	a := &audit.Auditor{
		Contracts: contracts, Journal: table, Objects: s, LandingBucket: "landing", CuratedBucket: "curated",
		Open: func(context.Context) (audit.Ledger, error) { return s, nil },
		Now:  func() time.Time { return noon }, Stuck: 10_000 * time.Hour,
	}
	result, err := a.Run(ctx, dataset)
	if err == nil && len(result.Differences) > 0 {
		err = fmt.Errorf("%d differences, the first is %+v", len(result.Differences), result.Differences[0])
	}
	return err
}

// fill makes the table as in infra/stack, and writes the entries with BatchWriteItem.
func fill(ctx context.Context, client *dynamodb.Client, objects int) error {
	keys := func(partition, sort string) []types.KeySchemaElement {
		return []types.KeySchemaElement{
			{AttributeName: aws.String(partition), KeyType: types.KeyTypeHash}, {AttributeName: aws.String(sort), KeyType: types.KeyTypeRange},
		}
	}
	var attributes []types.AttributeDefinition
	for _, name := range []string{"pk", "stuck_pk", "stuck_sk", "work_pk", "work_sk"} {
		attributes = append(attributes, types.AttributeDefinition{AttributeName: aws.String(name), AttributeType: types.ScalarAttributeTypeS})
	}
	all := &types.Projection{ProjectionType: types.ProjectionTypeAll}
	_, err := client.CreateTable(ctx, &dynamodb.CreateTableInput{
		TableName: aws.String("journal"), BillingMode: types.BillingModePayPerRequest, KeySchema: keys("pk", "")[:1], AttributeDefinitions: attributes,
		GlobalSecondaryIndexes: []types.GlobalSecondaryIndex{
			{IndexName: aws.String("stuck"), KeySchema: keys("stuck_pk", "stuck_sk"), Projection: all},
			{IndexName: aws.String("work"), KeySchema: keys("work_pk", "work_sk"), Projection: all},
		},
	})
	if err != nil {
		return err
	}
	group, writing := errgroup.WithContext(ctx)
	group.SetLimit(4)
	const batch = 25 // the limit of BatchWriteItem
	for first := 0; first < objects; first += batch {
		group.Go(func() error {
			var puts []types.WriteRequest
			for i := first; i < min(objects, first+batch); i++ {
				puts = append(puts, types.WriteRequest{PutRequest: &types.PutRequest{Item: entry(i)}})
			}
			output, err := client.BatchWriteItem(writing, &dynamodb.BatchWriteItemInput{RequestItems: map[string][]types.WriteRequest{"journal": puts}})
			if err == nil && len(output.UnprocessedItems) > 0 {
				err = fmt.Errorf("the stand-in left items unwritten")
			}
			return err
		})
	}
	return group.Wait()
}
