package contract_test

import (
	"net/netip"
	"regexp"
	"testing"

	"pgregory.net/rapid"

	"github.com/firn-data/firn/internal/contract"
)

func formatOf(name string) *regexp.Regexp {
	return regexp.MustCompile(`\A(?:` + contract.Column{Format: name}.FormatPattern() + `)\z`)
}

func TestFormats(t *testing.T) {
	t.Parallel()
	tests := []struct {
		format  string
		good    []string
		refused []string
	}{
		{"email", []string{"a@b", "ada.lovelace+x@example.org"}, []string{"a", "@b", "a@", "a b@c", "a@-b", "a@b.", "a@b\n"}},
		{"hostname", []string{"a", "example.org", "x-1.example"}, []string{"", "-a", "a-", "a..b", ".a", "a_b"}},
		{"ipv4", []string{"0.0.0.0", "255.255.255.255", "10.1.2.3"}, []string{"256.1.1.1", "1.1.1", "01.1.1.1", "1.1.1.1.1"}},
		{"ipv6", []string{"::", "::1", "1::", "fe80::1:2", "1:2:3:4:5:6:7:8", "::ffff:1.2.3.4"}, []string{":", "1:2", "1::2::3", "12345::", "1:2:3:4:5:6:7:8:9", "fe80::1%eth0"}},
		{"uri", []string{"https://example.org/a?b=c#d", "mailto:a@b", "urn:isbn:0"}, []string{"example.org", "http:", "http://a b", "1:a"}},
		{"uuid", []string{"123e4567-e89b-12d3-a456-426614174000", "123E4567-E89B-12D3-A456-426614174000"}, []string{"123e4567e89b12d3a456426614174000", "g23e4567-e89b-12d3-a456-426614174000"}},
	}
	for _, test := range tests {
		pattern := formatOf(test.format)
		for _, text := range test.good {
			if !pattern.MatchString(text) {
				t.Errorf("%s refuses %q", test.format, text)
			}
		}
		for _, text := range test.refused {
			if pattern.MatchString(text) {
				t.Errorf("%s accepts %q", test.format, text)
			}
		}
	}
}

// TestFormatPatternsMatchOnlyParsableAddresses parses texts that match the pattern.
func TestFormatPatternsMatchOnlyParsableAddresses(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"ipv4", "ipv6"} {
		pattern := contract.Column{Format: name}.FormatPattern()
		rapid.Check(t, func(t *rapid.T) {
			text := rapid.StringMatching(pattern).Draw(t, "address")
			address, err := netip.ParseAddr(text)
			if err != nil || address.Is4() != (name == "ipv4") {
				t.Fatalf("%s accepts %q: %v", name, text, err)
			}
		})
	}
}
