package work_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"math"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/object"
	"github.com/firn-data/firn/internal/work"
)

// place is the place of validReceipt.
var place = object.Attempt{Dataset: "shop.order", Object: landed.ID(), Name: object.AttemptName(2, 1, "a")}

func placeOf(a object.Attempt) work.Location {
	return work.Location{Bucket: "curated", Key: a.Receipt()}
}

func validReceipt() work.Receipt {
	return work.Receipt{
		Object: landed, ObjectID: landed.ID(), Dataset: place.Dataset, Attempt: place.Name, Generation: 2, Outcome: work.Accepted,
		RowsRead: 10, RowsWritten: 8, RowsRejected: 2,
		Data:    []work.File{{Key: place.Data(0), Rows: 5, Bytes: 9}, {Key: place.Prefix() + "data/part-1.parquet", Rows: 3}},
		Rejects: []work.File{{Key: place.Rejects(0), Rows: 2}},
	}
}

// refuse makes the receipt of a refused object with one kept reject of two.
func refuse(r *work.Receipt) {
	r.Outcome, r.Data, r.RowsWritten = work.Refused, nil, 0
	r.Rejects = []work.File{{Key: place.Rejects(0), Rows: 1}}
}

func TestDecodeReceipt(t *testing.T) {
	t.Parallel()
	other := object.Object{Bucket: "landing", Key: "shop/order/other.csv", Version: "v1"}
	tests := []struct {
		name    string
		change  func(*work.Receipt)
		wantErr string
	}{
		{"valid", func(*work.Receipt) {}, ""},
		{"without a row", func(r *work.Receipt) {
			r.RowsRead, r.RowsWritten, r.RowsRejected, r.Data, r.Rejects = 0, 0, 0, nil, nil
		}, ""},
		{"refused", refuse, ""},
		{"refused without files", func(r *work.Receipt) { refuse(r); r.Rejects = nil }, ""},

		{"another object's id", func(r *work.Receipt) { r.ObjectID = "x" }, "doesn't belong to"},
		{"another object", func(r *work.Receipt) { r.Object = other }, "doesn't belong to"},
		{"another object with its id", func(r *work.Receipt) { r.Object, r.ObjectID = other, other.ID() }, "this attempt's receipt has the key"},
		{"another dataset", func(r *work.Receipt) { r.Dataset = "shop.customer" }, "this attempt's receipt has the key shop/customer/"},
		{"another attempt", func(r *work.Receipt) { r.Attempt = "02-02-b" }, "this attempt's receipt has the key"},
		{"another generation", func(r *work.Receipt) { r.Generation = 3 }, `the generation is 3, and attempt "02-01-a" is of generation 2`},

		{"a data file twice", func(r *work.Receipt) {
			r.Data[1] = r.Data[0]
			r.RowsRead, r.RowsWritten = 12, 10
		}, "data-00000.parquet\" is named twice"},
		{"a rejects file twice", func(r *work.Receipt) {
			r.Rejects = append(r.Rejects, r.Rejects[0])
			r.RowsRead, r.RowsRejected = 12, 4
		}, "is named twice"},
		{"a file of rows and of rejects", func(r *work.Receipt) { r.Rejects[0].Key = r.Data[0].Key }, "is named twice"},
		{"a file of another object", func(r *work.Receipt) {
			r.Data[0].Key = object.Attempt{Dataset: place.Dataset, Object: other.ID(), Name: place.Name}.Data(0)
		}, "isn't in the attempt's folder"},
		{"a file of another attempt", func(r *work.Receipt) {
			r.Data[0].Key = object.Attempt{Dataset: place.Dataset, Object: place.Object, Name: "02-02-b"}.Data(0)
		}, "isn't in the attempt's folder"},
		{"a rejects file of another dataset", func(r *work.Receipt) {
			r.Rejects[0].Key = object.Attempt{Dataset: "shop.customer", Object: place.Object, Name: place.Name}.Rejects(0)
		}, "isn't in the attempt's folder"},
		{"a file without a name", func(r *work.Receipt) { r.Data[0].Key = place.Prefix() }, "isn't in the attempt's folder"},

		{"unknown outcome", func(r *work.Receipt) { r.Outcome = "fine" }, "unknown"},
		{"lost row", func(r *work.Receipt) { r.RowsRead = 11 }, "11 rows read, but 8 written and 2 rejected"},
		{"missing data file", func(r *work.Receipt) { r.Data = r.Data[:1] }, "8 rows written, but the files hold 5"},
		{"missing rejects file", func(r *work.Receipt) { r.Rejects = nil }, "2 rows rejected, but the files hold 0"},
		{"negative file", func(r *work.Receipt) { r.Data[0].Rows, r.Data[1].Rows = 9, -1 }, "has -1 rows"},
		{"negative bytes", func(r *work.Receipt) { r.Data[0].Bytes = -1 }, "-1 bytes"},
		{"negative count", func(r *work.Receipt) { r.RowsWritten, r.RowsRejected = 11, -1 }, "a count is negative"},
		{"refused with a negative count", func(r *work.Receipt) { refuse(r); r.RowsRead = -1 }, "a count is negative"},
		{"refused with a data file", func(r *work.Receipt) {
			refuse(r)
			r.Data = []work.File{{Key: place.Data(0), Rows: 5}}
		}, "the object is refused, but the receipt has 1 files with rows"},
		{"refused with more rejects in files", func(r *work.Receipt) { refuse(r); r.Rejects[0].Rows = 3 }, "2 rows rejected, but the files hold 3"},
		{"refused with a file of another object", func(r *work.Receipt) { refuse(r); r.Rejects[0].Key = "x" }, "isn't in the attempt's folder"},
		{"refused with another dataset", func(r *work.Receipt) { refuse(r); r.Dataset = "shop.customer" }, "this attempt's receipt has the key"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			r := validReceipt()
			test.change(&r)
			body, err := json.Marshal(r)
			if err != nil {
				t.Fatal(err)
			}
			_, err = work.DecodeReceipt(body, placeOf(place))
			switch {
			case test.wantErr == "" && err != nil:
				t.Errorf("refused: %v", err)
			case test.wantErr != "" && (err == nil || !strings.Contains(err.Error(), test.wantErr)):
				t.Errorf("error %v, want %q", err, test.wantErr)
			}
		})
	}
	if _, err := work.DecodeReceipt([]byte("{"), placeOf(place)); err == nil {
		t.Error("an incomplete receipt was accepted")
	}
}

