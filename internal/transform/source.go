package transform

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"hash"
	"io"
)

// source reads an object's stored bytes, hashes them, and ends with the context.
type source struct {
	ctx   context.Context //nolint:containedctx // io.Reader has no place for it
	bytes io.Reader
	hash  hash.Hash
	whole bool
}

func newSource(ctx context.Context, bytes io.Reader) *source {
	return &source{ctx: ctx, bytes: bytes, hash: sha256.New()}
}

// Read implements io.Reader.
func (s *source) Read(p []byte) (int, error) {
	if err := s.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := s.bytes.Read(p)
	s.hash.Write(p[:n])
	s.whole = s.whole || errors.Is(err, io.EOF)
	return n, err
}

// contentHash returns "sha256:" and hex, or "" if the object wasn't read to its
// end: it was refused before.
func (s *source) contentHash() string {
	if s == nil || !s.whole {
		return ""
	}
	return "sha256:" + hex.EncodeToString(s.hash.Sum(nil))
}
