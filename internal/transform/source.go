package transform

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"hash"
	"io"
)

// Sizes of the read-ahead: bytes per chunk, and number of chunks.
const (
	readAheadChunkBytes = 256 << 10
	readAheadChunks     = 4
)

// source reads the stored bytes of an object ahead of the engine and hashes the bytes.
// Reads end with the context.
type source struct {
	ctx    context.Context //nolint:containedctx // io.Reader has no place for it
	bytes  io.Reader
	hash   hash.Hash
	chunks chan chunk
	free   chan []byte
	quit   chan struct{}
	ended  chan struct{}
	// rest is the unread part of the last chunk. err is the error after that chunk.
	rest  []byte
	last  []byte
	err   error
	whole bool
}

// chunk is bytes of the object, and the error after these bytes.
type chunk struct {
	bytes []byte
	err   error
}

// newSource starts to read ahead. Stop the source before the bytes are closed.
func newSource(ctx context.Context, bytes io.Reader) *source {
	s := &source{
		ctx: ctx, bytes: bytes, hash: sha256.New(),
		chunks: make(chan chunk, readAheadChunks), free: make(chan []byte, readAheadChunks),
		quit: make(chan struct{}), ended: make(chan struct{}),
	}
	for range readAheadChunks {
		s.free <- nil // allocated on first use: most objects are small
	}
	go s.readAhead()
	return s
}

// readAhead reads until stop or the first error, also io.EOF.
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
		s.chunks <- chunk{buffer[:n], err} // never blocks: there is one place for each buffer
		if err != nil {
			return
		}
	}
}

// fill reads until the buffer is full or an error occurs.
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

// stop ends readAhead.
func (s *source) stop() {
	close(s.quit)
	<-s.ended
}

// contentHash returns "sha256:" and the hash in hex. If the object was refused before
// its end, contentHash returns "".
func (s *source) contentHash() string {
	if s == nil || !s.whole {
		return ""
	}
	return "sha256:" + hex.EncodeToString(s.hash.Sum(nil))
}
