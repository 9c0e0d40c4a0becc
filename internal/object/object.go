// Package object names one version of an S3 key. firn transforms, loads, retries and
// reports such versions.
package object

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
)

// MarkerKey is the key of firn's own object in the landing bucket. transform reads the
// marker to tell an unreadable object from a missing grant. The name begins with "_", so
// route ignores the marker.
const MarkerKey = "_firn/_marker"

// Object is one version of one S3 key.
type Object struct {
	// Bucket is the name of the bucket, without scheme or region.
	Bucket string `json:"bucket"`
	// Key is the decoded key, not the form-encoded key of S3 events.
	Key string `json:"key"`
	// Version is S3's version id. Empty only in a bucket that was never versioned;
	// firn's buckets are versioned.
	Version string `json:"version"`
	// ETag is S3's entity tag without quotes. The tag of a multipart upload isn't a
	// hash.
	ETag string `json:"etag,omitempty"`
	// Size is the length in bytes in S3, before decompression.
	Size int64 `json:"size"`
	// Sequencer orders the versions of a key, in the form of NormalizeSequencer. Empty
	// for an object without an event.
	Sequencer string `json:"sequencer,omitempty"`
}

// ID is the first 32 hex digits of sha256 over bucket, key and version id, with NUL in
// between. The journal, the ledger, rows and mails use this id.
type ID string

const idDigits = 32

// ID returns the object's id.
func (o Object) ID() ID {
	return ID(hash(o.Bucket, o.Key, o.Version))
}

// KeyID returns an id of bucket and key without the version. The journal stores the
// newest version of the key under this id.
func KeyID(bucket, key string) string {
	return hash(bucket, key)
}

// URI returns s3://bucket/key, the form for commands and mails.
func (o Object) URI() string {
	return "s3://" + o.Bucket + "/" + o.Key
}

// ParseURI splits s3://bucket/key. The key isn't decoded.
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
