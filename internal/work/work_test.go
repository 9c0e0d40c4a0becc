package work_test

import (
	"encoding/json"
	"strings"
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

func TestDecodeReceipt(t *testing.T) {
	t.Parallel()
	valid := func() work.Receipt {
		return work.Receipt{
			Object: landed, ObjectID: landed.ID(), Dataset: "shop.order", Outcome: work.Accepted,
			RowsRead: 10, RowsWritten: 8, RowsRejected: 2,
			Data:    []work.File{{Key: "a", Rows: 5}, {Key: "b", Rows: 3}},
			Rejects: []work.File{{Key: "c", Rows: 2}},
		}
	}
	tests := []struct {
		name    string
		change  func(*work.Receipt)
		wantErr string
	}{
		{"valid", func(*work.Receipt) {}, ""},
		{"refused without counts", func(r *work.Receipt) { r.Outcome, r.Data = work.Refused, nil }, ""},
		{"another object's id", func(r *work.Receipt) { r.ObjectID = "x" }, "doesn't belong to"},
		{"unknown outcome", func(r *work.Receipt) { r.Outcome = "fine" }, "unknown"},
		{"lost row", func(r *work.Receipt) { r.RowsRead = 11 }, "11 rows read, but 8 written and 2 rejected"},
		{"missing data file", func(r *work.Receipt) { r.Data = r.Data[:1] }, "8 rows written, but the files hold 5"},
		{"missing rejects file", func(r *work.Receipt) { r.Rejects = nil }, "2 rows rejected, but the files hold 0"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			r := valid()
			test.change(&r)
			body, err := json.Marshal(r)
			if err != nil {
				t.Fatal(err)
			}
			_, err = work.DecodeReceipt(body)
			switch {
			case test.wantErr == "" && err != nil:
				t.Errorf("refused: %v", err)
			case test.wantErr != "" && (err == nil || !strings.Contains(err.Error(), test.wantErr)):
				t.Errorf("error %v, want %q", err, test.wantErr)
			}
		})
	}
	if _, err := work.DecodeReceipt([]byte("{")); err == nil {
		t.Error("an incomplete receipt was accepted")
	}
}
