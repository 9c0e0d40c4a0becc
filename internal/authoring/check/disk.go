package check

import (
	"context"
	"io"
	"os"
	"path/filepath"

	"github.com/firn-data/firn/internal/object"
	"github.com/firn-data/firn/internal/transform"
	"github.com/firn-data/firn/internal/work"
)

// localStore is a transform.Store of local files. An object's key is a path. Writes are
// discarded.
type localStore struct{}

// Open implements transform.Store.
func (localStore) Open(_ context.Context, o object.Object) (io.ReadCloser, error) {
	return os.Open(filepath.FromSlash(o.Key))
}

// Create implements transform.Store.
func (localStore) Create(context.Context, work.Location) transform.Upload {
	return discardedUpload{io.Discard}
}

// Put implements transform.Store.
func (localStore) Put(context.Context, work.Location, []byte) error { return nil }

type discardedUpload struct{ io.Writer }

// Commit implements transform.Upload.
func (discardedUpload) Commit(context.Context) error { return nil }

// Abort implements transform.Upload.
func (discardedUpload) Abort(context.Context) error { return nil }
