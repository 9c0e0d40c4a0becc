//go:build endtoend

package engines_test

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"

	"github.com/firn-data/firn/internal/object"
	"github.com/firn-data/firn/internal/transform"
	"github.com/firn-data/firn/internal/work"
)

// folderStore is a store with one folder per bucket. The Glue engine reads the same
// folders through file://.
type folderStore string

var _ transform.Store = folderStore("")

func (f folderStore) path(bucket, key string) string {
	return filepath.Join(string(f), bucket, filepath.FromSlash(key))
}

// Open implements transform.Store.
func (f folderStore) Open(_ context.Context, o object.Object) (io.ReadCloser, error) {
	return os.Open(f.path(o.Bucket, o.Key))
}

// Create implements transform.Store.
func (f folderStore) Create(_ context.Context, at work.Location) transform.Upload {
	return &upload{folder: f, at: at}
}

// Put implements transform.Store.
func (f folderStore) Put(_ context.Context, at work.Location, body []byte) error {
	path := f.path(at.Bucket, at.Key)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, body, 0o644)
}

type upload struct {
	bytes.Buffer
	folder folderStore
	at     work.Location
}

// Commit implements transform.Upload.
func (u *upload) Commit(ctx context.Context) error { return u.folder.Put(ctx, u.at, u.Bytes()) }

// Abort implements transform.Upload.
func (u *upload) Abort(context.Context) error { return nil }
