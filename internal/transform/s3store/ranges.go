package s3store

import (
	"context"
	"io"

	"github.com/firn-data/firn/internal/object"
)

const (
	// rangeSize is the size in bytes of a request for a large object.
	rangeSize = 4 << 20
	// rangesInFlight is the maximum number of ranges in memory: in progress or waiting
	// for Read. One connection to S3 transfers about 80 MB per second
	// (AmazonS3/latest/userguide/optimizing-performance-guidelines).
	rangesInFlight = 4
)

// ranges reads several ranges of an object at once, and returns the bytes in order.
type ranges struct {
	cancel context.CancelFunc
	// pending are the requested ranges in order. free has the free buffers.
	pending chan chan rangeResult
	free    chan []byte
	ended   chan struct{}
	current rangeResult
	rest    []byte
}

// rangeResult is the bytes of a range, or the error of the read.
type rangeResult struct {
	bytes []byte
	err   error
}

// openRanges fails if the first range can't be opened.
func openRanges(ctx context.Context, client Client, o object.Object) (io.ReadCloser, error) {
	ctx, cancel := context.WithCancel(ctx)
	first := &download{ctx: ctx, client: client, object: o, endAt: rangeSize}
	if err := first.open(); err != nil {
		cancel()
		return nil, err
	}
	r := &ranges{cancel: cancel, pending: make(chan chan rangeResult, rangesInFlight+1), free: make(chan []byte, rangesInFlight), ended: make(chan struct{})}
	for range rangesInFlight {
		r.free <- make([]byte, rangeSize)
	}
	go r.requestRanges(ctx, first, o.Size)
	return r, nil
}

// requestRanges requests the ranges in order, as long as there are free buffers.
func (r *ranges) requestRanges(ctx context.Context, next *download, size int64) {
	defer close(r.ended)
	defer close(r.pending)
	for {
		var buffer []byte
		select {
		case buffer = <-r.free:
		case <-ctx.Done():
			r.pending <- failed(ctx.Err()) // never blocks: one extra place
			if next.body != nil {
				_ = next.Close() // unread
			}
			return
		}
		answer := make(chan rangeResult, 1)
		r.pending <- answer // never blocks: one place per buffer
		go next.fetch(buffer, answer)
		if next.endAt == size {
			return
		}
		next = &download{ctx: ctx, client: next.client, object: next.object, read: next.endAt, endAt: min(next.endAt+rangeSize, size)}
	}
}

func failed(err error) chan rangeResult {
	answer := make(chan rangeResult, 1)
	answer <- rangeResult{err: err}
	return answer
}

// fetch reads a whole range.
func (d *download) fetch(buffer []byte, answer chan<- rangeResult) {
	buffer = buffer[:d.endAt-d.read]
	if d.body == nil {
		if err := d.open(); err != nil {
			answer <- rangeResult{err: err}
			return
		}
	}
	defer d.Close()
	_, err := io.ReadFull(d, buffer)
	answer <- rangeResult{buffer, err}
}

// Read implements io.Reader. io.EOF means that every byte was read.
func (r *ranges) Read(p []byte) (int, error) {
	for len(r.rest) == 0 {
		if r.current.err != nil {
			return 0, r.current.err
		}
		if r.current.bytes != nil {
			r.free <- r.current.bytes[:rangeSize]
		}
		answer, more := <-r.pending
		if !more {
			r.current = rangeResult{err: io.EOF}
			continue
		}
		if r.current = <-answer; r.current.err == nil {
			r.rest = r.current.bytes
		}
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

// Close ends the reads, also before the last byte.
func (r *ranges) Close() error {
	r.cancel()
	<-r.ended
	for answer := range r.pending {
		<-answer
	}
	return nil
}
