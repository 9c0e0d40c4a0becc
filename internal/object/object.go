// Package object names one version of one S3 key, the unit that firn
// transforms, loads, retries and reports.
package object

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
)

// Object is one version of one S3 key.
type Object struct {
	// Bucket is the bucket's name, without scheme or region.
	Bucket string `json:"bucket"`
	// Key is the key as its owner typed it: decoded, never form-encoded.
	Key string `json:"key"`
	// Version is S3's version id. Empty only for a bucket that was never
	// versioned, which firn's buckets are not.
	Version string `json:"version"`
	// ETag is S3's entity tag without quotes. Not a hash for multipart uploads.
	ETag string `json:"etag,omitempty"`
	// Size is the length in bytes as S3 stores it (compressed, if it is).
	Size int64 `json:"size"`
	// Sequencer orders the versions of one key, in the form that
	// NormalizeSequencer gives. Empty where no event announced the object.
	Sequencer string `json:"sequencer,omitempty"`
}

// ID is the first 32 hex digits of sha256 over bucket, key and version id,
// NUL between them. It names an object in the journal, the ledger, each row
// and each mail.
type ID string

const idDigits = 32

// ID returns the object's id.
func (o Object) ID() ID {
	return ID(hash(o.Bucket, o.Key, o.Version))
}

// KeyID identifies bucket and key whatever the version: the journal's name for
// "the newest version of this key".
func KeyID(bucket, key string) string {
	return hash(bucket, key)
}

// URI returns s3://bucket/key, the form that operators type.
func (o Object) URI() string {
	return "s3://" + o.Bucket + "/" + o.Key
}

// ParseURI splits s3://bucket/key. The key is taken literally: nothing in it
// is decoded.
func ParseURI(uri string) (bucket, key string, err error) {
	rest, found := strings.CutPrefix(uri, "s3://")
	bucket, key, cut := strings.Cut(rest, "/")
	if !found || !cut || bucket == "" || key == "" {
		return "", "", fmt.Errorf("%q is no object: write s3://bucket/key", uri)
	}
	return bucket, key, nil
}

func hash(parts ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return hex.EncodeToString(sum[:])[:idDigits]
}

// IsID reports whether a text has the form of an object id.
func IsID(text string) bool {
	return len(text) == idDigits && strings.Trim(text, "0123456789abcdef") == ""
}
