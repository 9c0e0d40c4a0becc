package reads_test

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/firn-data/firn/internal/contract"
	"github.com/firn-data/firn/internal/object"
	"github.com/firn-data/firn/internal/snowflake/ledger"
	"github.com/firn-data/firn/internal/work"
)

const (
	// smallObjects is the number of objects of the small dataset: three wait for a load,
	// two failed, and the others are loaded.
	smallObjects = 25
	smallWaiting = 3
	smallFailed  = 2
	// pageSize is the number of items of a page, as DynamoDB's 1 MB and S3's pages have.
	pageSize = 1000
	// pausedPart is the part of the large dataset's objects that a pause delays: one of a
	// hundred.
	pausedPart = 100
)

var (
	noon  = time.Date(2026, 12, 1, 12, 0, 0, 0, time.UTC)
	began = noon.Add(-1000 * time.Hour)
	// delayLast is the time of the last try at a paused object.
	delayLast = number(noon.Add(-5 * time.Minute).UnixMilli())
)

// store has a journal, the buckets and the ledgers of a number of objects. It makes each
// object on the fly, so its memory doesn't grow with the number.
type store struct {
	objects int

	mutex sync.Mutex
	// requests and items count the requests and the read items of DynamoDB, S3 and the
	// ledgers.
	requests, items int
	// swept is the item of the sweeps, and sent has the continuations of a sweep.
	swept map[string]types.AttributeValue
	sent  []string
}

// read counts a request and its items.
func (s *store) read(items int) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.requests++
	s.items += items
}

func dataset(i int) string {
	if i < smallObjects {
		return "shop.small"
	}
	return "shop.large"
}

func landed(i int) object.Object {
	return object.Object{Bucket: "landing", Key: strings.Replace(dataset(i), ".", "/", 1) + fmt.Sprintf("/%09d.csv", i), Version: "v1", Size: 7}
}

func receiptKey(i int) string {
	return object.Attempt{Dataset: dataset(i), Object: landed(i).ID(), Name: "00-01-a"}.Receipt()
}

// state returns the state of an object.
func state(i int) string {
	switch {
	case i < smallWaiting:
		return "transformed"
	case i < smallWaiting+smallFailed:
		return "failed"
	case i >= smallObjects && i%pausedPart == 0:
		return "transformed"
	default:
		return "loaded"
	}
}

const stampLayout = "2006-01-02T15:04:05.000000Z"

// progressed is a time of its own for each object.
func progressed(i int) string {
	return began.Add(time.Duration(i) * time.Microsecond).Format(stampLayout)
}

func text(value string) types.AttributeValue { return &types.AttributeValueMemberS{Value: value} }

func number(n int64) types.AttributeValue {
	return &types.AttributeValueMemberN{Value: strconv.FormatInt(n, 10)}
}

// entry is the journal item of an object.
func entry(i int) map[string]types.AttributeValue {
	o := landed(i)
	item := map[string]types.AttributeValue{
		"pk": text(string(o.ID())), "bucket": text(o.Bucket), "key": text(o.Key), "version": text(o.Version), "size": number(o.Size),
		"dataset": text(dataset(i)), "state": text(state(i)), "at_received": text(progressed(i)), "at_" + state(i): text(progressed(i)), "progressed_at": text(progressed(i)),
		"receipt_bucket": text("curated"), "receipt_key": text(receiptKey(i)), "engine": text("lambda"),
		"rows_read": number(10), "rows_written": number(9), "rows_rejected": number(1),
	}
	add := func(name, value string) { item[name] = text(value) }
	switch state(i) {
	case "loaded":
		add("load_id", "load")
		item["rows_loaded"] = number(9)
	case "failed":
		add("code", "bad_header")
		add("cause", "the header lacks a column")
		add("work_pk", "failed#"+dataset(i))
		add("work_sk", "bad_header#"+progressed(i)+"#"+string(o.ID()))
	default:
		add("work_pk", "waiting#"+dataset(i))
		add("work_sk", progressed(i)+"#"+string(o.ID()))
		add("stuck_pk", "transformed#"+string(o.ID())[:1])
		add("stuck_sk", progressed(i)+"#"+string(o.ID()))
		add("delay_code", "dataset_paused")
		item["delay_last"], item["delay_next"], item["delay_tries"] = delayLast, delayLast, number(7)
	}
	return item
}

// The small dataset's objects by id.
var smallIDs = func() map[string]int {
	all := make(map[string]int)
	for i := range smallObjects {
		all[string(landed(i).ID())] = i
	}
	return all
}()

