package event_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/firn-data/firn/internal/event"
	"github.com/firn-data/firn/internal/object"
)

func TestAttempt(t *testing.T) {
	t.Parallel()
	want := object.Attempt{
		Dataset: "shop.order", Object: object.Object{Bucket: "landing", Key: "k", Version: "v"}.ID(), Name: "a1",
	}
	tests := []struct {
		name, key string
		found     bool
	}{
		{"receipt", want.Receipt(), true},
		{"data", want.Data(0), false},
		{"another name with the same ending", want.Prefix() + "my-receipt.json", false},
		{"additional folder", "x/" + want.Receipt(), false},
		{"no id", "shop/order/not-an-object-id-at-all-32-digit/a1/receipt.json", false},
		{"short id", "shop/order/0123abcd/a1/receipt.json", false},
		{"no attempt", "shop/order/" + string(want.Object) + "//receipt.json", false},
		{"no source", "/order/" + string(want.Object) + "/a1/receipt.json", false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got, found := event.Notice{Object: object.Object{Bucket: "curated", Key: test.key}}.Attempt()
			if found != test.found {
				t.Fatalf("found = %t for %q", found, test.key)
			}
			if found {
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("attempt (-want +got):\n%s", diff)
				}
			}
		})
	}
}
