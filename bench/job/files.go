package job

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/object"
	"github.com/firn-data/firn/internal/transform"
	"github.com/firn-data/firn/internal/work"
)

// Files is a store of local files. An object's key is the path of a file to read. A
// bucket is a folder for files to write.
type Files struct{}

var _ transform.Store = Files{}

// Open opens the file with the path in the object's key. A missing file is a fault with
// code object_gone.
func (Files) Open(_ context.Context, o object.Object) (io.ReadCloser, error) {
	file, err := os.Open(o.Key)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fault.Permanentf("read landing object", fault.ObjectGone, "%w", err)
	}
	return file, err
}

// Create starts a file under a temporary name. Commit gives the file its final name.
func (Files) Create(_ context.Context, at work.Location) transform.Upload {
	return &upload{path: filepath.Join(at.Bucket, filepath.FromSlash(at.Key))}
}

// Put writes a whole small file.
func (f Files) Put(ctx context.Context, at work.Location, body []byte) error {
	u := f.Create(ctx, at)
	if _, err := u.Write(body); err != nil {
		return err
	}
	return u.Commit(ctx)
}

type upload struct {
	path string
	// file is nil before the first write.
	file *os.File
	done bool
}

func (u *upload) partial() string { return u.path + ".partial" }

func (u *upload) open() (err error) {
	if u.file != nil {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(u.path), 0o755); err != nil {
		return fmt.Errorf("write %s: %w", u.path, err)
	}
	if u.file, err = os.Create(u.partial()); err != nil {
		return fmt.Errorf("write %s: %w", u.path, err)
	}
	return nil
}

// Write implements io.Writer.
func (u *upload) Write(p []byte) (int, error) {
	if err := u.open(); err != nil {
		return 0, err
	}
	return u.file.Write(p)
}

// Commit renames the file to its final name.
func (u *upload) Commit(context.Context) error {
	if err := errors.Join(u.open(), u.file.Close()); err != nil {
		return err
	}
	u.done = true
	return os.Rename(u.partial(), u.path)
}

// Abort removes the temporary file. After Commit, Abort does nothing.
func (u *upload) Abort(context.Context) error {
	if u.done || u.file == nil {
		return nil
	}
	return errors.Join(u.file.Close(), os.Remove(u.partial()))
}
