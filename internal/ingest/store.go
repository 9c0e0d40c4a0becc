package ingest

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/firn-data/firn/internal/contract"
	"github.com/firn-data/firn/internal/fault"
)

// S3 is the stage's part of the object store.
type S3 interface {
	PutObject(context.Context, *s3.PutObjectInput, ...func(*s3.Options)) (*s3.PutObjectOutput, error)
}

// Landing is the landing bucket.
type Landing struct {
	S3     S3
	Bucket string
}

// ManifestName is the last part of a manifest's key. No dataset claims the key.
const ManifestName = "_manifest.json"

// Manifest describes the result of a run. The manifest is written last, so all its
// parts exist.
type Manifest struct {
	Dataset string `json:"dataset"`
	RunID   string `json:"run_id"`
	// Contract is the version of the contract with the source.
	Contract string    `json:"contract"`
	Source   string    `json:"source"`
	Start    time.Time `json:"start"`
	End      time.Time `json:"end"`
	Rows     int       `json:"rows"`
	Parts    []Part    `json:"parts"`
	// Passes is the number of passes over the pages. A number above 1 means that the
	// source changed during the run.
	Passes     int       `json:"passes"`
	StartedAt  time.Time `json:"started_at"`
	FinishedAt time.Time `json:"finished_at"`
}

// Part is an object of a run: the records of a page, one JSON record in a line,
// compressed with gzip.
type Part struct {
	Key   string `json:"key"`
	Rows  int    `json:"rows"`
	Bytes int    `json:"bytes"`
	// SHA256 is the hexadecimal hash of the object's bytes.
	SHA256 string `json:"sha256"`
}

// prefix returns the key prefix of a run. The prefix belongs to the contract of the
// dataset.
func prefix(c *contract.Contract, i Interval) string {
	return c.KeyPrefix + "run=" + i.RunID() + "/"
}

// partKey returns the key of a part. n is the number of the part, from 1.
func partKey(prefix string, n int) string {
	return fmt.Sprintf("%spart-%05d.ndjson.gz", prefix, n)
}

// partWriter collects the records of a part. Equal records give equal bytes, because
// the gzip header has no name and no time.
type partWriter struct {
	compressed bytes.Buffer
	writer     *gzip.Writer
	rows       int
}

func newPartWriter() *partWriter {
	l := &partWriter{}
	l.writer = gzip.NewWriter(&l.compressed)
	return l
}

func (l *partWriter) add(record []byte) error {
	l.rows++
	if _, err := l.writer.Write(record); err != nil {
		return err
	}
	_, err := l.writer.Write([]byte{'\n'})
	return err
}

func (l *partWriter) close() ([]byte, error) {
	err := l.writer.Close()
	return l.compressed.Bytes(), err
}

// putPart writes the records as an object.
func (b Landing) putPart(ctx context.Context, key string, l *partWriter) (Part, error) {
	body, err := l.close()
	if err != nil {
		return Part{}, fmt.Errorf("compress %s: %w", key, err)
	}
	sum := sha256.Sum256(body)
	part := Part{Key: key, Rows: l.rows, Bytes: len(body), SHA256: hex.EncodeToString(sum[:])}
	return part, b.put(ctx, key, "application/x-ndjson", body)
}

// overwritePart overwrites a part with an empty line, which isn't a record. The new
// version replaces the part's rows in the table.
func (b Landing) overwritePart(ctx context.Context, key string) error {
	l := newPartWriter()
	if _, err := l.writer.Write([]byte{'\n'}); err != nil {
		return err
	}
	_, err := b.putPart(ctx, key, l)
	return err
}

func (b Landing) putManifest(ctx context.Context, prefix string, m Manifest) error {
	body, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return fmt.Errorf("encode manifest: %w", err)
	}
	return b.put(ctx, prefix+ManifestName, "application/json", append(body, '\n'))
}

func (b Landing) put(ctx context.Context, key, contentType string, body []byte) error {
	_, err := b.S3.PutObject(ctx, &s3.PutObjectInput{
		Bucket:      aws.String(b.Bucket),
		Key:         aws.String(key),
		Body:        bytes.NewReader(body),
		ContentType: aws.String(contentType),
	})
	if err != nil {
		f := fault.AWS("write landing object", fault.StoreAway, err)
		f.Subject = "s3://" + b.Bucket + "/" + key
		return f
	}
	return nil
}
