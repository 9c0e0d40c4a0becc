//go:build standin

package main_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/firn-data/firn/internal/snowflake/keys"
)

var changingText = regexp.MustCompile(`SHA256:\S+?=|20\d\d-\d\d-\d\dT\S+Z`)

// TestKeysRotatesWithoutShowingPrivateKey shows the key pair of a new stack, fills its secret, and rotates it.
// Nothing that it prints is the private key.
func TestKeysRotatesWithoutShowingPrivateKey(t *testing.T) {
	t.Parallel()
	b := newFixture(t)
	b.command("query", "create user if not exists firn_loader type = service").succeed(t)
	var printed strings.Builder
	say := func(arguments ...string) {
		text := b.command(arguments...).succeed(t)
		if strings.Contains(text, "PRIVATE") || strings.Contains(text, "MII") { // how a key's PEM and base64 begin
			t.Errorf("it tells the key:\n%s", text)
		}
		printed.WriteString("$ firn " + strings.Join(arguments, " ") + "\n" + changingText.ReplaceAllString(text, "…") + "\n")
	}
	say("keys")
	say("keys", "rotate")
	say("keys")
	say("keys", "rotate", "--json")
	golden(t, "keys", printed.String())
	before := decode[keys.Status](t, b.command("keys", "--json").succeed(t))
	after := decode[keys.Status](t, b.command("keys", "rotate", "--json").succeed(t))
	if before.Slot != 2 || after.Slot != 1 || after.Fingerprint == before.Fingerprint {
		t.Errorf("a rotation made %+v of %+v", after, before)
	}
	b.command("query", "alter user firn_loader unset rsa_public_key").succeed(t)
	if text := b.command("keys").succeed(t); !strings.Contains(text, "is in no slot of the user, so no login succeeds: run `firn keys rotate`\n") {
		t.Errorf("without the key in Snowflake it says %q", text)
	}
	expectError(t, b.command("keys", "rotat"), "see `firn keys --help`")
}
