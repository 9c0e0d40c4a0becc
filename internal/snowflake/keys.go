package snowflake

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/telemetry"
)

// KeyPair logs a user in. The public key is in one of the user's two slots,
// RSA_PUBLIC_KEY and RSA_PUBLIC_KEY_2 (docs.snowflake.com, user-guide/key-pair-auth).
// The zero value has no key.
type KeyPair struct {
	// User is the name of the Snowflake user.
	User string
	// PrivateKey is never printed, neither by String nor as JSON.
	PrivateKey *rsa.PrivateKey `json:"-"`
	// Slot is 1 or 2: the slot chosen for the public key when the pair was made.
	Slot int
	// Created is the time of creation, in UTC and whole seconds.
	Created time.Time
}

// keyBits is the smallest key size that Snowflake accepts.
const keyBits = 2048

// NewKeyPair makes a pair for a user's slot.
func NewKeyPair(user string, slot int, now time.Time) (KeyPair, error) {
	key, err := rsa.GenerateKey(rand.Reader, keyBits)
	if err != nil {
		return KeyPair{}, fmt.Errorf("make a key pair: %w", err)
	}
	return KeyPair{User: user, PrivateKey: key, Slot: slot, Created: now.UTC().Truncate(time.Second)}, nil
}

// String returns the fingerprint and the user, without the private key.
func (p KeyPair) String() string { return fmt.Sprintf("%s of %s", p.Fingerprint(), p.User) }

// Fingerprint returns the public key's fingerprint in Snowflake's form: "SHA256:" and
// the base64 of the digest of the DER. Empty for the zero value.
func (p KeyPair) Fingerprint() string {
	if p.PrivateKey == nil {
		return ""
	}
	digest := sha256.Sum256(p.publicDER())
	return "SHA256:" + base64.StdEncoding.EncodeToString(digest[:])
}

// PublicKey returns the public key in the form of ALTER USER: PEM without the first and
// the last line.
func (p KeyPair) PublicKey() string { return base64.StdEncoding.EncodeToString(p.publicDER()) }

func (p KeyPair) publicDER() []byte {
	der, err := x509.MarshalPKIXPublicKey(p.PrivateKey.Public())
	if err != nil {
		panic("encode RSA key as DER: " + err.Error())
	}
	return der
}

// secretForm is the JSON of a pair in a secret.
type secretForm struct {
	User string `json:"user"`
	// PrivateKey is PKCS #8 in PEM, unencrypted: the secret's own key encrypts the
	// whole secret.
	PrivateKey  string    `json:"private_key"`
	Slot        int       `json:"slot"`
	Fingerprint string    `json:"public_key_fingerprint"`
	Created     time.Time `json:"created_at"`
}

// Encode returns the pair with its private key as the text of a secret: a JSON object
// of user, private_key (PKCS #8 in PEM), slot, public_key_fingerprint and created_at.
func (p KeyPair) Encode() (string, error) {
	der, err := x509.MarshalPKCS8PrivateKey(p.PrivateKey)
	if err != nil {
		return "", fmt.Errorf("encode key pair: %w", err)
	}
	content, err := json.Marshal(secretForm{
		User: p.User, PrivateKey: string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})),
		Slot: p.Slot, Fingerprint: p.Fingerprint(), Created: p.Created,
	})
	return string(content), err
}

// DecodeKeyPair reads the text of Encode. The errors contain no part of the text.
func DecodeKeyPair(text string) (KeyPair, error) {
	var form secretForm
	if json.Unmarshal([]byte(text), &form) != nil { // json's error can quote the text
		return KeyPair{}, errors.New("decode key pair: the text isn't the JSON that `firn keys rotate` writes")
	}
	key, err := ParsePrivateKey([]byte(form.PrivateKey))
	if err != nil {
		return KeyPair{}, fmt.Errorf("decode key pair: %w", err)
	}
	pair := KeyPair{User: form.User, PrivateKey: key, Slot: form.Slot, Created: form.Created}
	switch {
	case pair.User == "":
		return KeyPair{}, errors.New("decode key pair: user is empty")
	case pair.Fingerprint() != form.Fingerprint:
		return KeyPair{}, errors.New("decode key pair: public_key_fingerprint belongs to another key")
	}
	return pair, nil
}

// Secret stores the key pair of a login.
type Secret interface {
	// Read returns the current pair.
	Read(ctx context.Context) (KeyPair, error)
}

// Keyring gives logins the pair of a secret. Keyring reads the secret for the first
// login, and again after a refused login, so that a rotation needs no deployment. A
// Keyring is safe for concurrent use.
type Keyring struct {
	Secret Secret

	mutex   sync.Mutex
	current KeyPair
}

// open logs in. After a refused login, open retries once if memory or secret has
// another pair. The same pair is never retried: five refused logins lock the user.
func (k *Keyring) open(ctx context.Context, c Config) (*Session, error) {
	pair, err := k.pair(ctx)
	if err != nil {
		return nil, err
	}
	session, err := logIn(ctx, c.withKeyPair(pair))
	if !fault.Is(err, fault.SnowflakeRefused) {
		return session, err
	}
	refusal := *fault.As(err)
	refusal.Hint = "Snowflake refuses the login. Run `firn keys` to compare the secret's key with the user's keys, " +
		"or `firn keys rotate` to make a new key. Check the stack's settings for account, user and role too."
	newer, err := k.newerThan(ctx, pair)
	switch {
	case err != nil:
		refusal.Err = fmt.Errorf("%w; the second read of the secret failed too: %w", refusal.Err, err)
		return nil, &refusal
	case newer.PrivateKey == nil:
		return nil, &refusal
	}
	telemetry.Logger(ctx).InfoContext(ctx, "key pair replaced, login repeated")
	return logIn(ctx, c.withKeyPair(newer))
}

// pair returns the pair in memory; without one, the secret's pair.
func (k *Keyring) pair(ctx context.Context) (KeyPair, error) {
	k.mutex.Lock()
	defer k.mutex.Unlock()
	if k.current.PrivateKey != nil {
		return k.current, nil
	}
	pair, err := k.Secret.Read(ctx)
	if err == nil {
		k.current = pair
	}
	return pair, err
}

// newerThan returns a pair other than the refused pair: from another login's read of
// the secret, or from a new read. Returns the zero value if the secret has no other
// pair.
func (k *Keyring) newerThan(ctx context.Context, refused KeyPair) (KeyPair, error) {
	k.mutex.Lock()
	defer k.mutex.Unlock()
	if !k.current.sameLogin(refused) {
		return k.current, nil
	}
	pair, err := k.Secret.Read(ctx)
	if err != nil || pair.sameLogin(refused) {
		return KeyPair{}, err
	}
	k.current = pair
	return pair, nil
}

func (p KeyPair) sameLogin(other KeyPair) bool {
	return p.User == other.User && p.PrivateKey.Equal(crypto.PrivateKey(other.PrivateKey))
}

// withKeyPair returns a copy of the configuration that logs in by the pair.
func (c Config) withKeyPair(pair KeyPair) Config {
	c.User, c.PrivateKey, c.Keys = pair.User, pair.PrivateKey, nil
	return c
}
