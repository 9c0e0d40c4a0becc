package ingest

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/firn-data/firn/internal/fault"
)

// HTTP sends requests to a source over HTTP, one at a time. Its faults distinguish an
// unavailable source from a refused request.
type HTTP struct {
	// Client has the timeouts. A request must end well within Stage.Margin.
	Client *http.Client
	// Agent is the User-Agent header.
	Agent string
	// MaximumBytes is the limit of an answer, decompressed.
	MaximumBytes int64
	// Now is the clock, for a Retry-After header with a date.
	Now func() time.Time
}

// maxQuotedCharacters is the limit of a quoted refusal, in characters.
const maxQuotedCharacters = 300

// errTooLarge reports an answer beyond HTTP.MaximumBytes.
var errTooLarge = errors.New("the answer is too large")

// errUnexpectedAnswer reports a complete answer in another form than the API documents.
var errUnexpectedAnswer = errors.New("the answer doesn't have the form of the API")

// get reads the answer to a GET request. found is false for status 204, which means
// that no record matches. Errors of read become faults too.
func (h HTTP) get(ctx context.Context, address string, read func(io.Reader) error) (found bool, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return false, badRequest("the url %q in the contract's firn.ingest: %v", address, err)
	}
	request.Header.Set("User-Agent", h.Agent)
	response, err := h.Client.Do(request)
	if err != nil {
		return false, fault.Dependency("query source", codeOf(err), fmt.Errorf("%s: %w", address, fault.Cleaned(err, address)))
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

// codeOf returns the code for a request without an answer. An unknown host and an
// untrusted certificate have codes of their own, because waiting rarely helps.
//
// An expired certificate is an outage: the source will renew the certificate. A DNS
// server that fails or doesn't answer is an outage too (net.DNSError.IsNotFound).
func codeOf(err error) fault.Code {
	var lookup *net.DNSError
	var certificate *tls.CertificateVerificationError
	var invalid x509.CertificateInvalidError
	switch {
	case errors.As(err, &lookup) && lookup.IsNotFound:
		return fault.SourceUnknownHost
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return fault.SourceAway
	case errors.As(err, &certificate):
		return fault.SourceUntrusted
	default:
		return fault.SourceAway
	}
}

// refusal returns the fault of any other status. The answer's text is in the fault
// without values of records. Of the 4xx statuses, only 408 and 429
// can change in another attempt (RFC 9110, 15.5.9; RFC 6585, 4).
func (h HTTP) refusal(address string, response *http.Response) *fault.Fault {
	status := fmt.Sprintf("%d %s", response.StatusCode, http.StatusText(response.StatusCode))
	err := fmt.Errorf("%s returned %s: %s", address, status, fault.Clean(excerpt(response.Body), address))
	switch code := response.StatusCode; {
	case code >= http.StatusInternalServerError,
		code == http.StatusTooManyRequests, code == http.StatusRequestTimeout:
		f := fault.Dependency("query source", fault.SourceAway, err)
		f.After = h.retryAfter(response.Header.Get("Retry-After"))
		return f
	default:
		return fault.Permanentf("query source", fault.SourceRefused, "%w", err)
	}
}

// classify returns the fault of an error during the read of an answer. A fault stays
// unchanged.
func (h HTTP) classify(address string, err error) error {
	var own *fault.Fault
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	switch {
	case err == nil || errors.As(err, &own):
		return err
	case errors.Is(err, errTooLarge):
		f := fault.Permanentf("read answer", fault.SourceRefused, "%s: %w, over %d bytes", address, err, h.MaximumBytes)
		f.Hint = "Lower pageSize in the contract's firn.ingest."
		return f
	case errors.Is(err, errUnexpectedAnswer), errors.As(err, &syntax), errors.As(err, &kind):
		return fault.Retryable("read answer", fault.SourceRefused, fmt.Errorf("%s: %w", address, fault.Cleaned(err, address)))
	case errors.Is(err, io.EOF):
		err = io.ErrUnexpectedEOF
	}
	return fault.Dependency("read answer", fault.SourceAway, fmt.Errorf("%s: %w", address, fault.Cleaned(err, address)))
}

// maxRetryAfter limits the header Retry-After, so that a wrong number can't overflow.
const maxRetryAfter = 365 * 24 * time.Hour

// retryAfter reads both forms of the header, seconds and a date (RFC 9110, 10.2.3). It
// returns 0 for any other value, and for a date in the past.
func (h HTTP) retryAfter(header string) time.Duration {
	if seconds, err := strconv.ParseInt(header, 10, 64); err == nil {
		return time.Duration(min(max(0, seconds), int64(maxRetryAfter/time.Second))) * time.Second
	}
	if date, err := http.ParseTime(header); err == nil {
		return max(0, date.Sub(h.Now()))
	}
	return 0
}

// excerpt returns the beginning of a refusal's text as a single line.
func excerpt(body io.Reader) string {
	const enough = 16 << 10
	text, err := io.ReadAll(io.LimitReader(body, enough))
	if err != nil && len(text) == 0 {
		return "(no text: " + err.Error() + ")"
	}
	line := []rune(strings.Join(strings.Fields(strings.ToValidUTF8(string(text), "?")), " "))
	return string(line[:min(len(line), maxQuotedCharacters)])
}

// limitedReader fails with errTooLarge after the limit.
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
