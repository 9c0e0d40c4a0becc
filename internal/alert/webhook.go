package alert

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/journal"
	"github.com/firn-data/firn/internal/telemetry"
)

// The headers of a message to the webhook.
const (
	// HeaderTimestamp is the time of the request, in seconds since 1970.
	HeaderTimestamp = "Firn-Timestamp"
	// HeaderSignature is "sha256=" and the signature, see Sign.
	HeaderSignature = "Firn-Signature"
	// HeaderID is the id of the message. All tries of a message have the same id.
	HeaderID = "Firn-Id"
)

const (
	// postTimeout is the longest time of one request to the webhook.
	postTimeout = 5 * time.Second
	// deliverTime is the time after which Deliver begins no further request. Together
	// with postTimeout it is below the timeout of the alert function.
	deliverTime = 15 * time.Second
	// maxPosts is the number of messages in one Deliver.
	maxPosts = 50
	// maxTries is the number of tries of a message: about four hours.
	maxTries = 10
	// firstRetry is the delay of the second try. The delay doubles, up to an hour.
	firstRetry = time.Minute
	lastRetry  = time.Hour
	// maxPostText is the limit of the field text, in bytes. Slack shortens long texts,
	// and Teams refuses messages above 28 KB.
	maxPostText = 3000
	// minKeyLength is the length of the shortest allowed key, in bytes.
	minKeyLength = 32
)

// Posts keeps the messages for the webhook until they are delivered.
type Posts interface {
	AddPost(ctx context.Context, id, body string) error
	DuePosts(ctx context.Context, limit int) ([]journal.Post, error)
	// TakePost returns false if another caller has begun a try.
	TakePost(ctx context.Context, p journal.Post, claim string, next time.Time) (bool, error)
	EndPost(ctx context.Context, p journal.Post, delivered bool) error
	UndeliveredPosts(ctx context.Context) (int, error)
}

// Secrets is the part of the Secrets Manager client that the webhook uses.
type Secrets interface {
	GetSecretValue(context.Context, *secretsmanager.GetSecretValueInput, ...func(*secretsmanager.Options)) (*secretsmanager.GetSecretValueOutput, error)
}

// HTTPClient sends a request to the webhook.
type HTTPClient interface {
	Do(request *http.Request) (*http.Response, error)
}

// Webhook posts a copy of each mail to an HTTPS address. A failure of the webhook never
// stops a mail: the journal keeps each message, and a message has maxTries tries. A nil
// Webhook does nothing.
type Webhook struct {
	Posts   Posts
	Secrets Secrets
	// SecretARN is the secret with the address and the key, see webhookSecret.
	SecretARN string
	Client    HTTPClient
	// Now is the clock.
	Now func() time.Time
}

