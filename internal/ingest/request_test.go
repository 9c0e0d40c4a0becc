package ingest_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/firn-data/firn/internal/contract"
	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/ingest"
	"github.com/firn-data/firn/internal/work"
)

func TestDecodeRequest(t *testing.T) {
	t.Parallel()
	day := func(d int) time.Time { return time.Date(2018, 2, d, 0, 0, 0, 0, time.UTC) }
	tests := []struct {
		name, body string
		want       ingest.Request
	}{
		{
			"an interval", `{"dataset":"station.event","start":"2018-02-01T00:00:00Z","end":"2018-02-02T00:00:00Z","hop":3}`,
			ingest.Request{Dataset: "station.event", Interval: ingest.Interval{Start: day(1), End: day(2)}, Hop: 3},
		},
		{
			"another zone", `{"dataset":"station.event","start":"2018-02-01T01:00:00+01:00","end":"2018-02-01T19:00:00-05:00"}`,
			ingest.Request{Dataset: "station.event", Interval: ingest.Interval{Start: day(1), End: day(2)}},
		},
		{
			"a schedule", `{"dataset":"station.event","scheduled":"2018-02-03T23:59:59Z"}`,
			ingest.Request{Dataset: "station.event", Interval: ingest.Interval{Start: day(2), End: day(3)}},
		},
		{
			"a schedule at midnight", `{"dataset":"station.event","scheduled":"2018-02-03T00:00:00Z"}`,
			ingest.Request{Dataset: "station.event", Interval: ingest.Interval{Start: day(2), End: day(3)}},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got, err := ingest.DecodeRequest(test.body)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("request (-want +got):\n%s", diff)
			}
		})
	}
}

func TestBadRequestIsPermanent(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, body, contain string }{
		{"nothing", ``, "isn't one JSON object"},
		{"no JSON", `start=2018`, "isn't one JSON object"},
		{"a second object", wholeWeek + "{}", "there is data after the object"},
		{"extra brace", wholeWeek + "}", "there is data after the object"},
		{"an unknown key", `{"dataset":"station.event","from":"2018-01-01"}`, `unknown field "from"`},
		{"impossible date", `{"dataset":"station.event","start":"2018-02-30T00:00:00Z","end":"2018-03-01T00:00:00Z"}`, "2018-02-30"},
		{"no dataset", `{"start":"2018-02-01T00:00:00Z","end":"2018-02-02T00:00:00Z"}`, "dataset is missing"},
		{"no interval", `{"dataset":"station.event"}`, "the request needs start and end, or scheduled"},
		{"no end", `{"dataset":"station.event","start":"2018-02-01T00:00:00Z"}`, "the request needs start and end"},
		{"both forms", `{"dataset":"station.event","start":"2018-02-01T00:00:00Z","scheduled":"2018-02-02T00:00:00Z"}`, "excludes start and end"},
		{"an empty interval", `{"dataset":"station.event","start":"2018-02-01T00:00:00Z","end":"2018-02-01T00:00:00Z"}`, "isn't before end"},
		{"a fraction", `{"dataset":"station.event","start":"2018-02-01T00:00:00.5Z","end":"2018-02-02T00:00:00Z"}`, "2018-02-01T00:00:00.5Z"},
		{"a year beyond 9999 in UTC", `{"dataset":"station.event","start":"2018-02-01T00:00:00Z","end":"9999-12-31T23:59:59-01:00"}`, "years 1 to 9999"},
		{"a negative hop", `{"dataset":"station.event","start":"2018-02-01T00:00:00Z","end":"2018-02-02T00:00:00Z","hop":-1}`, "hop is -1"},
		{"the future", `{"dataset":"station.event","start":"2018-02-01T00:00:00Z","end":"2999-01-01T00:00:00Z"}`, "in the future"},
		{"an unknown dataset", `{"dataset":"station.quake","scheduled":"2018-02-01T00:00:00Z"}`, `"station.quake" has no firn.ingest; datasets with firn.ingest: station.event`},
		{"a dataset of files", `{"dataset":"shop.order","scheduled":"2018-02-01T00:00:00Z"}`, "datasets with firn.ingest: station.event"},
	}
	w := newFixture(t, collectionOf(minutes(3)), 500)
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_ = checkFault(t, w.handle(test.body), fault.BadRequest, fault.Permanent, test.contain, "Fix the request")
		})
	}
	if w.requests.Load() != 0 || w.steps != 0 {
		t.Errorf("%d requests and %d steps for bad messages", w.requests.Load(), w.steps)
	}
}

func TestDatasetWithoutIngestIsRefused(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		ingest  contract.Ingest
		contain string
	}{
		{"unsupported API", contract.Ingest{API: "soap", URL: "https://source.test/"}, `the API "soap"`},
		{"url without a host", contract.Ingest{API: ingest.FDSNEvent, URL: "query"}, `"query" in the contract's firn.ingest isn't an address`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := newFixture(t, collectionOf(minutes(3)), 500)
			w.stage.Contracts[1].Ingest = &test.ingest
			_ = checkFault(t, w.handle(oneDay), fault.BadRequest, fault.Permanent, test.contain)
		})
	}
}

func FuzzDecodeRequest(f *testing.F) {
	f.Add(wholeWeek)
	f.Add(`{"dataset":"station.event","scheduled":"2018-02-03T23:59:59+14:00"}`)
	f.Add(`{"dataset":"a","start":"0001-01-01T00:00:00Z","end":"9999-12-31T23:59:59-23:00"}`)
	f.Add(`null`)
	f.Fuzz(func(t *testing.T, body string) {
		request, err := ingest.DecodeRequest(body)
		if err != nil {
			if fault.As(err).Disposition != fault.Permanent {
				t.Fatalf("the fault of %q isn't permanent: %v", body, err)
			}
			return
		}
		again, err := ingest.DecodeRequest(request.Encode())
		if err != nil || again.Dataset != request.Dataset || again.RunID() != request.RunID() || again.Hop != request.Hop {
			t.Fatalf("%q became %+v, then %+v (%v)", body, request, again, err)
		}
		if start, end, found := work.IntervalOf(request.RunID()); !found || start != request.Start || end != request.End {
			t.Fatalf("the run %s is from %s to %s, want %v", request.RunID(), start, end, request.Interval)
		}
	})
}
