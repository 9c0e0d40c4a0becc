package laptop

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// fileLock is a lock between processes. The lock ends with its process, also after a kill.
// The file of the lock stays, because a file alone is no lock.
type fileLock struct{ file *os.File }

// errLocked is in the error of tryLock if another process has the lock.
var errLocked = errors.New("another process has the lock")

// tryLock takes the lock of a file and writes the process id into the file. If another
// process has the lock, the error wraps errLocked.
func tryLock(path string) (*fileLock, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	err = syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		err = errLocked
	}
	if err == nil {
		err = overwrite(file, strconv.Itoa(os.Getpid()))
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("lock %s: %w", path, err), file.Close())
	}
	return &fileLock{file}, nil
}

// waitLock takes the lock of a file, and waits for the end of another process's lock or of
// the context.
func waitLock(ctx context.Context, path string) (*fileLock, error) {
	ticker := time.NewTicker(pollEvery)
	defer ticker.Stop()
	for {
		lock, err := tryLock(path)
		if !errors.Is(err, errLocked) {
			return lock, err
		}
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-ticker.C:
		}
	}
}

// release ends the lock.
func (l *fileLock) release() {
	_ = l.file.Truncate(0)
	_ = l.file.Close()
}

// holderOf returns the process id in the file of a lock; "unknown" without an id.
func holderOf(path string) string {
	content, _ := os.ReadFile(path) // only for a message
	return cmp.Or(strings.TrimSpace(string(content)), "unknown")
}

// errBusy is the error of a second Up or Down in the same folder.
func errBusy(holder string) error {
	return fmt.Errorf("another command (process %s) starts or stops the laptop's cloud in this folder: wait for its end", holder)
}

func overwrite(file *os.File, text string) error {
	if err := file.Truncate(0); err != nil {
		return err
	}
	_, err := file.WriteAt([]byte(text), 0)
	return err
}
