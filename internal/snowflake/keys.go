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
// RSA_PUBLIC_KEY and RSA_PUBLIC_KEY_2 (docs.snowflake.com,
// user-guide/key-pair-auth). The zero value is no pair.
type KeyPair struct {
	// User is the Snowflake user's name.
	User string
	// PrivateKey is never printed: neither by String nor as JSON.
	PrivateKey *rsa.PrivateKey `json:"-"`
	// Slot is 1 or 2: where the public key was to be put when the pair was made.
	Slot int
	// Created is when the pair was made.
	Created time.Time
}

// keyBits is the size that Snowflake asks for at least.
const keyBits = 2048

// NewKeyPair makes a pair for a user's slot.
func NewKeyPair(user string, slot int, now time.Time) (KeyPair, error) {
	key, err := rsa.GenerateKey(rand.Reader, keyBits)
	if err != nil {
		return KeyPair{}, fmt.Errorf("make a key pair: %w", err)
	}
	return KeyPair{User: user, PrivateKey: key, Slot: slot, Created: now.UTC().Truncate(time.Second)}, nil
}

// String names the pair without its private key.
func (p KeyPair) String() string { return fmt.Sprintf("%s of %s", p.Fingerprint(), p.User) }

// Fingerprint is how Snowflake shows the public key: "SHA256:" and base64 of
// the digest of its DER. Empty for no pair.
func (p KeyPair) Fingerprint() string {
	if p.PrivateKey == nil {
		return ""
	}
	digest := sha256.Sum256(p.publicDER())
	return "SHA256:" + base64.StdEncoding.EncodeToString(digest[:])
}

// PublicKey is the public key as ALTER USER takes it: PEM without its first
// and last line.
func (p KeyPair) PublicKey() string { return base64.StdEncoding.EncodeToString(p.publicDER()) }

func (p KeyPair) publicDER() []byte {
	der, err := x509.MarshalPKIXPublicKey(p.PrivateKey.Public())
	if err != nil {
		panic("an RSA key has no DER: " + err.Error())
	}
	return der
}

// secretForm is a pair as a secret holds it.
type secretForm struct {
	User string `json:"user"`
	// PrivateKey is PKCS #8 in PEM, unencrypted: the secret's own key encrypts it.
	PrivateKey  string    `json:"private_key"`
	Slot        int       `json:"slot"`
	Fingerprint string    `json:"public_key_fingerprint"`
	Created     time.Time `json:"created_at"`
}

// Encode writes the pair, private key and all, as a secret holds it: a JSON
// object of user, private_key (PKCS #8 in PEM), slot, public_key_fingerprint
// and created_at.
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

// DecodeKeyPair reads what Encode wrote. Its errors hold nothing of the text.
func DecodeKeyPair(text string) (KeyPair, error) {
	var form secretForm
	if json.Unmarshal([]byte(text), &form) != nil { // json's error can quote the text
		return KeyPair{}, errors.New("decode key pair: it isn't the JSON that `firn keys rotate` writes")
	}
	key, err := ParsePrivateKey([]byte(form.PrivateKey))
	if err != nil {
		return KeyPair{}, fmt.Errorf("decode key pair: %w", err)
	}
	pair := KeyPair{User: form.User, PrivateKey: key, Slot: form.Slot, Created: form.Created}
	switch {
	case pair.User == "":
		return KeyPair{}, errors.New("decode key pair: it names no user")
	case pair.Fingerprint() != form.Fingerprint:
		return KeyPair{}, errors.New("decode key pair: the fingerprint is another key's")
	}
	return pair, nil
}

// Secret is where the key pair of a login is kept.
type Secret interface {
	// Read returns the pair that is in force.
	Read(ctx context.Context) (KeyPair, error)
}

// Keyring gives logins the pair of a secret. It reads the secret for the first
// login, and again when one is refused, so that a rotation needs no
// deployment. It is safe for concurrent use.
type Keyring struct {
	Secret Secret

	mutex sync.Mutex
	held  KeyPair
}

// open logs in. A refused login is tried once more if the secret has another
// pair by now, and never with the same one: five refused logins lock the user.
func (k *Keyring) open(ctx context.Context, c Config) (*Session, error) {
	pair, err := k.pair(ctx)
	if err != nil {
		return nil, err
	}
	session, err := logIn(ctx, c.as(pair))
	if !fault.Is(err, fault.SnowflakeRefused) {
		return session, err
	}
	refusal := *fault.As(err)
	refusal.Hint = "Snowflake refuses the login: `firn keys` tells whether the secret's key is the user's, " +
		"`firn keys rotate` makes a new one; check the account, user and role that the stack was given."
	newer, err := k.newerThan(ctx, pair)
	switch {
	case err != nil:
		refusal.Err = fmt.Errorf("%w; and the secret can't be read again: %w", refusal.Err, err)
		return nil, &refusal
	case newer.PrivateKey == nil:
		return nil, &refusal
	}
	telemetry.Logger(ctx).InfoContext(ctx, "key pair replaced, login repeated")
	return logIn(ctx, c.as(newer))
}

// pair returns the pair that is held, or the secret's.
func (k *Keyring) pair(ctx context.Context) (KeyPair, error) {
	k.mutex.Lock()
	defer k.mutex.Unlock()
	if k.held.PrivateKey != nil {
		return k.held, nil
	}
	pair, err := k.Secret.Read(ctx)
	if err == nil {
		k.held = pair
	}
	return pair, err
}

// newerThan returns another pair than the one that was refused: what another
// login read meanwhile, or the secret's. No pair if there is no other.
func (k *Keyring) newerThan(ctx context.Context, refused KeyPair) (KeyPair, error) {
	k.mutex.Lock()
	defer k.mutex.Unlock()
	if !k.held.logsInLike(refused) {
		return k.held, nil
	}
	pair, err := k.Secret.Read(ctx)
	if err != nil || pair.logsInLike(refused) {
		return KeyPair{}, err
	}
	k.held = pair
	return pair, nil
}

func (p KeyPair) logsInLike(other KeyPair) bool {
	return p.User == other.User && p.PrivateKey.Equal(crypto.PrivateKey(other.PrivateKey))
}

// as returns the configuration of a login by the pair.
func (c Config) as(pair KeyPair) Config {
	c.User, c.PrivateKey, c.Keys = pair.User, pair.PrivateKey, nil
	return c
}
