//go:build standin

package journal_test

import (
	"context"
	"maps"
	"regexp"
	"slices"
	"sync/atomic"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// strictDynamoDB checks each request against rules of DynamoDB that a stand-in may not
// check. The rules concern missing and unused placeholders, literal attribute names,
// and attributes with two changes. The pages are docs.aws.amazon.com,
// amazondynamodb/latest/developerguide, Expressions.UpdateExpressions and
// Expressions.ExpressionAttributeNames.
//
// Reads by key must be strongly consistent: otherwise a read after a refused write can
// miss the write that caused the refusal. A stand-in always returns the latest write,
// so only this check notices another read. DynamoDB refuses consistent reads of an
// index (HowItWorks.ReadConsistency).
type strictDynamoDB struct {
	*dynamodb.Client

	fatal func(format string, args ...any)
	// page is the maximum size of a page of a query; 0 means no limit.
	page int32
	// repeats makes each write twice, like the SDK after a lost answer.
	repeats bool
	// before runs once before the next write, like a faster writer.
	before  func()
	queries atomic.Int64
}

var (
	namePlaceholder  = regexp.MustCompile(`#\w+`)
	valuePlaceholder = regexp.MustCompile(`:\w+`)
	literal          = regexp.MustCompile(`\b[a-z_]+\b`)
	changed          = regexp.MustCompile(`#\w+(?: = :\w+| :\w+|,|$)`)
)

func (s *strictDynamoDB) UpdateItem(ctx context.Context, input *dynamodb.UpdateItemInput, options ...func(*dynamodb.Options)) (*dynamodb.UpdateItemOutput, error) {
	update := aws.ToString(input.UpdateExpression)
	s.check(update+" "+aws.ToString(input.ConditionExpression), input.ExpressionAttributeNames, input.ExpressionAttributeValues)
	var paths []string
	for _, clause := range changed.FindAllString(update, -1) {
		paths = append(paths, namePlaceholder.FindString(clause))
	}
	slices.Sort(paths)
	if len(slices.Compact(slices.Clone(paths))) != len(paths) {
		s.fatal("two clauses change the same attribute: %s", update)
	}
	if before := s.before; before != nil {
		s.before = nil
		before()
	}
	if s.repeats {
		if _, err := s.Client.UpdateItem(ctx, input, options...); err != nil {
			return nil, err
		}
	}
	return s.Client.UpdateItem(ctx, input, options...)
}

func (s *strictDynamoDB) GetItem(ctx context.Context, input *dynamodb.GetItemInput, options ...func(*dynamodb.Options)) (*dynamodb.GetItemOutput, error) {
	if !aws.ToBool(input.ConsistentRead) {
		s.fatal("the read of %s isn't strongly consistent", aws.ToString(input.TableName))
	}
	return s.Client.GetItem(ctx, input, options...)
}

func (s *strictDynamoDB) Query(ctx context.Context, input *dynamodb.QueryInput, options ...func(*dynamodb.Options)) (*dynamodb.QueryOutput, error) {
	s.queries.Add(1)
	if isIndex := input.IndexName != nil; aws.ToBool(input.ConsistentRead) == isIndex {
		s.fatal("the query of index %q has ConsistentRead = %t", aws.ToString(input.IndexName), aws.ToBool(input.ConsistentRead))
	}
	s.check(aws.ToString(input.KeyConditionExpression), input.ExpressionAttributeNames, input.ExpressionAttributeValues)
	if s.page > 0 && (input.Limit == nil || *input.Limit > s.page) {
		paged := *input
		paged.Limit = aws.Int32(s.page)
		input = &paged
	}
	return s.Client.Query(ctx, input, options...)
}

func (s *strictDynamoDB) Scan(ctx context.Context, input *dynamodb.ScanInput, options ...func(*dynamodb.Options)) (*dynamodb.ScanOutput, error) {
	if !aws.ToBool(input.ConsistentRead) {
		s.fatal("the scan of %s isn't strongly consistent", aws.ToString(input.TableName))
	}
	s.check(aws.ToString(input.FilterExpression), input.ExpressionAttributeNames, input.ExpressionAttributeValues)
	if s.page > 0 {
		paged := *input
		paged.Limit = aws.Int32(s.page)
		input = &paged
	}
	return s.Client.Scan(ctx, input, options...)
}

func (s *strictDynamoDB) check(expression string, names map[string]string, values map[string]types.AttributeValue) {
	if used := sortedSet(namePlaceholder.FindAllString(expression, -1)); !slices.Equal(used, slices.Sorted(maps.Keys(names))) {
		s.fatal("the request has the names %v, the expression %v: %s", slices.Sorted(maps.Keys(names)), used, expression)
	}
	if used := sortedSet(valuePlaceholder.FindAllString(expression, -1)); !slices.Equal(used, slices.Sorted(maps.Keys(values))) {
		s.fatal("the request has the values %v, the expression %v: %s", slices.Sorted(maps.Keys(values)), used, expression)
	}
	bare := valuePlaceholder.ReplaceAllString(namePlaceholder.ReplaceAllString(expression, ""), "")
	for _, word := range literal.FindAllString(bare, -1) {
		if word != "attribute_not_exists" && word != "attribute_exists" && word != "begins_with" && word != "size" {
			s.fatal("attribute %s has no placeholder: %s", word, expression)
		}
	}
}

func sortedSet(words []string) []string {
	slices.Sort(words)
	return slices.Compact(words)
}
