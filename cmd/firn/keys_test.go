//go:build standin

package main_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/firn-data/firn/internal/snowflake/keys"
)

var changingText = regexp.MustCompile(`SHA256:\S+?=|20\d\d-\d\d-\d\dT\S+Z`)

// TestKeysRotatesWithoutShowingPrivateKey shows the key pair of a new stack, fills the
// secret, and rotates the key pair. No output contains the private key.
func TestKeysRotatesWithoutShowingPrivateKey(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.command("query", "create user if not exists firn_loader type = service").succeed(t)
	var printed strings.Builder
	record := func(arguments ...string) {
		text := f.command(arguments...).succeed(t)
		if strings.Contains(text, "PRIVATE") || strings.Contains(text, "MII") { // the beginning of a key in PEM and in base64
			t.Errorf("the output has the private key:\n%s", text)
		}
		printed.WriteString("$ firn " + strings.Join(arguments, " ") + "\n" + changingText.ReplaceAllString(text, "…") + "\n")
	}
	record("keys")
	record("keys", "rotate")
	record("keys")
	record("keys", "rotate", "--json")
	golden(t, "keys", printed.String())
	before := decode[keys.Status](t, f.command("keys", "--json").succeed(t))
	after := decode[keys.Status](t, f.command("keys", "rotate", "--json").succeed(t))
	if before.Slot != 2 || after.Slot != 1 || after.Fingerprint == before.Fingerprint {
		t.Errorf("status after the rotation is %+v, before %+v", after, before)
	}
	f.command("query", "alter user firn_loader unset rsa_public_key").succeed(t)
	if text := f.command("keys").succeed(t); !strings.Contains(text, "is in no slot of the user, so no login succeeds: run `firn keys rotate`\n") {
		t.Errorf("keys without the key in Snowflake prints %q", text)
	}
	expectError(t, f.command("keys", "rotat"), "see `firn keys --help`")
}
