package ingest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/firn-data/firn/internal/fault"
)

// HTTP asks sources over HTTP, one request at a time, and tells a source that
// is away from one that refuses.
type HTTP struct {
	// Client has the timeouts: a request must end well within Stage.Margin.
	Client *http.Client
	// Agent is the User-Agent header.
	Agent string
	// MaximumBytes bounds an answer, decompressed.
	MaximumBytes int64
	// Now is the clock, for a Retry-After that is a date.
	Now func() time.Time
}

// maxQuotedCharacters is how many characters of a refusal are quoted.
const maxQuotedCharacters = 300

// errTooLarge is an answer beyond HTTP.MaximumBytes.
var errTooLarge = errors.New("the answer is too large")

// errUnexpectedAnswer is an answer that is whole, but not what the API promises.
var errUnexpectedAnswer = errors.New("the answer isn't what the API promises")

// get reads the answer to a GET request, and reports whether there was one:
// status 204 says that nothing matches. Errors of read are classified too.
func (h HTTP) get(ctx context.Context, address string, read func(io.Reader) error) (found bool, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return false, badRequest("the contract's firn.ingest url %q: %v", address, err)
	}
	request.Header.Set("User-Agent", h.Agent)
	response, err := h.Client.Do(request)
	if err != nil {
		return false, fault.Dependency("ask source", fault.SourceAway, err)
	}
	defer func() { _ = response.Body.Close() }()
	switch response.StatusCode {
	case http.StatusOK:
		return true, h.classify(address, read(&limitedReader{source: response.Body, left: h.MaximumBytes}))
	case http.StatusNoContent:
		return false, nil
	}
	return false, h.refusal(address, response)
}

// refusal makes a fault of any other status. 408 and 429 are the only 4xx that
// another attempt can turn into something else (RFC 9110, 15.5.9; RFC 6585, 4).
func (h HTTP) refusal(address string, response *http.Response) *fault.Fault {
	err := fmt.Errorf("%s answers %s: %s", address, response.Status, excerpt(response.Body))
	switch code := response.StatusCode; {
	case code >= http.StatusInternalServerError,
		code == http.StatusTooManyRequests, code == http.StatusRequestTimeout:
		f := fault.Dependency("ask source", fault.SourceAway, err)
		f.After = h.retryAfter(response.Header.Get("Retry-After"))
		return f
	default:
		return fault.Permanentf("ask source", fault.SourceRefused, "%w", err)
	}
}

// classify makes a fault of an error that came up while the answer was read.
// Faults of the reader's own pass.
func (h HTTP) classify(address string, err error) error {
	var own *fault.Fault
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	switch {
	case err == nil || errors.As(err, &own):
		return err
	case errors.Is(err, errTooLarge):
		f := fault.Permanentf("read answer", fault.SourceRefused, "%s: %w, over %d bytes", address, err, h.MaximumBytes)
		f.Hint = "Ask for smaller pages: lower the contract's firn.ingest pageSize."
		return f
	case errors.Is(err, errUnexpectedAnswer), errors.As(err, &syntax), errors.As(err, &kind):
		return fault.Retryable("read answer", fault.SourceRefused, fmt.Errorf("%s: %w", address, err))
	case errors.Is(err, io.EOF):
		err = io.ErrUnexpectedEOF
	}
	return fault.Dependency("read answer", fault.SourceAway, fmt.Errorf("%s: %w", address, err))
}

// retryAfter reads the header's two forms, seconds and a date (RFC 9110,
// 10.2.3). It is 0 for anything else, and for a date that is past.
func (h HTTP) retryAfter(header string) time.Duration {
	if seconds, err := strconv.Atoi(header); err == nil {
		return max(0, time.Duration(seconds)*time.Second)
	}
	if date, err := http.ParseTime(header); err == nil {
		return max(0, date.Sub(h.Now()))
	}
	return 0
}

// excerpt returns the start of a refusal's text on one line.
func excerpt(body io.Reader) string {
	const enough = 16 << 10
	text, err := io.ReadAll(io.LimitReader(body, enough))
	if err != nil && len(text) == 0 {
		return "(no words: " + err.Error() + ")"
	}
	line := []rune(strings.Join(strings.Fields(strings.ToValidUTF8(string(text), "?")), " "))
	return string(line[:min(len(line), maxQuotedCharacters)])
}

// limitedReader is a reader that fails with errTooLarge after so many bytes.
type limitedReader struct {
	source io.Reader
	left   int64
}

func (b *limitedReader) Read(p []byte) (int, error) {
	n, err := b.source.Read(p)
	b.left -= int64(n)
	if b.left < 0 {
		return 0, errTooLarge
	}
	return n, err
}
