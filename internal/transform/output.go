package transform

import (
	"context"
	"errors"
	"sync/atomic"

	"github.com/firn-data/firn/internal/engine/parquetfile"
	"github.com/firn-data/firn/internal/engine/row"
	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/work"
)

// rollBytes is the default size in bytes at which a file ends and the next file starts.
// Snowflake loads files of 100 to 250 MB best (docs.snowflake.com,
// data-load-considerations-prepare).
const rollBytes = 200 << 20

// output writes batches to files of one layout, in a separate goroutine. No file is
// visible before commit.
type output struct {
	store  Store
	bucket string
	// key returns the key of file n, from 0.
	key    func(n int) string
	layout parquetfile.Layout
	level  parquetfile.Level
	// roll is the size in bytes at which the next file starts.
	roll int64

	// pending has the full batches, and free the empty batches. Both are nil before the
	// first write.
	pending, free chan *row.Batch
	// ended is closed after the last batch. err is the first error.
	ended  chan struct{}
	err    error
	failed atomic.Bool
	closed bool

	// current is nil between files.
	current *parquetfile.File
	// uploads are all uploads, and files the complete files.
	uploads []Upload
	files   []work.File
}

// batchesPerOutput is the number of batches of an output: one to fill, one waiting, and
// one in progress.
const batchesPerOutput = 3

// write passes the batch to the goroutine and returns an empty batch. An empty batch
// starts no file.
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

// end waits for all batches and returns the first error.
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

// encode writes a batch. A panic is a fault of code crashed: in a goroutine, a panic
// would end the process and write its value to the log.
func (o *output) encode(ctx context.Context, batch *row.Batch) (err error) {
	defer fault.Recover("write rows", &err)
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

// finish writes the last batches and ends the open file.
func (o *output) finish() error {
	if err := o.end(); err != nil {
		return err
	}
	return o.close()
}

// close ends the open file, if any.
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

// commit makes the files visible and returns them.
func (o *output) commit(ctx context.Context) ([]work.File, error) {
	for _, upload := range o.uploads {
		if err := upload.Commit(ctx); err != nil {
			return nil, err
		}
	}
	return append([]work.File{}, o.files...), nil
}

// abort drops all files, including complete files.
func (o *output) abort(ctx context.Context) error {
	_ = o.end() // the caller has this fault already, or a more important fault
	var failures []error
	for _, upload := range o.uploads {
		failures = append(failures, upload.Abort(ctx))
	}
	return errors.Join(failures...)
}