// NewWebhookClient returns a client with a short timeout, that follows no redirect. A
// redirect would send the message to an address that isn't in the secret.
func NewWebhookClient() *http.Client {
	return &http.Client{
		Timeout:       postTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// webhookSecret is the content of the secret, as JSON.
type webhookSecret struct {
	// URL is the address; it begins with https.
	URL string `json:"url"`
	// Key is the key of the signature, of at least minKeyLength bytes.
	Key string `json:"key"`
}

// postBody is the JSON body of a message.
type postBody struct {
	// Text is the subject and the beginning of the mail's text.
	Text    string `json:"text"`
	Subject string `json:"subject"`
	// Machine is the JSON part of the mail.
	Machine json.RawMessage `json:"machine"`
}

// Sign returns the signature of a message in hexadecimal digits: HMAC-SHA256 of the
// timestamp, a point and the body.
func Sign(key, timestamp string, body []byte) string {
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write([]byte(timestamp + "."))
	mac.Write(body)
	return hex.EncodeToString(mac.Sum(nil))
}

// record records a sent mail as a message for the webhook. Without an answer of the
// journal, the webhook misses the mail.
func (w *Webhook) record(ctx context.Context, m mail) {
	if w == nil {
		return
	}
	body := encode(postBody{Text: postText(m), Subject: m.subject, Machine: json.RawMessage(m.machine)})
	if err := w.Posts.AddPost(ctx, rand.Text(), body); err != nil {
		telemetry.Logger(ctx).ErrorContext(ctx, "message for the webhook not recorded", telemetry.Fault(fault.As(err))...)
	}
}

// postText returns the subject and the whole lines of the mail's text that fit.
func postText(m mail) string {
	text := m.subject + "\n\n" + strings.TrimSpace(m.text)
	if len(text) <= maxPostText {
		return text
	}
	const end = "\n..."
	kept := text[:maxPostText-len(end)]
	if i := strings.LastIndexByte(kept, '\n'); i > len(m.subject) {
		kept = kept[:i]
	}
	return strings.ToValidUTF8(kept, "") + end
}

// note returns a paragraph for the next mail about undelivered messages; empty if the
// webhook works.
func (w *Webhook) note(ctx context.Context) string {
	if w == nil {
		return ""
	}
	undelivered, err := w.Posts.UndeliveredPosts(ctx)
	if err != nil || undelivered == 0 {
		return ""
	}
	return fmt.Sprintf("\nThe webhook didn't take %s: firn has given up after %d tries. Look at the log of the function alert.\n",
		counted(undelivered, "earlier message"), maxTries)
}

// Check is Deliver as a check of each tick. The result is always nil: a failure of the
// webhook isn't a failure of the tick.
func (w *Webhook) Check(ctx context.Context) error {
	w.Deliver(ctx)
	return nil
}

// Deliver posts the messages that are due. A failed message has its next try after a
// delay.
func (w *Webhook) Deliver(ctx context.Context) {
	if w == nil {
		return
	}
	posts, err := w.Posts.DuePosts(ctx, maxPosts)
	if err != nil {
		telemetry.Logger(ctx).ErrorContext(ctx, "messages for the webhook not read", telemetry.Fault(fault.As(err))...)
		return
	}
	if len(posts) == 0 {
		return
	}
	secret, secretErr := w.secret(ctx)
	end := w.Now().Add(deliverTime)
	for _, p := range posts {
		if w.Now().After(end) { // the next tick continues
			return
		}
		w.try(ctx, p, func() error {
			if secretErr != nil {
				return secretErr
			}
			return w.post(ctx, secret, p)
		})
	}
}

// try counts and makes one try of a message, and logs the result.
func (w *Webhook) try(ctx context.Context, p journal.Post, post func() error) {
	log := telemetry.Logger(ctx).With(telemetry.KeyMessage, p.ID, telemetry.KeyAttempt, p.Tries+1)
	taken, err := w.Posts.TakePost(ctx, p, rand.Text(), w.Now().Add(retryDelay(p.Tries)))
	if err != nil {
		log.ErrorContext(ctx, "message for the webhook not taken", telemetry.Fault(fault.As(err))...)
		return
	}
	if !taken {
		return
	}
	err = post()
	switch {
	case err == nil:
		log.InfoContext(ctx, "message posted to the webhook")
	case p.Tries+1 < maxTries:
		log.WarnContext(ctx, "webhook failed", telemetry.KeyError, err.Error())
		return
	default:
		log.ErrorContext(ctx, "webhook failed for good", telemetry.KeyError, err.Error())
	}
	if err := w.Posts.EndPost(ctx, p, err == nil); err != nil {
		log.ErrorContext(ctx, "result of the webhook not recorded", telemetry.Fault(fault.As(err))...)
	}
}

// retryDelay returns the delay of the next try after a number of tries.
func retryDelay(tries int) time.Duration {
	delay := firstRetry
	for range tries {
		delay = min(2*delay, lastRetry)
	}
	return delay
}

// secret reads the address and the key. Each Deliver reads the secret, so a change of
// the secret needs no deployment.
func (w *Webhook) secret(ctx context.Context) (webhookSecret, error) {
	answer, err := w.Secrets.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: aws.String(w.SecretARN)})
	if err != nil {
		return webhookSecret{}, fault.AWS("read the secret of the webhook", fault.SecretAway, err)
	}
	var s webhookSecret
	if json.Unmarshal([]byte(aws.ToString(answer.SecretString)), &s) != nil {
		return s, errors.New(`the secret of the webhook isn't JSON with "url" and "key"`)
	}
	address, err := url.Parse(s.URL)
	switch {
	case err != nil, address.Scheme != "https", address.Host == "":
		return s, errors.New("the address in the secret of the webhook doesn't begin with https")
	case len(s.Key) < minKeyLength:
		return s, fmt.Errorf("the key in the secret of the webhook has less than %d characters", minKeyLength)
	}
	return s, nil
}

// post sends a message. An error names no address, because an address can contain a
// password.
func (w *Webhook) post(ctx context.Context, s webhookSecret, p journal.Post) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, s.URL, bytes.NewReader([]byte(p.Body)))
	if err != nil {
		return errors.New("the address in the secret of the webhook is invalid")
	}
	timestamp := strconv.FormatInt(w.Now().Unix(), 10)
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set(HeaderTimestamp, timestamp)
	request.Header.Set(HeaderSignature, "sha256="+Sign(s.Key, timestamp, []byte(p.Body)))
	request.Header.Set(HeaderID, p.ID)
	response, err := w.Client.Do(request)
	if err != nil {
		return fmt.Errorf("post to the webhook: %w", fault.Cleaned(withoutAddress(err), ""))
	}
	defer response.Body.Close()
	_, _ = io.CopyN(io.Discard, response.Body, 1<<10) // so that the connection is used again
	if response.StatusCode < http.StatusOK || response.StatusCode >= http.StatusMultipleChoices {
		return fmt.Errorf("the webhook answers with the status %d", response.StatusCode)
	}
	return nil
}

// withoutAddress returns the cause of a failed request without the address.
func withoutAddress(err error) error {
	var request *url.Error
	if errors.As(err, &request) {
		return request.Err
	}
	return err
}
