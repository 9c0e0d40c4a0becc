package transform

import (
	"context"
	"errors"
	"sync/atomic"

	"github.com/firn-data/firn/internal/engine/parquetfile"
	"github.com/firn-data/firn/internal/engine/row"
	"github.com/firn-data/firn/internal/work"
)

// rollBytes is the size at which a file is closed and the next one begins.
// Snowflake loads files of 100 to 250 MB best
// (docs.snowflake.com, data-load-considerations-prepare).
const rollBytes = 200 << 20

// output writes batches to files of one layout, in a goroutine of its own. No
// file appears before commit.
type output struct {
	store  Store
	bucket string
	// key names the nth file, from 0.
	key    func(n int) string
	layout parquetfile.Layout
	level  parquetfile.Level
	// roll is the size in bytes at which the next file begins.
	roll int64

	// pending are the batches to be written, and free the empty ones; nil until
	// there is something to write.
	pending, free chan *row.Batch
	// ended is closed when no more is written; err is why, if it failed.
	ended  chan struct{}
	err    error
	failed atomic.Bool
	closed bool

	// current is nil between files.
	current *parquetfile.File
	// uploads are all that were begun, files those that are complete.
	uploads []Upload
	files   []work.File
}

// batchesPerOutput is how many there are of an output: one is filled, one waits, and
// one is written.
const batchesPerOutput = 3

// write hands the batch over, and returns an empty one to be filled next. An
// empty batch opens no file.
func (o *output) write(ctx context.Context, batch *row.Batch) (*row.Batch, error) {
	if batch.Len() == 0 {
		return batch, nil
	}
	if o.pending == nil {
		o.begin(ctx, batch)
	}
	o.pending <- batch
	if o.failed.Load() {
		return nil, o.end()
	}
	return <-o.free, nil
}

func (o *output) begin(ctx context.Context, batch *row.Batch) {
	o.pending, o.free, o.ended = make(chan *row.Batch, 1), make(chan *row.Batch, batchesPerOutput), make(chan struct{})
	for range batchesPerOutput - 1 {
		o.free <- batch.NewSharingUnique()
	}
	go func() {
		defer close(o.ended)
		for full := range o.pending {
			if o.err == nil {
				o.err = o.encode(ctx, full)
				o.failed.Store(o.err != nil)
			}
			full.Reset()
			o.free <- full
		}
	}()
}

// end waits until all batches are written, and returns why one wasn't.
func (o *output) end() error {
	if o.pending == nil {
		return nil
	}
	if !o.closed {
		close(o.pending)
		o.closed = true
	}
	<-o.ended
	return o.err
}

func (o *output) encode(ctx context.Context, batch *row.Batch) error {
	if o.current == nil {
		upload := o.store.Create(ctx, work.Location{Bucket: o.bucket, Key: o.key(len(o.files))})
		o.uploads = append(o.uploads, upload)
		o.current = parquetfile.New(upload, o.layout, o.level)
	}
	if err := o.current.Write(batch); err != nil {
		return err
	}
	if o.current.Size() >= o.roll {
		return o.close()
	}
	return nil
}

// finish writes what is left, and ends the file that is open.
func (o *output) finish() error {
	if err := o.end(); err != nil {
		return err
	}
	return o.close()
}

// close ends the file that is open, if one is.
func (o *output) close() error {
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
	_ = o.end() // its fault was the reason to abort, or comes second to it
	var failures []error
	for _, upload := range o.uploads {
		failures = append(failures, upload.Abort(ctx))
	}
	return errors.Join(failures...)
}
