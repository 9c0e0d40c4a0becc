package transform

import (
	"context"
	"io"

	"github.com/firn-data/firn/internal/object"
	"github.com/firn-data/firn/internal/work"
)

// Store is where objects come from and where files go. Its errors are faults:
// object_gone (permanent), access_denied and store_away (they never count).
type Store interface {
	// Open returns the bytes of exactly this version, as stored. A read that
	// breaks off is resumed or fails: io.EOF means that all bytes came.
	Open(ctx context.Context, o object.Object) (io.ReadCloser, error)
	// Create begins a file that appears only when it is committed.
	Create(ctx context.Context, at work.Location) Upload
	// Put writes a small file at once.
	Put(ctx context.Context, at work.Location, body []byte) error
}

// Upload is a file that is being written.
type Upload interface {
	io.Writer
	// Commit makes the file appear, whole. Nothing may be written afterwards.
	Commit(ctx context.Context) error
	// Abort drops what was written. It is harmless after Commit.
	Abort(ctx context.Context) error
}
