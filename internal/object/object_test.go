package object_test

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/firn-data/firn/internal/object"
)

func TestIDDependsOnBucketKeyAndVersionOnly(t *testing.T) {
	t.Parallel()
	base := object.Object{Bucket: "b", Key: "k", Version: "v", Size: 1, ETag: "e"}
	if got, want := string(base.ID()), "8688fd7bd7c3911a2d00ecc53a80c3aa"; got != want {
		t.Fatalf("ID = %s, want %s", got, want)
	}
	same := base
	same.Size, same.ETag, same.Sequencer = 9, "x", "s"
	if same.ID() != base.ID() {
		t.Error("size, etag or sequencer changed the id")
	}
	for name, other := range map[string]object.Object{
		"bucket":           {Bucket: "c", Key: "k", Version: "v"},
		"key":              {Bucket: "b", Key: "l", Version: "v"},
		"version":          {Bucket: "b", Key: "k", Version: "w"},
		"moved separators": {Bucket: "bk", Key: "", Version: "v"},
	} {
		if other.ID() == base.ID() {
			t.Errorf("another %s has the same id", name)
		}
	}
	if !object.IsID(string(base.ID())) || object.IsID("s3://b/k") {
		t.Error("IsID returns a wrong result")
	}
}

func TestNormalizeSequencerOrders(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, older, newer string }{
		{"equal length", "0055AED6DCD90281E5", "0055AED6DCD90281E6"},
		{"upper and lower case", "617F08299329D189", "617f08299329d18a"},
		{"unequal lengths", "ff", "0100"},
		{"leading zeros don't count", "0000000000000009", "a"},
		{"unknown is older than known", "", "1"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			older, newer := object.NormalizeSequencer(test.older), object.NormalizeSequencer(test.newer)
			if older >= newer {
				t.Errorf("%q isn't before %q", older, newer)
			}
		})
	}
}

func TestNormalizeSequencerOrdersAsNumbers(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		digits := rapid.StringMatching(`[0-9a-fA-F]{1,20}`)
		a, b := digits.Draw(t, "a"), digits.Draw(t, "b")
		got := object.NormalizeSequencer(a) < object.NormalizeSequencer(b)
		if want := hexLess(a, b); got != want {
			t.Fatalf("%s < %s is %v, want %v", a, b, got, want)
		}
	})
}

// hexLess compares two hexadecimal numbers digit by digit from the left, as numbers of
// 20 digits.
func hexLess(a, b string) bool {
	value := func(s string, i int) int {
		if i -= 20 - len(s); i < 0 {
			return 0
		}
		switch c := s[i]; {
		case c <= '9':
			return int(c - '0')
		default:
			return int(c|0x20-'a') + 10
		}
	}
	for i := range 20 {
		if x, y := value(a, i), value(b, i); x != y {
			return x < y
		}
	}
	return false
}

func TestParseURI(t *testing.T) {
	t.Parallel()
	for uri, want := range map[string][2]string{
		"s3://bucket/a/b.csv":    {"bucket", "a/b.csv"},
		"s3://bucket/a b+c%.csv": {"bucket", "a b+c%.csv"},
	} {
		bucket, key, err := object.ParseURI(uri)
		if err != nil || bucket != want[0] || key != want[1] {
			t.Errorf("ParseURI(%q) = %q, %q, %v", uri, bucket, key, err)
		}
	}
	for _, uri := range []string{"", "bucket/key", "s3://", "s3://bucket", "s3://bucket/", "s3:///key", "https://bucket/key"} {
		if _, _, err := object.ParseURI(uri); err == nil {
			t.Errorf("ParseURI(%q) returns no error", uri)
		}
	}
}

func TestAttemptLayout(t *testing.T) {
	t.Parallel()
	a := object.Attempt{Dataset: "shop.order", Object: "0123", Name: "1-abc"}
	for got, want := range map[string]string{
		a.Data(0):    "shop/order/0123/1-abc/data-00000.parquet",
		a.Rejects(7): "shop/order/0123/1-abc/rejects-00007.parquet",
		a.Receipt():  "shop/order/0123/1-abc/receipt.json",
	} {
		if got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}
