package transform

import (
	"context"
	"errors"

	"github.com/firn-data/firn/internal/transform/parquetfile"
	"github.com/firn-data/firn/internal/transform/row"
	"github.com/firn-data/firn/internal/work"
)

// rollBytes is the size at which a file is closed and the next one begins.
// Snowflake loads files of 100 to 250 MB best
// (docs.snowflake.com, data-load-considerations-prepare).
const rollBytes = 200 << 20

// output writes batches to files of one layout. No file appears before commit.
type output struct {
	store  Store
	bucket string
	// key names the nth file, from 0.
	key    func(n int) string
	layout parquetfile.Layout
	// roll is the size in bytes at which the next file begins.
	roll int64
	// current is nil between files.
	current *parquetfile.File
	// uploads are all that were begun, files those that are complete.
	uploads []Upload
	files   []work.File
}

// write appends the batch and resets it. An empty batch opens no file.
func (o *output) write(ctx context.Context, batch *row.Batch) error {
	if batch.Len() == 0 {
		return nil
	}
	if o.current == nil {
		upload := o.store.Create(ctx, work.Location{Bucket: o.bucket, Key: o.key(len(o.files))})
		o.uploads = append(o.uploads, upload)
		o.current = parquetfile.New(upload, o.layout)
	}
	if err := o.current.Write(batch); err != nil {
		return err
	}
	batch.Reset()
	if o.current.Size() >= o.roll {
		return o.finish()
	}
	return nil
}

// finish ends the file that is open, if one is.
func (o *output) finish() error {
	if o.current == nil {
		return nil
	}
	if err := o.current.Close(); err != nil {
		return err
	}
	o.files = append(o.files, work.File{Key: o.key(len(o.files)), Rows: o.current.Rows(), Bytes: o.current.Size()})
	o.current = nil
	return nil
}

// commit makes the files appear and returns them.
func (o *output) commit(ctx context.Context) ([]work.File, error) {
	for _, upload := range o.uploads {
		if err := upload.Commit(ctx); err != nil {
			return nil, err
		}
	}
	return append([]work.File{}, o.files...), nil
}

// abort drops all files, those too that were finished.
func (o *output) abort(ctx context.Context) error {
	var failures []error
	for _, upload := range o.uploads {
		failures = append(failures, upload.Abort(ctx))
	}
	return errors.Join(failures...)
}
