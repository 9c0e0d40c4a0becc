package snowflake_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/firn-data/firn/internal/snowflake"
)

func TestKeyPairDecodesAsEncoded(t *testing.T) {
	t.Parallel()
	pair := newPair(t)
	content, err := pair.Encode()
	if err != nil {
		t.Fatal(err)
	}
	got, err := snowflake.DecodeKeyPair(content)
	if err != nil {
		t.Fatal(err)
	}
	if !got.PrivateKey.Equal(pair.PrivateKey) || got.User != pair.User || got.Slot != pair.Slot || !got.Created.Equal(pair.Created) {
		t.Errorf("encoded %+v, decoded %+v", pair, got)
	}
	var form map[string]any
	if err := json.Unmarshal([]byte(content), &form); err != nil {
		t.Fatal(err)
	}
	for _, field := range []string{"user", "private_key", "slot", "public_key_fingerprint", "created_at"} {
		if form[field] == nil {
			t.Errorf("the secret has no %s", field)
		}
	}
}

// The error for an unusable text contains no part of the secret.
func TestDecodeErrorHidesSecret(t *testing.T) {
	t.Parallel()
	change := func(field string, value any) string {
		var form map[string]any
		content, err := newPair(t).Encode()
		if err != nil || json.Unmarshal([]byte(content), &form) != nil {
			t.Fatal(err)
		}
		form[field] = value
		changed, err := json.Marshal(form)
		if err != nil {
			t.Fatal(err)
		}
		return string(changed)
	}
	for name, text := range map[string]string{
		"empty":               "",
		"not JSON":            "s3cret-0123456789",
		"a wrong type":        `{"user": "U", "slot": "s3cret-0123456789"}`,
		"no key":              change("private_key", "s3cret-0123456789"),
		"another fingerprint": change("public_key_fingerprint", "SHA256:s3cret-0123456789"),
		"no user":             change("user", ""),
	} {
		_, err := snowflake.DecodeKeyPair(text)
		if err == nil {
			t.Errorf("%s: no error", name)
		} else if strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: the error contains the secret: %v", name, err)
		}
	}
}

// No usual way of printing shows the private key.
func TestKeyPairIsPrintedWithoutItsPrivateKey(t *testing.T) {
	t.Parallel()
	pair := newPair(t)
	asJSON, err := json.Marshal(pair)
	if err != nil {
		t.Fatal(err)
	}
	exponent := pair.PrivateKey.D.String()
	for i, text := range []string{fmt.Sprint(pair), fmt.Sprintf("%v %s", pair, pair), fmt.Sprintf("%+v", pair), fmt.Sprint(&pair), fmt.Sprintf("%#v", pair), string(asJSON)} {
		if strings.Contains(text, exponent) || strings.Contains(text, "PRIVATE KEY") {
			t.Errorf("text %d contains the private key", i)
		}
	}
	if got := fmt.Sprint(pair); got != pair.Fingerprint()+" of LOADER" {
		t.Errorf("got %q, want fingerprint and user", got)
	}
}
