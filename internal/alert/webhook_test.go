package alert_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/smithy-go"
	"github.com/google/go-cmp/cmp"

	"github.com/firn-data/firn/internal/alert"
	"github.com/firn-data/firn/internal/journal"
	"github.com/firn-data/firn/internal/telemetry"
)

const webhookKey = "0123456789abcdef0123456789abcdef"

// fakePosts keeps messages for the webhook with the rules of journal.Table.
type fakePosts struct {
	clock       *clock
	mutex       sync.Mutex
	posts       []journal.Post
	undelivered int
	unavailable bool
}

func (f *fakePosts) AddPost(_ context.Context, id, body string) error {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	if f.unavailable {
		return errAway
	}
	f.posts = append(f.posts, journal.Post{ID: id, Body: body, NextAt: f.clock.read()})
	return nil
}

func (f *fakePosts) DuePosts(_ context.Context, limit int) ([]journal.Post, error) {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	var due []journal.Post
	for _, p := range f.posts {
		if !p.NextAt.After(f.clock.read()) && len(due) < limit {
			due = append(due, p)
		}
	}
	return due, nil
}

func (f *fakePosts) TakePost(_ context.Context, p journal.Post, _ string, next time.Time) (bool, error) {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	i := slices.IndexFunc(f.posts, func(other journal.Post) bool { return other.ID == p.ID && other.Tries == p.Tries })
	if i < 0 {
		return false, nil
	}
	f.posts[i].Tries++
	f.posts[i].NextAt = next
	return true, nil
}

func (f *fakePosts) EndPost(_ context.Context, p journal.Post, delivered bool) error {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	f.posts = slices.DeleteFunc(f.posts, func(other journal.Post) bool { return other.ID == p.ID })
	f.undelivered++
	if delivered {
		f.undelivered = 0
	}
	return nil
}

func (f *fakePosts) UndeliveredPosts(context.Context) (int, error) { return f.undelivered, nil }

// fakeSecret is a secret, or the error of its read.
type fakeSecret struct {
	content string
	err     error
}

func (f *fakeSecret) GetSecretValue(_ context.Context, in *secretsmanager.GetSecretValueInput, _ ...func(*secretsmanager.Options)) (*secretsmanager.GetSecretValueOutput, error) {
	if aws.ToString(in.SecretId) != "arn:secret" {
		return nil, errors.New("another secret")
	}
	return &secretsmanager.GetSecretValueOutput{SecretString: aws.String(f.content)}, f.err
}

// hook is an HTTPS server that records the requests.
type hook struct {
	*httptest.Server

	mutex    sync.Mutex
	requests []*http.Request
	bodies   [][]byte
	status   int
}

func newHook(t *testing.T) *hook {
	t.Helper()
	h := &hook{status: http.StatusOK}
	h.Server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		h.mutex.Lock()
		defer h.mutex.Unlock()
		h.requests, h.bodies = append(h.requests, r), append(h.bodies, body)
		if h.status == http.StatusFound {
			w.Header().Set("Location", h.URL+"/elsewhere")
		}
		w.WriteHeader(h.status)
	}))
	t.Cleanup(h.Close)
	return h
}

// client returns the webhook's own client, which trusts the server's certificate.
func (h *hook) client() *http.Client {
	c := alert.NewWebhookClient()
	c.Transport = h.Client().Transport
	return c
}

// withWebhook adds a webhook to a simulation, and its deliveries to the ticks.
func withWebhook(t *testing.T, s *simulation, h *hook) (*alert.Webhook, *fakePosts, *fakeSecret) {
	t.Helper()
	posts := &fakePosts{clock: s.clock}
	secret := &fakeSecret{content: `{"url": "` + h.URL + `/hook?token=secret-token", "key": "` + webhookKey + `"}`}
	w := &alert.Webhook{Posts: posts, Secrets: secret, SecretARN: "arn:secret", Client: h.client(), Now: s.clock.read}
	s.alerter.Mailer.Webhook, s.digester.Mailer.Webhook = w, w
	return w, posts, secret
}

