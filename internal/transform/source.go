package transform

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"hash"
	"io"
)

// Sizes of what is read ahead: that much in all, a chunk at once.
const (
	readAheadChunkBytes = 256 << 10
	readAheadChunks     = 4
)

// source reads an object's stored bytes ahead of who needs them, hashes them,
// and ends with the context.
type source struct {
	ctx    context.Context //nolint:containedctx // io.Reader has no place for it
	bytes  io.Reader
	hash   hash.Hash
	chunks chan chunk
	free   chan []byte
	quit   chan struct{}
	ended  chan struct{}
	// rest and err are what is left of the chunk that came last.
	rest  []byte
	last  []byte
	err   error
	whole bool
}

// chunk is bytes of the object, and why none come after them.
type chunk struct {
	bytes []byte
	err   error
}

// newSource begins to read. It must be stopped before the bytes are closed.
func newSource(ctx context.Context, bytes io.Reader) *source {
	s := &source{
		ctx: ctx, bytes: bytes, hash: sha256.New(),
		chunks: make(chan chunk, readAheadChunks), free: make(chan []byte, readAheadChunks),
		quit: make(chan struct{}), ended: make(chan struct{}),
	}
	for range readAheadChunks {
		s.free <- nil // made when it is needed: most objects are small
	}
	go s.readAhead()
	return s
}

// readAhead reads until there is an error, io.EOF for one, or nobody needs more.
func (s *source) readAhead() {
	defer close(s.ended)
	for {
		var buffer []byte
		select {
		case buffer = <-s.free:
		case <-s.quit:
			return
		}
		if buffer == nil {
			buffer = make([]byte, readAheadChunkBytes)
		}
		n, err := s.fill(buffer)
		s.hash.Write(buffer[:n])
		s.chunks <- chunk{buffer[:n], err} // there is room: a chunk has one of the buffers
		if err != nil {
			return
		}
	}
}

// fill reads until the buffer is full or there is an error.
func (s *source) fill(buffer []byte) (n int, err error) {
	for n < len(buffer) && err == nil {
		if err = s.ctx.Err(); err != nil {
			return n, err
		}
		var read int
		read, err = s.bytes.Read(buffer[n:])
		n += read
	}
	return n, err
}

// Read implements io.Reader.
func (s *source) Read(p []byte) (int, error) {
	if err := s.ctx.Err(); err != nil {
		return 0, err
	}
	if len(s.rest) == 0 && s.err == nil {
		if s.last != nil {
			s.free <- s.last[:cap(s.last)]
		}
		next := <-s.chunks
		s.rest, s.last, s.err = next.bytes, next.bytes, next.err
	}
	n := copy(p, s.rest)
	s.rest = s.rest[n:]
	if len(s.rest) > 0 || s.err == nil {
		return n, nil
	}
	s.whole = s.whole || errors.Is(s.err, io.EOF)
	return n, s.err
}

// stop ends the reading ahead.
func (s *source) stop() {
	close(s.quit)
	<-s.ended
}

// contentHash returns "sha256:" and hex, or "" if the object wasn't read to its
// end: it was refused before.
func (s *source) contentHash() string {
	if s == nil || !s.whole {
		return ""
	}
	return "sha256:" + hex.EncodeToString(s.hash.Sum(nil))
}