func (s *store) BatchGetItem(_ context.Context, in *dynamodb.BatchGetItemInput, _ ...func(*dynamodb.Options)) (*dynamodb.BatchGetItemOutput, error) {
	found := make(map[string][]map[string]types.AttributeValue)
	for table, asked := range in.RequestItems {
		for _, key := range asked.Keys {
			i, known := smallIDs[key["pk"].(*types.AttributeValueMemberS).Value]
			if !known {
				return nil, fmt.Errorf("a read of an object of another dataset")
			}
			found[table] = append(found[table], entry(i))
		}
		s.read(len(found[table]))
	}
	return &dynamodb.BatchGetItemOutput{Responses: found}, nil
}

func (s *store) GetItem(_ context.Context, in *dynamodb.GetItemInput, _ ...func(*dynamodb.Options)) (*dynamodb.GetItemOutput, error) {
	s.read(1)
	if in.Key["pk"].(*types.AttributeValueMemberS).Value == "sweep" {
		return &dynamodb.GetItemOutput{Item: s.swept}, nil
	}
	return &dynamodb.GetItemOutput{}, nil
}

func (*store) PutItem(context.Context, *dynamodb.PutItemInput, ...func(*dynamodb.Options)) (*dynamodb.PutItemOutput, error) {
	return nil, fmt.Errorf("no command of this benchmark writes an item")
}

// UpdateItem keeps the end of the sweep.
func (s *store) UpdateItem(_ context.Context, in *dynamodb.UpdateItemInput, _ ...func(*dynamodb.Options)) (*dynamodb.UpdateItemOutput, error) {
	s.swept = map[string]types.AttributeValue{"pk": text("sweep"), "swept": in.ExpressionAttributeValues[":swept"]}
	return &dynamodb.UpdateItemOutput{}, nil
}

// Query reads a partition of an index. A start key and the value :after are sort keys.
func (s *store) Query(_ context.Context, in *dynamodb.QueryInput, _ ...func(*dynamodb.Options)) (*dynamodb.QueryOutput, error) {
	index := aws.ToString(in.IndexName)
	value := func(name string) string {
		found, _ := in.ExpressionAttributeValues[name].(*types.AttributeValueMemberS)
		if found == nil {
			return ""
		}
		return found.Value
	}
	after := value(":after")
	if start, found := in.ExclusiveStartKey[index+"_sk"].(*types.AttributeValueMemberS); found {
		after = start.Value
	}
	if strings.Contains(aws.ToString(in.KeyConditionExpression), "#s > :s") {
		after = value(":s")
	}
	limit := pageSize
	if in.Limit != nil {
		limit = min(limit, int(*in.Limit))
	}
	output := &dynamodb.QueryOutput{}
	for i := s.first(value(":p"), after); i < s.objects; i = s.next(value(":p"), i) {
		item := entry(i)
		sortKey := item[index+"_sk"].(*types.AttributeValueMemberS).Value
		if index == "stuck" && item["stuck_pk"].(*types.AttributeValueMemberS).Value != value(":p") || sortKey <= after {
			continue
		}
		if len(output.Items) == limit {
			output.LastEvaluatedKey = output.Items[limit-1]
			break
		}
		output.Items = append(output.Items, item)
	}
	output.Count = int32(len(output.Items))
	s.read(len(output.Items))
	return output, nil
}

// first is the first object of a partition that can be after a sort key.
func (s *store) first(partition, after string) int {
	switch {
	case partition == "waiting#shop.small":
		return 0
	case partition == "failed#shop.small":
		return smallWaiting
	case partition != "waiting#shop.large" && !strings.HasPrefix(partition, "transformed#"):
		return s.objects
	case after != "":
		at, err := time.Parse(stampLayout, after[:strings.IndexByte(after, '#')])
		if err != nil {
			panic(err)
		}
		return int(at.Sub(began) / time.Microsecond / pausedPart * pausedPart)
	case partition == "waiting#shop.large":
		return pausedPart
	default:
		return 0
	}
}

// next is the next object of a partition.
func (s *store) next(partition string, i int) int {
	switch {
	case partition == "failed#shop.small" && i+1 < smallWaiting+smallFailed, i+1 < smallWaiting && partition != "failed#shop.small":
		return i + 1
	case strings.HasSuffix(partition, "#shop.small"):
		return s.objects
	default:
		return (i/pausedPart + 1) * pausedPart
	}
}