// TestWebhookReceivesSignedCopyOfMail: the copy follows the mail at once.
func TestWebhookReceivesSignedCopyOfMail(t *testing.T) {
	t.Parallel()
	s, h := inMemory(t), newHook(t)
	_, posts, _ := withWebhook(t, s, h)
	s.fail("shop.order", "bad_header")
	s.handle()
	if len(h.requests) != 1 || len(posts.posts) != 0 {
		t.Fatalf("%d requests, %d messages left", len(h.requests), len(posts.posts))
	}
	r, body := h.requests[0], h.bodies[0]
	timestamp := r.Header.Get(alert.HeaderTimestamp)
	if r.Method != http.MethodPost || r.Header.Get("Content-Type") != "application/json" || r.Header.Get(alert.HeaderID) == "" || timestamp != "1795514400" {
		t.Errorf("%s with the headers %v", r.Method, r.Header)
	}
	if want := "sha256=" + alert.Sign(webhookKey, timestamp, body); r.Header.Get(alert.HeaderSignature) != want {
		t.Errorf("signature %q, want %q", r.Header.Get(alert.HeaderSignature), want)
	}
	var got struct {
		Text, Subject string
		Machine       struct {
			Schema, Environment, Dataset, Code, State string
			Count                                     int
		}
	}
	if err := json.Unmarshal(body, &got); err != nil {
		t.Fatal(err)
	}
	mail := s.topic.mails[0]
	_, machine, _ := strings.Cut(aws.ToString(mail.Message), "\n"+alert.Separator+"\n")
	var inMail, inPost bytes.Buffer
	var raw struct{ Machine json.RawMessage }
	if json.Compact(&inMail, []byte(machine)) != nil || json.Unmarshal(body, &raw) != nil || json.Compact(&inPost, raw.Machine) != nil || inMail.String() != inPost.String() {
		t.Errorf("machine part %s, in the mail %s", inPost.String(), inMail.String())
	}
	if got.Subject != aws.ToString(mail.Subject) || !strings.HasPrefix(got.Text, got.Subject+"\n\n1 object of shop.order failed: bad_header\n") || strings.Contains(got.Text, alert.Separator) {
		t.Errorf("subject %q, text:\n%s", got.Subject, got.Text)
	}
	if m := got.Machine; m.Environment != "test" || m.Dataset != "shop.order" || m.Code != "bad_header" || m.State != "failed" || m.Count != 1 {
		t.Errorf("machine part %+v", m)
	}
}

// TestSignatureMatchesKnownValue: the value is from openssl, so that other programs
// compute the same signature: printf '1795514400.{}' | openssl dgst -sha256 -hmac KEY.
func TestSignatureMatchesKnownValue(t *testing.T) {
	t.Parallel()
	const want = "7229cc0d6e9e191ebf22c0bead6ce76eaa69d371f12f43fe1420881d7190b31c"
	if got := alert.Sign(webhookKey, "1795514400", []byte("{}")); got != want {
		t.Errorf("Sign = %s, want %s", got, want)
	}
}

// TestLongMailHasShortPost: chat programs refuse long texts.
func TestLongMailHasShortPost(t *testing.T) {
	t.Parallel()
	s, h := inMemory(t), newHook(t)
	withWebhook(t, s, h)
	for range 10 {
		s.failWith("shop.order", "bad_header", strings.Repeat("日本 ", 300))
	}
	s.handle()
	var got struct{ Text string }
	if len(h.bodies) != 1 || json.Unmarshal(h.bodies[0], &got) != nil || len(got.Text) > 3000 || !strings.HasSuffix(got.Text, "\n...") {
		t.Errorf("%d requests, text of %d bytes", len(h.bodies), len(got.Text))
	}
}

