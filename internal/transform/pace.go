package transform

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/firn-data/firn/internal/fault"
)

// paceTrialTime is the time before the first check of the pace.
const paceTrialTime = 30 * time.Second

// pacedReader ends a read with a fault if the current pace is too slow: it wouldn't
// read size bytes before the context's deadline.
type pacedReader struct {
	io.ReadCloser

	now           func() time.Time
	begin, before time.Time
	size, read    int64
}

// withPace returns the stored bytes with a check of the pace. Without MayStop or
// without a deadline, withPace returns stored itself.
func withPace(ctx context.Context, stored io.ReadCloser, job Job, now func() time.Time) io.ReadCloser {
	deadline, ok := ctx.Deadline()
	if !ok || !job.MayStop {
		return stored
	}
	return &pacedReader{ReadCloser: stored, now: now, begin: now(), before: deadline, size: job.Work.Object.Size}
}

// Read implements io.Reader.
func (p *pacedReader) Read(b []byte) (int, error) {
	n, err := p.ReadCloser.Read(b)
	p.read += int64(n)
	if taken := p.now().Sub(p.begin); err == nil && taken > paceTrialTime && p.read < p.size {
		whole := time.Duration(float64(taken) * float64(p.size) / float64(p.read))
		if p.begin.Add(whole).After(p.before) {
			return n, fault.Retryable("transform object", fault.OutOfTime,
				fmt.Errorf("%d of %d bytes took %s: the remaining time is too short for the rest", p.read, p.size, taken.Round(time.Second)))
		}
	}
	return n, err
}