// TestReceiptFitsOnePlace: a receipt that is valid at its own place is invalid at any
// other place.
func TestReceiptFitsOnePlace(t *testing.T) {
	t.Parallel()
	r := validReceipt()
	for name, other := range map[string]object.Attempt{
		"another dataset": {Dataset: "shop.customer", Object: place.Object, Name: place.Name},
		"another object":  {Dataset: place.Dataset, Object: object.Object{Key: "x"}.ID(), Name: place.Name},
		"another attempt": {Dataset: place.Dataset, Object: place.Object, Name: "02-02-b"},
	} {
		if err := r.Validate(placeOf(other)); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

// TestValidReceiptLoadsEachRowOnce draws receipts and changes them. A receipt that is
// still valid names distinct files of its own folder, with all rows.
func TestValidReceiptLoadsEachRowOnce(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		counts := rapid.OneOf(rapid.Int64Range(-2, 4), rapid.SampledFrom([]int64{math.MinInt64, math.MaxInt64}))
		key := rapid.SampledFrom([]string{place.Data(0), place.Data(1), place.Rejects(0), place.Receipt(), place.Prefix(), "x", ""})
		file := rapid.Custom(func(t *rapid.T) work.File {
			return work.File{Key: key.Draw(t, "key"), Rows: counts.Draw(t, "rows"), Bytes: counts.Draw(t, "bytes")}
		})
		r := validReceipt()
		r.Data, r.Rejects = rapid.SliceOfN(file, 0, 3).Draw(t, "data"), rapid.SliceOfN(file, 0, 2).Draw(t, "rejects")
		r.RowsRead, r.RowsWritten, r.RowsRejected = counts.Draw(t, "read"), counts.Draw(t, "written"), counts.Draw(t, "rejected")
		r.Outcome = rapid.SampledFrom([]work.Outcome{work.Accepted, work.Refused, ""}).Draw(t, "outcome")
		if r.Validate(placeOf(place)) != nil {
			return
		}
		rows, known := map[bool]int64{}, map[string]bool{}
		for i, f := range append(append([]work.File{}, r.Data...), r.Rejects...) {
			if known[f.Key] || !strings.HasPrefix(f.Key, place.Prefix()) || f.Rows < 0 {
				t.Fatalf("file %+v is accepted", f)
			}
			known[f.Key] = true
			rows[i < len(r.Data)] += f.Rows
		}
		if r.Outcome == work.Accepted && (rows[true] != r.RowsWritten || rows[false] != r.RowsRejected || rows[true]+rows[false] != r.RowsRead) {
			t.Fatalf("the files have %d rows and %d rejects, the receipt %+v", rows[true], rows[false], r)
		}
		if r.Outcome == work.Refused && len(r.Data) > 0 {
			t.Fatalf("a refused receipt has data: %+v", r)
		}
	})
}

