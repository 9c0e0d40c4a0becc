package s3keys_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/google/go-cmp/cmp"

	"github.com/firn-data/firn/internal/s3keys"
)

// service answers each request with the next body, and keeps the queries.
type service struct {
	bodies  []string
	queries []string
}

func (s *service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.queries = append(s.queries, r.URL.RawQuery)
	body := s.bodies[0]
	s.bodies = s.bodies[1:]
	fmt.Fprint(w, `<?xml version="1.0" encoding="UTF-8"?>`+body)
}

func newClient(t *testing.T, bodies ...string) (*s3.Client, *service) {
	t.Helper()
	answers := &service{bodies: bodies}
	server := httptest.NewServer(answers)
	t.Cleanup(server.Close)
	return s3.New(s3.Options{
		Region: "us-east-1", BaseEndpoint: aws.String(server.URL), UsePathStyle: true,
		Credentials: credentials.NewStaticCredentialsProvider("a", "b", ""),
	}, s3keys.Encode), answers
}

// TestListOfVersionsIsDecoded reads a list of two pages. The marker of the first page is
// encoded in the answer, and must be the plain key in the next request.
func TestListOfVersionsIsDecoded(t *testing.T) {
	t.Parallel()
	client, answers := newClient(t,
		`<ListVersionsResult><EncodingType>url</EncodingType><IsTruncated>true</IsTruncated><Prefix>a+</Prefix>
			<NextKeyMarker>a+b%2B%01.csv</NextKeyMarker><NextVersionIdMarker>v1</NextVersionIdMarker>
			<Version><Key>a+%0Ab%25.csv</Key><VersionId>v9</VersionId></Version><Version><Key>a+b%2B%01.csv</Key></Version>
			<DeleteMarker><Key>a+%0D</Key></DeleteMarker><CommonPrefixes><Prefix>a+%09/</Prefix></CommonPrefixes></ListVersionsResult>`,
		`<ListVersionsResult><EncodingType>url</EncodingType><KeyMarker>a+b%2B%01.csv</KeyMarker><Version><Key>%E6%97%A5</Key></Version></ListVersionsResult>`)
	pages := s3.NewListObjectVersionsPaginator(client, &s3.ListObjectVersionsInput{Bucket: aws.String("b"), Prefix: aws.String("a ")})
	var got []string
	for pages.HasMorePages() {
		page, err := pages.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, aws.ToString(page.Prefix), aws.ToString(page.KeyMarker))
		for _, v := range page.Versions {
			got = append(got, aws.ToString(v.Key))
		}
		for _, m := range page.DeleteMarkers {
			got = append(got, aws.ToString(m.Key))
		}
		for _, p := range page.CommonPrefixes {
			got = append(got, aws.ToString(p.Prefix))
		}
	}
	want := []string{"a ", "", "a \nb%.csv", "a b+\x01.csv", "a \r", "a \t/", "", "a b+\x01.csv", "日"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("keys (-want +got):\n%s", diff)
	}
	for i, query := range answers.queries {
		if !strings.Contains(query, "encoding-type=url") {
			t.Errorf("request %d asks for no encoding: %s", i, query)
		}
	}
	if marker := "key-marker=a%20b%2B%01.csv"; !strings.Contains(answers.queries[1], marker) {
		t.Errorf("the second request is %s, want %s", answers.queries[1], marker)
	}
}

func TestListOfObjectsIsDecoded(t *testing.T) {
	t.Parallel()
	client, answers := newClient(t,
		`<ListBucketResult><EncodingType>url</EncodingType><Prefix>a+b</Prefix><StartAfter>a+</StartAfter><Delimiter>+</Delimiter>
			<Contents><Key>a+b%2Bc%0A</Key></Contents><CommonPrefixes><Prefix>a+</Prefix></CommonPrefixes></ListBucketResult>`)
	page, err := client.ListObjectsV2(t.Context(), &s3.ListObjectsV2Input{Bucket: aws.String("b")})
	if err != nil {
		t.Fatal(err)
	}
	got := []*string{page.Prefix, page.StartAfter, page.Delimiter, page.Contents[0].Key, page.CommonPrefixes[0].Prefix}
	if diff := cmp.Diff(aws.StringSlice([]string{"a b", "a ", " ", "a b+c\n", "a "}), got); diff != "" {
		t.Errorf("keys (-want +got):\n%s", diff)
	}
	if !strings.Contains(answers.queries[0], "encoding-type=url") {
		t.Errorf("the request asks for no encoding: %s", answers.queries[0])
	}
}

// TestPlainListIsNotDecoded: a service without the encoding doesn't name the encoding.
func TestPlainListIsNotDecoded(t *testing.T) {
	t.Parallel()
	client, _ := newClient(t,
		`<ListVersionsResult><Version><Key>a+b%25</Key></Version></ListVersionsResult>`,
		`<ListBucketResult><Contents><Key>a+b%25</Key></Contents></ListBucketResult>`)
	versions, err := client.ListObjectVersions(t.Context(), &s3.ListObjectVersionsInput{Bucket: aws.String("b")})
	if err != nil || aws.ToString(versions.Versions[0].Key) != "a+b%25" {
		t.Errorf("versions %+v, %v", versions, err)
	}
	objects, err := client.ListObjectsV2(t.Context(), &s3.ListObjectsV2Input{Bucket: aws.String("b")})
	if err != nil || aws.ToString(objects.Contents[0].Key) != "a+b%25" {
		t.Errorf("objects %+v, %v", objects, err)
	}
}

func TestBadEncodingIsAnError(t *testing.T) {
	t.Parallel()
	client, _ := newClient(t, `<ListVersionsResult><EncodingType>url</EncodingType><Version><Key>100%</Key></Version></ListVersionsResult>`)
	if _, err := client.ListObjectVersions(t.Context(), &s3.ListObjectVersionsInput{Bucket: aws.String("b")}); err == nil || !strings.Contains(err.Error(), `"100%"`) {
		t.Errorf("got %v", err)
	}
}

// TestOtherRequestsStayUnchanged sends a request that isn't a list.
func TestOtherRequestsStayUnchanged(t *testing.T) {
	t.Parallel()
	client, answers := newClient(t, "")
	if _, err := client.GetObject(t.Context(), &s3.GetObjectInput{Bucket: aws.String("b"), Key: aws.String("k")}); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(answers.queries[0], "encoding") {
		t.Errorf("the query is %s", answers.queries[0])
	}
}