// Scan reads the whole journal.
func (s *store) Scan(_ context.Context, in *dynamodb.ScanInput, _ ...func(*dynamodb.Options)) (*dynamodb.ScanOutput, error) {
	first := 0
	if place, found := in.ExclusiveStartKey["place"].(*types.AttributeValueMemberN); found {
		first, _ = strconv.Atoi(place.Value)
	}
	output := &dynamodb.ScanOutput{}
	last := min(s.objects, first+pageSize)
	for i := first; i < last; i++ {
		output.Items = append(output.Items, entry(i))
	}
	if last < s.objects {
		output.LastEvaluatedKey = map[string]types.AttributeValue{"place": number(int64(last))}
	}
	s.read(len(output.Items))
	return output, nil
}

// page returns the objects of a page below a prefix, and the place of the next page.
func (s *store) page(prefix, place string) (first, last int, next *string) {
	first, end := 0, s.objects
	switch {
	case strings.HasPrefix(prefix, "shop/small"):
		end = min(smallObjects, s.objects)
	case strings.HasPrefix(prefix, "shop/large"):
		first = smallObjects
	}
	if place != "" {
		first, _ = strconv.Atoi(place)
	}
	last = min(end, first+pageSize)
	if last < end {
		next = aws.String(strconv.Itoa(last))
	}
	return first, last, next
}

func (s *store) ListObjectVersions(_ context.Context, in *s3.ListObjectVersionsInput, _ ...func(*s3.Options)) (*s3.ListObjectVersionsOutput, error) {
	first, last, next := s.page(aws.ToString(in.Prefix), aws.ToString(in.KeyMarker))
	output := &s3.ListObjectVersionsOutput{NextKeyMarker: next, NextVersionIdMarker: next, IsTruncated: aws.Bool(next != nil)}
	for i := first; i < last; i++ {
		o := landed(i)
		output.Versions = append(output.Versions, s3types.ObjectVersion{
			Key: aws.String(o.Key), VersionId: aws.String(o.Version), Size: aws.Int64(o.Size), LastModified: aws.Time(began), IsLatest: aws.Bool(true),
		})
	}
	s.read(len(output.Versions))
	return output, nil
}

func (s *store) ListObjectsV2(_ context.Context, in *s3.ListObjectsV2Input, _ ...func(*s3.Options)) (*s3.ListObjectsV2Output, error) {
	first, last, next := s.page(aws.ToString(in.Prefix), aws.ToString(in.ContinuationToken))
	output := &s3.ListObjectsV2Output{NextContinuationToken: next, IsTruncated: aws.Bool(next != nil)}
	for i := first; i < last; i++ {
		output.Contents = append(output.Contents, s3types.Object{Key: aws.String(receiptKey(i))})
	}
	s.read(len(output.Contents))
	return output, nil
}

// EachCount has the ledger rows of the loaded objects of a dataset.
func (s *store) EachCount(_ context.Context, c *contract.Contract, do func(ledger.Count) error) ([]ledger.Lock, error) {
	first, end := 0, min(smallObjects, s.objects)
	if c.Dataset() == "shop.large" {
		first, end = smallObjects, s.objects
	}
	for i := first; i < end; i++ {
		if (i-first)%pageSize == 0 {
			s.read(min(pageSize, end-i))
		}
		if state(i) != "loaded" {
			continue
		}
		o := landed(i)
		row := &ledger.Row{ID: o.ID(), Object: o, LoadID: "load", RowsRead: 10, RowsWritten: 9, RowsRejected: 1, RowsLoaded: 9, LoadedAt: began}
		if err := do(ledger.Count{ID: row.ID, Row: row, Rows: 9, Rejects: 1}); err != nil {
			return nil, err
		}
	}
	return []ledger.Lock{{Contract: c.Version}}, nil
}

// SendMessageBatch keeps the continuations of a sweep.
func (s *store) SendMessageBatch(_ context.Context, in *sqs.SendMessageBatchInput, _ ...func(*sqs.Options)) (*sqs.SendMessageBatchOutput, error) {
	output := &sqs.SendMessageBatchOutput{}
	for _, e := range in.Entries {
		if _, err := work.DecodeSweep(aws.ToString(e.MessageBody)); err == nil {
			s.sent = append(s.sent, aws.ToString(e.MessageBody))
		}
		output.Successful = append(output.Successful, sqstypes.SendMessageBatchResultEntry{Id: e.Id})
	}
	return output, nil
}