// objects answers with a body or an error.
type objects struct {
	body    io.Reader
	err     error
	bucket  string
	key     string
	closing error
}

func (o *objects) GetObject(_ context.Context, in *s3.GetObjectInput, _ ...func(*s3.Options)) (*s3.GetObjectOutput, error) {
	o.bucket, o.key = *in.Bucket, *in.Key
	if o.err != nil {
		return nil, o.err
	}
	return &s3.GetObjectOutput{Body: closer{o.body, o.closing}}, nil
}

type closer struct {
	io.Reader

	err error
}

func (c closer) Close() error { return c.err }

func TestReadReceipt(t *testing.T) {
	t.Parallel()
	want := validReceipt()
	body, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	store := &objects{body: strings.NewReader(string(body))}
	got, err := work.ReadReceipt(t.Context(), store, placeOf(place))
	if err != nil || store.bucket != "curated" || store.key != place.Receipt() {
		t.Fatalf("error %v, read of s3://%s/%s", err, store.bucket, store.key)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("receipt (-want +got):\n%s", diff)
	}
	tests := []struct {
		name  string
		store objects
		code  fault.Code
		d     fault.Disposition
	}{
		{"no such key", objects{err: &types.NoSuchKey{}}, fault.ReceiptMissing, fault.Permanent},
		{"no such version", objects{err: &smithy.GenericAPIError{Code: "NoSuchVersion"}}, fault.ReceiptMissing, fault.Permanent},
		{"no grant", objects{err: &smithy.GenericAPIError{Code: "AccessDenied"}}, fault.AccessDenied, fault.RetryAfter},
		{"no answer", objects{err: errors.New("connection refused")}, fault.StoreAway, fault.RetryAfter},
		{"lost connection", objects{body: io.MultiReader(strings.NewReader("{"), failing{})}, fault.StoreAway, fault.RetryAfter},
		{"lost end", objects{body: strings.NewReader(string(body)), closing: errors.New("reset")}, fault.StoreAway, fault.RetryAfter},
		{"no JSON", objects{body: strings.NewReader("{")}, fault.ReceiptMismatch, fault.Permanent},
		{"rows don't add up", objects{body: strings.NewReader(strings.Replace(string(body), `"rows_read":10`, `"rows_read":11`, 1))}, fault.ReceiptMismatch, fault.Permanent},
		{"of another dataset", objects{body: strings.NewReader(strings.Replace(string(body), `"dataset":"shop.order"`, `"dataset":"shop.item"`, 1))}, fault.ReceiptMismatch, fault.Permanent},
		{"too long", objects{body: io.MultiReader(strings.NewReader(string(body)), strings.NewReader(strings.Repeat(" ", 16<<20)))}, fault.ReceiptMismatch, fault.Permanent},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			_, err := work.ReadReceipt(t.Context(), &test.store, placeOf(place))
			if f := fault.As(err); err == nil || f.Code != test.code || f.Disposition != test.d {
				t.Errorf("got %v, want %s, %s", err, test.code, test.d)
			}
		})
	}
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, errors.New("connection reset") }