// TestFailingWebhookStopsNoMail: a failing webhook is tried a bounded number of times,
// with growing delays. No try has an effect on mails.
func TestFailingWebhookStopsNoMail(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		disturb func(w *alert.Webhook, h *hook, secret *fakeSecret)
		// requests is the number of requests that reach the server.
		requests int
		log      string
	}{
		{"refused", func(_ *alert.Webhook, h *hook, _ *fakeSecret) { h.status = http.StatusForbidden }, 10, "the webhook answers with the status 403"},
		{"redirected", func(_ *alert.Webhook, h *hook, _ *fakeSecret) { h.status = http.StatusFound }, 10, "the webhook answers with the status 302"},
		{"down", func(_ *alert.Webhook, h *hook, _ *fakeSecret) { h.Close() }, 0, "post to the webhook: "},
		{"certificate of a stranger", func(w *alert.Webhook, _ *hook, _ *fakeSecret) { w.Client = alert.NewWebhookClient() }, 0, "post to the webhook: "},
		{"slow", func(w *alert.Webhook, _ *hook, _ *fakeSecret) { w.Client = stuckClient{} }, 0, "post to the webhook: "},
		{"without https", func(_ *alert.Webhook, _ *hook, secret *fakeSecret) {
			secret.content = `{"url": "http://hook.example", "key": "` + webhookKey + `"}`
		}, 0, "doesn't begin with https"},
		{"with a short key", func(_ *alert.Webhook, h *hook, secret *fakeSecret) {
			secret.content = `{"url": "` + h.URL + `", "key": "short"}`
		}, 0, "less than 32 characters"},
		{"with an address instead of JSON", func(_ *alert.Webhook, h *hook, secret *fakeSecret) { secret.content = h.URL }, 0, `isn't JSON`},
		{"without a grant", func(_ *alert.Webhook, _ *hook, secret *fakeSecret) {
			secret.err = &smithy.GenericAPIError{Code: "AccessDeniedException", Message: "is not authorized to perform: secretsmanager:GetSecretValue"}
		}, 0, "access_denied"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s, h := inMemory(t), newHook(t)
			w, posts, secret := withWebhook(t, s, h)
			test.disturb(w, h, secret)
			var log bytes.Buffer
			ctx := telemetry.WithLogger(t.Context(), telemetry.NewLogger(&log, "alert"))
			s.fail("shop.order", "bad_header")
			if failed := s.alerter.Handle(ctx, messagesOf(s.queue)); len(failed) != 0 || len(s.topic.mails) != 1 {
				t.Fatalf("failed %v, %d mails", failed, len(s.topic.mails))
			}
			began := s.clock.read()
			for len(posts.posts) > 0 && s.clock.read().Sub(began) < 24*time.Hour {
				s.clock.advance(time.Minute)
				if err := w.Check(ctx); err != nil {
					t.Fatal(err)
				}
			}
			lasted := s.clock.read().Sub(began)
			if len(h.requests) != test.requests || posts.undelivered != 1 || lasted < 3*time.Hour || lasted > 6*time.Hour {
				t.Errorf("%d requests, %d undelivered messages, %s until the last try", len(h.requests), posts.undelivered, lasted)
			}
			text := log.String()
			if strings.Count(text, `"msg":"webhook failed"`) != 9 || strings.Count(text, `"msg":"webhook failed for good"`) != 1 || !strings.Contains(text, test.log) || !strings.Contains(text, `"attempt":10`) {
				t.Errorf("the log lacks the tries or the cause %q:\n%s", test.log, text)
			}
			if strings.Contains(text, "secret-token") || strings.Contains(text, webhookKey) {
				t.Errorf("the log has the address or the key:\n%s", text)
			}
		})
	}
}

// stuckClient is a client whose request ends only with its context.
type stuckClient struct{}

func (stuckClient) Do(r *http.Request) (*http.Response, error) {
	deadline, limited := r.Context().Deadline()
	if !limited || time.Until(deadline) > 10*time.Second {
		return nil, errors.New("the request has no short timeout")
	}
	return nil, context.DeadlineExceeded
}

