package transform_test

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/firn-data/firn/internal/app/function/functiontest"
	"github.com/firn-data/firn/internal/app/transform"
)

func variables(taskRoot string) map[string]string {
	return map[string]string{
		"LAMBDA_TASK_ROOT": taskRoot, "FIRN_JOURNAL_TABLE": "journal", "FIRN_CURATED_BUCKET": "curated",
		"FIRN_QUEUE_URL": "https://sqs/1/transform", "FIRN_DEAD_LETTER_URL": "https://sqs/1/transform-dead",
	}
}

func TestNew(t *testing.T) {
	t.Parallel()
	handler, err := transform.New(context.Background(), functiontest.Environment(variables(functiontest.TaskRoot(t))), io.Discard)
	if err != nil || handler == nil {
		t.Fatalf("handler missing: %t, error %v", handler == nil, err)
	}
}

func TestNewReportsEveryFault(t *testing.T) {
	t.Parallel()
	_, err := transform.New(context.Background(), functiontest.Environment(map[string]string{"FIRN_ATTEMPTS": "many"}), io.Discard)
	if err == nil {
		t.Fatal("New with an empty environment: no error")
	}
	for name := range variables("") {
		if !strings.Contains(err.Error(), name) {
			t.Errorf("the error lacks %s: %v", name, err)
		}
	}
	if !strings.Contains(err.Error(), "FIRN_ATTEMPTS") {
		t.Errorf("the error lacks FIRN_ATTEMPTS: %v", err)
	}
}

func TestNewReportsBadContracts(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	folder := filepath.Join(root, "contracts", "shop", "order")
	if err := os.MkdirAll(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, "contract.odcs.yaml"), []byte("nonsense: true\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	values := variables(root)
	delete(values, "FIRN_QUEUE_URL")
	_, err := transform.New(context.Background(), functiontest.Environment(values), io.Discard)
	if err == nil || !strings.Contains(err.Error(), "nonsense") || !strings.Contains(err.Error(), "FIRN_QUEUE_URL") {
		t.Errorf("error %v", err)
	}
}
