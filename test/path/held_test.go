//go:build endtoend

package path_test

import (
	"strings"
	"testing"

	"github.com/firn-data/firn/internal/demo"
	"github.com/firn-data/firn/internal/journal"
)

// TestHeldDeliveryKeepsViewUntilAccepted: a delivery with few rows causes one mail, and
// the command of the mail shows the delivery in the view. The names of the deliveries
// are greater than those of all other tests.
func TestHeldDeliveryKeepsViewUntilAccepted(t *testing.T) {
	t.Parallel()
	const folder = "shop/customer/2026-12-31 held/"
	current := func() int64 { return queryNumber(t, "select count(*) as n from RAW.SHOP_CUSTOMER_CURRENT") }
	checkState(t, awaitStopped(t, put(t, folder+"1.csv", customers("whole", 250)))[0], journal.Loaded)
	if got := current(); got != 250 {
		t.Fatalf("the view has %d rows, want 250", got)
	}
	small := put(t, folder+"2.csv", customers("cut off", 2))
	checkState(t, awaitStopped(t, small)[0], journal.Loaded)
	if got := rowsOf(t, small); got != 2 || current() != 250 {
		t.Errorf("%d rows of the small delivery in the table, want 2; %d rows in the view, want 250", got, current())
	}
	var mails []demo.Mail
	eventually(t, "a mail reports the delivery", func() (bool, string) {
		mails = mailsAbout(t, "2026-12-31 held/2 has 2 rows")
		return len(mails) == 1, "no mail"
	})
	command := commandIn(t, mails[0])
	if want := "firn accept shop.customer '2026-12-31 held/2'"; command != want || !strings.Contains(mails[0].Body, "2, and 250 in the accepted delivery 2026-12-31 held/1 before it") {
		t.Errorf("the command is %q, want %q; mail:\n%s", command, want, mails[0].Body)
	}
	if got := firn(t, "status", small.URI()); !strings.Contains(got, "2026-12-31 held/2, held: ") {
		t.Errorf("status:\n%s", got)
	}
	shell(t, command)
	if got := current(); got != 2 {
		t.Errorf("the view has %d rows after the acceptance, want 2", got)
	}
	if got := firn(t, "status", small.URI()); !strings.Contains(got, "2026-12-31 held/2, current") {
		t.Errorf("status after the acceptance:\n%s", got)
	}
}
