package transform_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/object"
	"github.com/firn-data/firn/internal/transform"
	"github.com/firn-data/firn/internal/work"
)

// memoryStore is a store in memory with a record of the files and their order. It is
// stricter than S3. A second file with the same key, a write after commit, and an open
// upload at the end are errors.
type memoryStore struct {
	mutex   sync.Mutex
	landing map[object.ID][]byte
	files   map[string][]byte
	order   []string
	open    int
	// failRead is the number of bytes before a read of the object fails. 0 means never.
	failRead int
	// panicCreate is the value of a panic at every new file. Nil means no panic.
	panicCreate any
	// failCreate is the fault of every write.
	failCreate error
	// failCommit is the fault of the next commit of a file of rejects. It is used once.
	failCommit error
	// reading is called before each read of an object.
	reading func()
}

var _ transform.Store = (*memoryStore)(nil)

func newMemoryStore() *memoryStore {
	return &memoryStore{landing: make(map[object.ID][]byte), files: make(map[string][]byte)}
}

func (m *memoryStore) Open(_ context.Context, o object.Object) (io.ReadCloser, error) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	body, found := m.landing[o.ID()]
	if !found {
		return nil, fault.Permanentf("read landing object", fault.ObjectGone, "no such version")
	}
	var source io.Reader = &chunkedReader{body: body, before: m.reading}
	if m.failRead > 0 {
		broken := fault.Dependency("read landing object", fault.StoreAway, io.ErrUnexpectedEOF)
		source = io.MultiReader(io.LimitReader(source, int64(m.failRead)), &failingReader{err: broken})
	}
	return io.NopCloser(source), nil
}

// chunkedReader returns few bytes per read, like a network connection.
type chunkedReader struct {
	body   []byte
	before func()
}

func (c *chunkedReader) Read(p []byte) (int, error) {
	if c.before != nil {
		c.before()
	}
	if len(c.body) == 0 {
		return 0, io.EOF
	}
	n := copy(p[:min(len(p), 64<<10)], c.body)
	c.body = c.body[n:]
	return n, nil
}

type failingReader struct{ err error }

func (f *failingReader) Read([]byte) (int, error) { return 0, f.err }

func (m *memoryStore) Create(_ context.Context, at work.Location) transform.Upload {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	if m.panicCreate != nil {
		panic(m.panicCreate)
	}
	m.open++
	return &memoryUpload{memory: m, key: at.Key}
}

func (m *memoryStore) Put(_ context.Context, at work.Location, body []byte) error {
	return m.addFile(at.Key, body)
}

func (m *memoryStore) addFile(key string, body []byte) error {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	if _, isDuplicate := m.files[key]; isDuplicate {
		return fmt.Errorf("%s was written twice", key)
	}
	m.files[key] = body
	m.order = append(m.order, key)
	return nil
}

// checkNoOpenUploads fails the test if an upload is still open.
func (m *memoryStore) checkNoOpenUploads(t *testing.T) {
	t.Helper()
	if m.open != 0 {
		t.Errorf("%d uploads were neither committed nor aborted", m.open)
	}
}

func (m *memoryStore) keys() []string { return slices.Clone(m.order) }

type memoryUpload struct {
	memory *memoryStore
	key    string
	body   bytes.Buffer
	ended  bool
}

func (u *memoryUpload) Write(p []byte) (int, error) {
	if u.ended {
		return 0, fmt.Errorf("%s: write after commit or abort", u.key)
	}
	if u.memory.failCreate != nil {
		return 0, u.memory.failCreate
	}
	return u.body.Write(p)
}

func (u *memoryUpload) Commit(context.Context) error {
	u.end()
	if err := u.memory.failCommit; err != nil && strings.Contains(u.key, "/rejects") {
		u.memory.failCommit = nil
		return err
	}
	return u.memory.addFile(u.key, u.body.Bytes())
}

func (u *memoryUpload) Abort(context.Context) error {
	u.end()
	return nil
}

func (u *memoryUpload) end() {
	u.memory.mutex.Lock()
	defer u.memory.mutex.Unlock()
	if !u.ended {
		u.memory.open--
	}
	u.ended = true
}
