package snowflake_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/snowflake"
	"github.com/firn-data/firn/internal/telemetry"
)

// fakeAccount is a fake Snowflake with a login and nothing else. A login with one of the
// account's keys succeeds.
type fakeAccount struct {
	config snowflake.Config

	mutex sync.Mutex
	keys  []string // fingerprints
	// answer replaces the login's answer; nil compares the keys.
	answer http.HandlerFunc
	logins []string // the fingerprint of each login
}

func newAccount(t *testing.T, answer http.HandlerFunc) *fakeAccount {
	t.Helper()
	a := &fakeAccount{answer: answer}
	server := httptest.NewServer(a)
	t.Cleanup(server.Close)
	address, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	port, err := strconv.Atoi(address.Port())
	if err != nil {
		t.Fatal(err)
	}
	a.config = snowflake.Config{Account: "local", Host: address.Hostname(), Port: port, Protocol: "http"}
	return a
}

func (a *fakeAccount) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !strings.HasSuffix(r.URL.Path, "/login-request") {
		fmt.Fprint(w, `{"success": true}`)
		return
	}
	fingerprint := fingerprintIn(r.Body)
	a.mutex.Lock()
	a.logins = append(a.logins, fingerprint)
	known, answer := strings.Contains(strings.Join(a.keys, " "), fingerprint), a.answer
	a.mutex.Unlock()
	switch {
	case answer != nil:
		answer(w, r)
	case known:
		fmt.Fprint(w, `{"success": true, "data": {"token": "t", "masterToken": "m", "sessionId": 1, "parameters": [], "sessionInfo": {}}}`)
	default:
		refuse(w, r)
	}
}

func refuse(w http.ResponseWriter, _ *http.Request) {
	fmt.Fprint(w, `{"success": false, "code": "390144", "message": "JWT token is invalid. [id]", "data": {}}`)
}

// fingerprintIn reads the fingerprint from the issuer of the login's token.
func fingerprintIn(body io.Reader) string {
	var request struct {
		Data struct {
			Token string `json:"TOKEN"`
		} `json:"data"`
	}
	var claims struct{ Iss string }
	if json.NewDecoder(body).Decode(&request) != nil {
		return ""
	}
	parts := strings.Split(request.Data.Token, ".")
	if len(parts) != 3 {
		return ""
	}
	content, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil || json.Unmarshal(content, &claims) != nil {
		return ""
	}
	return strings.TrimPrefix(claims.Iss, "LOCAL.LOADER.")
}

func (a *fakeAccount) accept(pairs ...snowflake.KeyPair) {
	a.mutex.Lock()
	defer a.mutex.Unlock()
	a.keys = nil
	for _, pair := range pairs {
		a.keys = append(a.keys, pair.Fingerprint())
	}
}

// seen returns the fingerprints of the logins so far.
func (a *fakeAccount) seen() []string {
	a.mutex.Lock()
	defer a.mutex.Unlock()
	return append([]string(nil), a.logins...)
}

func newPair(t *testing.T) snowflake.KeyPair {
	t.Helper()
	pair, err := snowflake.NewKeyPair("LOADER", 1, time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))
	if err != nil {
		t.Fatal(err)
	}
	return pair
}

// TestMain turns off the driver's search for the cloud platform, which uses the
// network.
func TestMain(m *testing.M) {
	if err := os.Setenv("SNOWFLAKE_DISABLE_PLATFORM_DETECTION", "true"); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

// A refused login is sent once: five refused logins lock the user. A login without an
// answer is retried within the limit.
func TestRefusedLoginIsSentOnce(t *testing.T) {
	t.Parallel()
	unavailable := func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) }
	forbidden := func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) }
	hang := func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
	for _, test := range []struct {
		name   string
		answer http.HandlerFunc
		limit  time.Duration
		code   fault.Code
		times  int
	}{
		{"refused", refuse, 0, fault.SnowflakeRefused, 1},
		{"HTTP 403", forbidden, 0, fault.SnowflakeRefused, 1},
		{"HTTP 503", unavailable, 0, fault.SnowflakeAway, 3},
		{"no answer", hang, 500 * time.Millisecond, fault.SnowflakeAway, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			a := newAccount(t, test.answer)
			c, pair := a.config, newPair(t)
			c.User, c.PrivateKey, c.LoginTimeout = pair.User, pair.PrivateKey, test.limit
			began := time.Now()
			_, err := snowflake.Open(t.Context(), c)
			if !fault.Is(err, test.code) {
				t.Errorf("got %v, want %s", err, test.code)
			}
			const slack = 8 * time.Second // the driver's own limit for one request is 10 s
			if took := time.Since(began); test.limit > 0 && took > test.limit+slack {
				t.Errorf("the login took %s, want at most %s", took, test.limit)
			}
			if got := len(a.seen()); got != test.times {
				t.Errorf("%d logins, want %d", got, test.times)
			}
		})
	}
}

