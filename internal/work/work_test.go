package work_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/firn-data/firn/internal/object"
	"github.com/firn-data/firn/internal/work"
)

var landed = object.Object{Bucket: "landing", Key: "shop/order/a b.csv", Version: "v1", Size: 7}

func TestWorkDecodesAsEncoded(t *testing.T) {
	t.Parallel()
	want := work.Work{
		Stage: work.Load, Dataset: "shop.order", Object: landed, Generation: 2,
		Receipt: &work.Location{Bucket: "curated", Key: "k/receipt.json"},
	}
	got, err := work.Decode(want.Encode(), work.Load)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestDecodeRefuses(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{
		"no JSON":       "rubbish",
		"another stage": work.Work{Stage: work.Transform, Object: landed}.Encode(),
		"no object":     work.Work{Stage: work.Load}.Encode(),
		"no receipt":    work.Work{Stage: work.Load, Object: landed}.Encode(),
	} {
		if _, err := work.Decode(body, work.Load); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