// TestUndeliveredPostsAreInNextMail: a mail is the way to notice a broken webhook.
func TestUndeliveredPostsAreInNextMail(t *testing.T) {
	t.Parallel()
	s, h := inMemory(t), newHook(t)
	w, posts, _ := withWebhook(t, s, h)
	h.status = http.StatusInternalServerError
	s.fail("shop.order", "bad_header")
	s.handle()
	for len(posts.posts) > 0 {
		s.clock.advance(time.Hour)
		w.Deliver(t.Context())
	}
	h.status = http.StatusNoContent
	for _, code := range []string{"bad_quoting", "bad_encoding"} {
		s.fail("shop.order", code)
		s.handle()
	}
	const words = "The webhook didn't take 1 earlier message: firn has given up after 10 tries."
	for code, want := range map[string]bool{"bad_header": false, "bad_quoting": true, "bad_encoding": false} {
		if about := s.about(code); len(about) != 1 || strings.Contains(about[0].body, words) != want {
			t.Errorf("%s: %d mails, want one with the paragraph: %t", code, len(about), want)
		}
	}
}

// TestMailIsSentIfPostIsNotRecorded: the journal refuses the message for the webhook.
func TestMailIsSentIfPostIsNotRecorded(t *testing.T) {
	t.Parallel()
	s, h := inMemory(t), newHook(t)
	_, posts, _ := withWebhook(t, s, h)
	posts.unavailable = true
	s.fail("shop.order", "bad_header")
	s.handle()
	if len(s.topic.mails) != 1 || len(h.requests) != 0 {
		t.Errorf("%d mails, %d requests", len(s.topic.mails), len(h.requests))
	}
	s.wantNothingQueued()
}

// TestTwoFunctionsPostOnce delivers the same message from two functions.
func TestTwoFunctionsPostOnce(t *testing.T) {
	t.Parallel()
	s, h := inMemory(t), newHook(t)
	w, posts, _ := withWebhook(t, s, h)
	if err := posts.AddPost(t.Context(), "p", `{"text":"x"}`); err != nil {
		t.Fatal(err)
	}
	var both sync.WaitGroup
	for range 2 {
		both.Go(func() { w.Deliver(t.Context()) })
	}
	both.Wait()
	if len(h.requests) != 1 {
		t.Errorf("%d requests, want one", len(h.requests))
	}
}

// posted is a request of the webhook.
type posted struct {
	headers http.Header
	body    []byte
}

// postedMessages returns the requests about one failed object and about its recovery.
// The clock ends at the present time.
func postedMessages(t *testing.T) (failed, recovered posted) {
	t.Helper()
	s, h := inMemory(t), newHook(t)
	now := time.Now().Truncate(time.Second)
	s.clock.advance(now.Sub(s.clock.read()) - 2*time.Minute)
	s.nextTick = s.clock.read().Add(time.Minute)
	w, _, _ := withWebhook(t, s, h)
	o := s.fail("shop.order", "bad_header")
	s.handle()
	s.move(o, journal.Loaded)
	s.run(2 * time.Minute)
	w.Deliver(t.Context())
	if len(h.requests) != 2 {
		t.Fatalf("%d requests, want two", len(h.requests))
	}
	return posted{h.requests[0].Header, h.bodies[0]}, posted{h.requests[1].Header, h.bodies[1]}
}

// TestPageShowsKeysOfMessage compares the example on the page about the webhook with a
// message.
func TestPageShowsKeysOfMessage(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/webhook.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(page), "```json\n")
	example, _, _ := strings.Cut(rest, "```")
	failed, _ := postedMessages(t)
	var shown, sent map[string]json.RawMessage
	var shownMachine, sentMachine map[string]any
	for _, pair := range []struct {
		text string
		into any
	}{{example, &shown}, {string(failed.body), &sent}} {
		if err := json.Unmarshal([]byte(pair.text), pair.into); err != nil {
			t.Fatal(err)
		}
	}
	if json.Unmarshal(shown["machine"], &shownMachine) != nil || json.Unmarshal(sent["machine"], &sentMachine) != nil {
		t.Fatal("a machine part isn't JSON")
	}
	if diff := cmp.Diff(slices.Sorted(maps.Keys(shown)), slices.Sorted(maps.Keys(sent))); diff != "" {
		t.Errorf("keys (-page +message):\n%s", diff)
	}
	for key := range shownMachine {
		if _, found := sentMachine[key]; !found {
			t.Errorf("a message has no key machine.%s", key)
		}
	}
}