// The log has the duration of each login and no part of the key.
func TestLoginTimeIsLoggedWithoutKey(t *testing.T) {
	t.Parallel()
	a, pair := newAccount(t, nil), newPair(t)
	c := a.config
	c.User, c.PrivateKey = pair.User, pair.PrivateKey
	var log bytes.Buffer
	ctx := telemetry.WithLogger(t.Context(), telemetry.NewLogger(&log, "load"))
	if _, err := snowflake.Open(ctx, c); !fault.Is(err, fault.SnowflakeRefused) {
		t.Errorf("got %v", err)
	}
	a.accept(pair)
	session, err := snowflake.Open(ctx, c)
	if err != nil {
		t.Fatal(err)
	}
	if err := session.Close(); err != nil {
		t.Error(err)
	}
	for _, want := range []string{`"msg":"login to Snowflake failed"`, `"msg":"logged in to Snowflake"`} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("%s is missing in the log:\n%s", want, log.String())
		}
	}
	if got := strings.Count(log.String(), `"duration_ms":`); got != 2 {
		t.Errorf("%d durations in the log, want 2:\n%s", got, log.String())
	}
}

// fakeSecret is a fake secret that counts its reads.
type fakeSecret struct {
	mutex sync.Mutex
	pair  snowflake.KeyPair
	err   error
	reads int
}

func (s *fakeSecret) Read(context.Context) (snowflake.KeyPair, error) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.reads++
	return s.pair, s.err
}

func (s *fakeSecret) set(pair snowflake.KeyPair, err error) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.pair, s.err = pair, err
}

func (s *fakeSecret) count() int {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return s.reads
}

func checkLogin(t *testing.T, c snowflake.Config) {
	t.Helper()
	session, err := snowflake.Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	if err := session.Close(); err != nil {
		t.Error(err)
	}
}

// The keyring reads the secret once, and again after a refused login.
func TestKeyringReadsSecretAgainAfterRotation(t *testing.T) {
	t.Parallel()
	a, older, newer := newAccount(t, nil), newPair(t), newPair(t)
	stored := &fakeSecret{pair: older}
	c := a.config
	c.Keys = &snowflake.Keyring{Secret: stored}
	a.accept(older)
	checkLogin(t, c)
	checkLogin(t, c)
	if got := stored.count(); got != 1 {
		t.Errorf("%d reads of the secret for two logins, want 1", got)
	}
	stored.set(newer, nil)
	a.accept(newer)
	checkLogin(t, c)
	checkLogin(t, c)
	want := []string{older.Fingerprint(), older.Fingerprint(), older.Fingerprint(), newer.Fingerprint(), newer.Fingerprint()}
	if got := a.seen(); strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("logins with keys %v\nwant %v", got, want)
	}
	if got := stored.count(); got != 2 {
		t.Errorf("%d reads of the secret, want 2", got)
	}
}

// The same key is never retried after a refused login, and the fault has a hint.
func TestKeyringTriesRefusedKeyOnce(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		change func(*fakeSecret, snowflake.KeyPair)
		want   string
	}{
		"unchanged": {func(*fakeSecret, snowflake.KeyPair) {}, "JWT token is invalid"},
		"unreadable": {
			func(s *fakeSecret, pair snowflake.KeyPair) { s.set(pair, errors.New("no network")) },
			"the second read of the secret failed too: no network",
		},
	} {
		t.Run(name, func(t *testing.T) {
			a, pair := newAccount(t, nil), newPair(t)
			stored := &fakeSecret{pair: pair}
			c := a.config
			c.Keys = &snowflake.Keyring{Secret: stored}
			a.accept(pair)
			checkLogin(t, c)
			a.accept()
			test.change(stored, pair)
			_, err := snowflake.Open(t.Context(), c)
			f := fault.As(err)
			if !fault.Is(err, fault.SnowflakeRefused) || f.Disposition != fault.RetryAfter || f.After == 0 {
				t.Errorf("got %+v", f)
			}
			if !strings.Contains(err.Error(), test.want) || !strings.Contains(f.Advice(), "`firn keys rotate`") {
				t.Errorf("%v. %s", err, f.Advice())
			}
			if got := len(a.seen()); got != 2 {
				t.Errorf("%d logins, want 1 success and 1 refusal", got)
			}
		})
	}
}

// After a rotation, each of several concurrent logins is refused once, and one login
// reads the secret.
func TestConcurrentLoginsReadRotatedSecretOnce(t *testing.T) {
	t.Parallel()
	a, older, newer := newAccount(t, nil), newPair(t), newPair(t)
	stored := &fakeSecret{pair: older}
	c := a.config
	c.Keys = &snowflake.Keyring{Secret: stored}
	a.accept(older)
	checkLogin(t, c)
	stored.set(newer, nil)
	a.accept(newer)
	var logins sync.WaitGroup
	for range 8 {
		logins.Go(func() {
			session, err := snowflake.Open(t.Context(), c)
			if err != nil {
				t.Error(err)
				return
			}
			if err := session.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	logins.Wait()
	if got := stored.count(); got != 2 {
		t.Errorf("%d reads of the secret, want 2", got)
	}
}

// Without a key pair, no login is sent.
func TestKeyringWithoutKeyPairFails(t *testing.T) {
	t.Parallel()
	a := newAccount(t, nil)
	missing := fault.Dependency("read", fault.SecretAway, errors.New("gone"))
	c := a.config
	c.Keys = &snowflake.Keyring{Secret: &fakeSecret{err: missing}}
	if _, err := snowflake.Open(t.Context(), c); !fault.Is(err, fault.SecretAway) || len(a.seen()) > 0 {
		t.Errorf("got %v after %d logins, want %s after 0 logins", err, len(a.seen()), fault.SecretAway)
	}
}
