package ingest_test

import (
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/firn-data/firn/internal/app/function/functiontest"
	app "github.com/firn-data/firn/internal/app/ingest"
	"github.com/firn-data/firn/internal/contract"
	"github.com/firn-data/firn/internal/ingest"
)

func TestEnvironmentFaultsAreReportedAtOnce(t *testing.T) {
	t.Parallel()
	_, err := app.New(t.Context(), functiontest.Environment(map[string]string{"FIRN_ATTEMPTS": "many"}), io.Discard)
	want := `environment variable FIRN_JOURNAL_TABLE is missing
environment variable FIRN_ATTEMPTS="many": not a whole number
environment variable LAMBDA_TASK_ROOT is missing
environment variable FIRN_QUEUE_URL is missing
environment variable FIRN_DEAD_LETTER_URL is missing
environment variable FIRN_LANDING_BUCKET is missing`
	if err == nil {
		t.Fatal("New with an empty environment: no error")
	}
	if diff := cmp.Diff(want, err.Error()); diff != "" {
		t.Errorf("error (-want +got):\n%s", diff)
	}
}

func TestNew(t *testing.T) {
	t.Parallel()
	complete := map[string]string{
		"FIRN_JOURNAL_TABLE": "journal", "FIRN_LANDING_BUCKET": "landing",
		"FIRN_QUEUE_URL": "https://sqs.test/1/ingest", "FIRN_DEAD_LETTER_URL": "https://sqs.test/1/ingest-dead",
		"LAMBDA_TASK_ROOT": functiontest.TaskRoot(t), "FIRN_SOURCE_URL_STATION": "http://127.0.0.1:1/fdsnws/event/1/query",
	}
	handler, err := app.New(t.Context(), functiontest.Environment(complete), io.Discard)
	if err != nil || handler == nil {
		t.Fatalf("New: %v", err)
	}
	complete["FIRN_SOURCE_URL_STATION"] = "localhost"
	if _, err := app.New(t.Context(), functiontest.Environment(complete), io.Discard); err == nil || !strings.Contains(err.Error(), `FIRN_SOURCE_URL_STATION="localhost"`) {
		t.Errorf("with a bad source address: %v", err)
	}
	complete["LAMBDA_TASK_ROOT"] = t.TempDir()
	if _, err := app.New(t.Context(), functiontest.Environment(complete), io.Discard); err == nil {
		t.Error("New without contracts: no error")
	}
}

func TestRedirect(t *testing.T) {
	t.Parallel()
	contracts := contract.Set{
		{Source: "shop", Entity: "order"},
		{Source: "station", Entity: "event", Ingest: &contract.Ingest{API: ingest.FDSNEvent, URL: "https://source.test/query", PageSize: 5}},
		{Source: "other", Entity: "event", Ingest: &contract.Ingest{URL: "https://other.test/query"}},
	}
	got, err := app.Redirect(contracts, functiontest.Environment(map[string]string{
		"FIRN_SOURCE_URL_STATION": "http://127.0.0.1:9/query", "FIRN_SOURCE_URL_SHOP": "http://127.0.0.1:9/query",
	}))
	if err != nil {
		t.Fatal(err)
	}
	want := &contract.Ingest{API: ingest.FDSNEvent, URL: "http://127.0.0.1:9/query", PageSize: 5}
	if diff := cmp.Diff(want, got[1].Ingest); diff != "" {
		t.Errorf("station (-want +got):\n%s", diff)
	}
	if got[0].Ingest != nil || got[2].Ingest.URL != "https://other.test/query" || contracts[1].Ingest.URL != "https://source.test/query" {
		t.Error("redirect changed the wrong contract")
	}
}
