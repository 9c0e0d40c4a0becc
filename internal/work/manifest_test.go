package work_test

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/firn-data/firn/internal/object"
	"github.com/firn-data/firn/internal/work"
)

func TestManifestRoundTrip(t *testing.T) {
	t.Parallel()
	o := object.Object{Bucket: "landing", Key: "shop/order/a b.csv", Version: "v", Size: 3}
	m := work.Manifest{
		ID: "1", Dataset: "shop.order", CuratedBucket: "curated", Contract: json.RawMessage(`{"format":"csv"}`), Try: 1,
		Objects: []work.Assignment{{Object: o, ObjectID: o.ID(), Attempt: "00-01-x", Source: work.Location{Bucket: "landing", Key: o.Key}}},
	}
	body, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	got, err := work.DecodeManifest(body)
	if diff := cmp.Diff(m, got); err != nil || diff != "" {
		t.Errorf("error %v (-want +got):\n%s", err, diff)
	}
	if want := "shop/order/" + string(o.ID()) + "/00-01-x/receipt.json"; m.Attempt(m.Objects[0]).Receipt() != want {
		t.Errorf("receipt at %s", m.Attempt(m.Objects[0]).Receipt())
	}
	m.Objects[0].ObjectID = "other"
	if body, err = json.Marshal(m); err != nil {
		t.Fatal(err)
	}
	if _, err := work.DecodeManifest(body); err == nil {
		t.Error("the id of another object was accepted")
	}
}

func TestCheckRuns(t *testing.T) {
	t.Parallel()
	body, err := json.Marshal(work.CheckRuns())
	if err != nil || !work.IsCheckRuns(string(body)) {
		t.Errorf("IsCheckRuns(%s) is false, error %v", body, err)
	}
	for _, other := range []string{"", "x", `{"check":"other"}`, `{"stage":"glue"}`} {
		if work.IsCheckRuns(other) {
			t.Errorf("IsCheckRuns(%q) is true", other)
		}
	}
}
