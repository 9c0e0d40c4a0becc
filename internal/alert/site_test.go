package alert_test

import (
	"os"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"golang.org/x/mod/modfile"

	"github.com/firn-data/firn/internal/alert"
	"github.com/firn-data/firn/internal/batch"
)

// TestDefaultRunbookIsInRepository compares the address with the module's path and the
// file's path.
func TestDefaultRunbookIsInRepository(t *testing.T) {
	t.Parallel()
	content, err := os.ReadFile("../../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	if want := "https://" + modfile.ModulePath(content) + "/blob/main/" + strings.TrimPrefix(runbook, "../../"); alert.DefaultRunbook != want {
		t.Errorf("the address is %q, want %q", alert.DefaultRunbook, want)
	}
	if _, err := os.Stat(runbook); err != nil {
		t.Error(err)
	}
}

// TestLongSubjectKeepsCountAndCause: the environment and the dataset have the longest
// names that settings and contracts allow.
func TestLongSubjectKeepsCountAndCause(t *testing.T) {
	t.Parallel()
	b := newFixture(t)
	b.alerter.Mailer.Site = alert.Site{Environment: strings.Repeat("e", 24), Runbook: "https://wiki.example/firn"}
	dataset := strings.Repeat("source", 10) + "." + strings.Repeat("entity", 10)
	o := b.failed(landing("k"), dataset)
	m := deadLetter("m", o, dataset, "snowflake_login_refused")
	if failed := b.alerter.Handle(t.Context(), []batch.Message{m}); len(failed) != 0 || len(b.topic.mails) != 1 {
		t.Fatal(failed)
	}
	subject := aws.ToString(b.topic.mails[0].Subject)
	if len(subject) != 99 || !strings.HasPrefix(subject, "firn ["+strings.Repeat("e", 24)+"]: sourcesource") || !strings.HasSuffix(subject, "..: 1 object failed: snowflake_login_refused") {
		t.Errorf("subject %q of %d characters", subject, len(subject))
	}
	if body := aws.ToString(b.topic.mails[0].Message); !strings.Contains(body, "\nMore        https://wiki.example/firn#snowflake_login_refused\n") {
		t.Errorf("the mail lacks the address of the entry:\n%s", body)
	}
}
