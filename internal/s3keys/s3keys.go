// Package s3keys lets a client of S3 list keys with any character. A list is XML, and
// XML 1.0 has no control characters: a single key with such a character makes the whole
// list unreadable. S3 encodes the keys of a list on request (AmazonS3 API reference,
// ListObjectVersions and ListObjectsV2, encoding-type).
package s3keys

import (
	"context"
	"fmt"
	"net/url"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go/middleware"
)

// Encode is an option for s3.NewFromConfig. The client requests encoded keys in every
// list of versions and in every list of objects, and decodes the keys, prefixes and
// markers of the answer. So a caller and a paginator of the SDK see plain keys only.
func Encode(o *s3.Options) {
	o.APIOptions = append(o.APIOptions, func(stack *middleware.Stack) error {
		return stack.Initialize.Add(encoder{}, middleware.Before)
	})
}

// encoder is the step that Encode adds to each request.
type encoder struct{}

// ID implements middleware.InitializeMiddleware.
func (encoder) ID() string { return "firn:EncodeKeys" }

// HandleInitialize implements middleware.InitializeMiddleware.
func (encoder) HandleInitialize(ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler) (
	out middleware.InitializeOutput, metadata middleware.Metadata, err error,
) {
	switch input := in.Parameters.(type) {
	case *s3.ListObjectVersionsInput:
		encoded := *input
		encoded.EncodingType = types.EncodingTypeUrl
		in.Parameters = &encoded
	case *s3.ListObjectsV2Input:
		encoded := *input
		encoded.EncodingType = types.EncodingTypeUrl
		in.Parameters = &encoded
	default:
		return next.HandleInitialize(ctx, in)
	}
	out, metadata, err = next.HandleInitialize(ctx, in)
	if err == nil {
		err = decode(out.Result)
	}
	return out, metadata, err
}

// decode decodes the texts of a list in place. A list without the name of the encoding
// isn't encoded.
func decode(list any) error {
	switch output := list.(type) {
	case *s3.ListObjectVersionsOutput:
		if output.EncodingType != types.EncodingTypeUrl {
			return nil
		}
		texts := []**string{&output.KeyMarker, &output.NextKeyMarker, &output.Prefix, &output.Delimiter}
		for i := range output.Versions {
			texts = append(texts, &output.Versions[i].Key)
		}
		for i := range output.DeleteMarkers {
			texts = append(texts, &output.DeleteMarkers[i].Key)
		}
		return decodeTexts(append(texts, prefixes(output.CommonPrefixes)...))
	case *s3.ListObjectsV2Output:
		if output.EncodingType != types.EncodingTypeUrl {
			return nil
		}
		texts := []**string{&output.StartAfter, &output.Prefix, &output.Delimiter}
		for i := range output.Contents {
			texts = append(texts, &output.Contents[i].Key)
		}
		return decodeTexts(append(texts, prefixes(output.CommonPrefixes)...))
	}
	return nil
}

func prefixes(common []types.CommonPrefix) []**string {
	texts := make([]**string, len(common))
	for i := range common {
		texts[i] = &common[i].Prefix
	}
	return texts
}

// decodeTexts decodes S3's form encoding: "+" is a space and "%2B" is a plus, as in the
// messages about events. boto3 decodes lists in the same way (botocore,
// handlers.decode_list_object).
func decodeTexts(texts []**string) error {
	for _, text := range texts {
		if *text == nil {
			continue
		}
		plain, err := url.QueryUnescape(**text)
		if err != nil {
			return fmt.Errorf("decode key %q of a list: %w", **text, err)
		}
		*text = &plain
	}
	return nil
}
