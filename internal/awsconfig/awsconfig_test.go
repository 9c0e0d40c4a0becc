package awsconfig_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/firn-data/firn/internal/awsconfig"
)

// earlyServer answers each request before net/http has seen the end of the body. Its
// first answer is an error, so that the SDK sends the body once more.
type earlyServer struct {
	t      *testing.T
	bodies []string
}

// Do implements aws.HTTPClient. It does the steps of net/http and of the SDK in the order
// of an early answer: a read of the whole body, the SDK's close, and the search for bytes
// behind the end.
func (s *earlyServer) Do(request *http.Request) (*http.Response, error) {
	content := make([]byte, request.ContentLength)
	if _, err := io.ReadFull(request.Body, content); err != nil {
		s.t.Errorf("read the body: %v", err)
	}
	s.bodies = append(s.bodies, string(content))
	if err := request.Body.Close(); err != nil {
		s.t.Errorf("close the body: %v", err)
	}
	if n, err := io.Copy(io.Discard, request.Body); n != 0 || err != nil {
		s.t.Errorf("behind the end of the body: %d bytes, %v; net/http would close the connection", n, err)
	}
	status := http.StatusOK
	if len(s.bodies) == 1 {
		status = http.StatusInternalServerError
	}
	return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader("{}"))}, nil
}

func TestEarlyAnswerIsKept(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "part")
	if err := os.WriteFile(path, []byte("a file"), 0o600); err != nil {
		t.Fatal(err)
	}
	put := func(body io.Reader) func(context.Context, aws.Config) error {
		return func(ctx context.Context, cfg aws.Config) error {
			_, err := s3.NewFromConfig(cfg).PutObject(ctx, &s3.PutObjectInput{Bucket: aws.String("b"), Key: aws.String("k"), Body: body})
			return err
		}
	}
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { file.Close() })
	for name, test := range map[string]struct {
		call func(context.Context, aws.Config) error
		want string
	}{
		"DynamoDB": {func(ctx context.Context, cfg aws.Config) error {
			_, err := dynamodb.NewFromConfig(cfg, func(o *dynamodb.Options) { o.DisableValidateResponseChecksum = true }).
				ListTables(ctx, &dynamodb.ListTablesInput{Limit: aws.Int32(7)})
			return err
		}, `{"Limit":7}`},
		"SQS": {func(ctx context.Context, cfg aws.Config) error {
			_, err := sqs.NewFromConfig(cfg).DeleteMessage(ctx, &sqs.DeleteMessageInput{QueueUrl: aws.String("q"), ReceiptHandle: aws.String("h")})
			return err
		}, `{"QueueUrl":"q","ReceiptHandle":"h"}`},
		"S3, bytes":  {put(bytes.NewReader([]byte("bytes"))), "bytes"},
		"S3, a file": {put(file), "a file"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := &earlyServer{t: t}
			cfg, err := awsconfig.Load(t.Context(), config.WithRegion("us-east-1"), config.WithCredentialsProvider(credentials.NewStaticCredentialsProvider("a", "b", "")))
			if err != nil {
				t.Fatal(err)
			}
			cfg.HTTPClient = server
			if err := test.call(t.Context(), cfg); err != nil {
				t.Error(err)
			}
			if len(server.bodies) != 2 || server.bodies[0] != server.bodies[1] || !strings.Contains(server.bodies[0], test.want) {
				t.Errorf("bodies %q, want two equal bodies with %q", server.bodies, test.want)
			}
		})
	}
}
