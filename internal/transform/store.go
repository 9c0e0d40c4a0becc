package transform

import (
	"context"
	"io"

	"github.com/firn-data/firn/internal/object"
	"github.com/firn-data/firn/internal/work"
)

// Store reads objects and writes files. Its errors are faults: object_gone and
// object_archived (permanent), object_denied and key_refused (counted), access_denied
// and store_away (never counted).
type Store interface {
	// Open returns the stored bytes of exactly this version. A broken read is resumed
	// or fails: io.EOF means that all bytes were read.
	Open(ctx context.Context, o object.Object) (io.ReadCloser, error)
	// Create starts a file. The file becomes visible by Commit.
	Create(ctx context.Context, at work.Location) Upload
	// Put writes a small file in one request.
	Put(ctx context.Context, at work.Location, body []byte) error
}

// Upload is an open file.
type Upload interface {
	io.Writer
	// Commit makes the whole file visible. No write may follow.
	Commit(ctx context.Context) error
	// Abort drops the written bytes. After Commit, Abort has no effect.
	Abort(ctx context.Context) error
}
