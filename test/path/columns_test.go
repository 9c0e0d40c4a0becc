//go:build endtoend

package path_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/firn-data/firn/internal/demo"
	"github.com/firn-data/firn/internal/journal"
)

// TestNewColumnGetsOneMail puts two files with the same new column, and the second file
// twice. One mail has the column with a line for the contract, and neither mail nor status
// has a value. The view OPS.NEW_COLUMNS and the status have the column too.
func TestNewColumnGetsOneMail(t *testing.T) {
	t.Parallel()
	const column = "Loyalty Card"
	body := []byte("code,name," + column + "\nA1,Ada,card-1815\n")
	first := put(t, keyOf(t, "1.csv"), body)
	checkState(t, awaitStopped(t, first)[0], journal.Loaded)
	mails := func() []demo.Mail { return mailsAbout(t, column) }
	eventually(t, "a mail reports the column", func() (bool, string) { return len(mails()) > 0, "no mail" })

	again := []byte("code,name," + column + "\nA1,Ada,card-1852\n")
	second := put(t, keyOf(t, "2.csv"), body)
	checkState(t, awaitStopped(t, second)[0], journal.Loaded)
	checkState(t, awaitStopped(t, put(t, second.Key, again))[0], journal.Loaded)
	if got := mails(); len(got) != 1 {
		t.Fatalf("%d mails, want one", len(got))
	}
	mail := mails()[0]
	for _, want := range []string{
		"\n      - name: loyalty_card\n        physicalName: \"Loyalty Card\"\n        logicalType: string\n",
		"\n1. column Loyalty Card\n   first file  " + first.URI() + "\n", "\nThen type   firn migrate\n", "\nTo reload   firn reload --dataset shop.customer --since ",
	} {
		if !strings.Contains(mail.Body, want) {
			t.Errorf("the mail lacks %q:\n%s", want, mail.Body)
		}
	}
	status := statusOf(t, "shop.customer")
	if line := column + "  shop.customer  "; !strings.Contains(status, line) || !strings.Contains(status, first.URI()) {
		t.Errorf("the status lacks %q:\n%s", line, status)
	}
	if strings.Contains(mail.Body+status, "card-18") {
		t.Errorf("a value is in the mail or in the status:\n%s\n%s", mail.Body, status)
	}
	answer, err := warehouse(t).Query(t.Context(), "read new columns",
		"select OBJECTS, FIRST_KEY, LAST_KEY from OPS.NEW_COLUMNS where DATASET = 'shop.customer' and COLUMN_NAME = ?", column)
	if err != nil {
		t.Fatal(err)
	}
	got := []string{answer.Text(0, "objects"), answer.Text(0, "first_key"), answer.Text(0, "last_key")}
	if want := []string{"2", first.Key, second.Key}; !slices.Equal(got, want) || len(answer.Rows) != 1 {
		t.Errorf("OPS.NEW_COLUMNS has %q in %d rows, want %q", got, len(answer.Rows), want)
	}
}
