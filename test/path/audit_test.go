//go:build endtoend

package path_test

import (
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/journal"
	"github.com/firn-data/firn/internal/object"
)

// awaitGeneration waits until the object is loaded in a generation.
func awaitGeneration(t *testing.T, o object.Object, want int) {
	t.Helper()
	eventually(t, fmt.Sprintf("%s is loaded in generation %d", o.Key, want), func() (bool, string) {
		entry, err := stack.journal.Get(t.Context(), o.ID())
		if err != nil {
			t.Fatal(err)
		}
		return entry.State == journal.Loaded && entry.Generation == want, fmt.Sprint(entry.State, " ", entry.Generation, " ", entry.Cause)
	})
}

func generationOf(t *testing.T, o object.Object) int64 {
	t.Helper()
	return queryNumber(t, "select max(GENERATION) as n from RAW.SHOP_CUSTOMER_LOADS where OBJECT = ?", string(o.ID()))
}

// A reload replaces the rows with the same rows. The sum of the ledger always equals
// the count of the table.
func TestReloadReplacesRows(t *testing.T) {
	t.Parallel()
	o := put(t, keyOf(t, "all customers.csv"), append(customers("reload", 20), []byte("TOO LONG,row\n")...))
	checkState(t, awaitStopped(t, o)[0], journal.Loaded)
	firn(t, "reload", "--object", o.URI())
	awaitGeneration(t, o, 1)
	if entries, rows := ledgerOf(t, o); entries != 1 || rows != 20 || generationOf(t, o) != 1 {
		t.Errorf("the ledger has %d entries with %d rows in generation %d, want 1 with 20 in 1", entries, rows, generationOf(t, o))
	}
	rejects := queryNumber(t, "select count(*) as n from RAW.SHOP_CUSTOMER_REJECTS where _FIRN_OBJECT = ?", string(o.ID()))
	if got := rowsOf(t, o); got != 20 || rejects != 1 {
		t.Errorf("%d rows and %d rejects, want 20 and 1", got, rejects)
	}
	difference := queryNumber(t, "select (select count(*) from RAW.SHOP_CUSTOMER) - "+
		"(select sum(ROWS_LOADED) from RAW.SHOP_CUSTOMER_LOADS where OBJECT <> '~lock') as n")
	if difference != 0 {
		t.Errorf("the counts of table and ledger differ by %d", difference)
	}
}

// A failed reload keeps the loaded rows, and the mail reports the kept rows.
func TestFailedReloadKeepsRowsAndSendsMail(t *testing.T) {
	t.Parallel()
	o := put(t, keyOf(t, "customers.csv"), customers("gone", 4))
	checkState(t, awaitStopped(t, o)[0], journal.Loaded)
	if _, err := stack.s3.DeleteObject(t.Context(), &s3.DeleteObjectInput{
		Bucket: aws.String(o.Bucket), Key: aws.String(o.Key), VersionId: aws.String(o.Version),
	}); err != nil {
		t.Fatal(err)
	}
	firn(t, "reload", "--object", string(o.ID()))
	entry := awaitState(t, o, journal.Failed)
	if entry.Code != string(fault.ObjectGone) || entry.Generation != 1 || entry.RowsLoaded != 4 {
		t.Errorf("unexpected entry %+v", entry)
	}
	if entries, rows := ledgerOf(t, o); entries != 1 || rows != 4 || rowsOf(t, o) != 4 || generationOf(t, o) != 0 {
		t.Errorf("the ledger has %d entries with %d rows, the table %d, generation %d", entries, rows, rowsOf(t, o), generationOf(t, o))
	}
	if m := awaitMail(t, o); !strings.Contains(m.Body, "failed; the table keeps the 4 rows of the earlier load") {
		t.Errorf("the mail lacks the kept rows:\n%s", m.Body)
	}
}

// audit runs `firn audit` without grace on a dataset that no other test uses. audit
// returns the output and the exit code.
func audit(t *testing.T) (text string, code int) {
	t.Helper()
	printed, err := exec.CommandContext(t.Context(), stack.cloud.Program, "audit", "--dataset", "shop.item", "--grace", "0s").Output()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		return string(printed) + string(exit.Stderr), exit.ExitCode()
	} else if err != nil {
		t.Fatal(err)
	}
	return string(printed), 0
}

// After a load, audit finds no difference. For a deleted row audit prints a command,
// and the command restores the row.
func TestAuditNamesCommandForDeletedRow(t *testing.T) {
	t.Parallel()
	body := "sku,name,price,weight,stock,gift,category,since,updated_at\nIT9001,chair,40.63,73.778925,13,true,home,2025-01-31,2026-01-31T10:00:00Z\n" +
		"IT9002,table,40.77,NA,22,false,NA,2025-02-01,2026-02-01T10:00:00Z\n"
	o := put(t, "shop/item/audited.csv", []byte(body))
	checkState(t, awaitStopped(t, o)[0], journal.Loaded)
	if text, code := audit(t); code != 0 {
		t.Fatalf("audit after a load has exit code %d:\n%s", code, text)
	}
	if _, err := warehouse(t).Exec(t.Context(), "delete a row", "delete from RAW.SHOP_ITEM where SKU = 'IT9001'"); err != nil {
		t.Fatal(err)
	}
	text, code := audit(t)
	line := "shop.item  table_rows  " + o.URI() + "  " + string(o.ID()) + "  ledger: 2 rows  table: 1 row  type: firn reload --object " + string(o.ID()) + "\n"
	if code != 1 || !strings.Contains(text, line) {
		t.Fatalf("audit has exit code %d, want 1, or lacks %q:\n%s", code, line, text)
	}
	_, command, _ := strings.Cut(line, "type: ")
	shell(t, command)
	awaitGeneration(t, o, 1)
	if text, code := audit(t); code != 0 {
		t.Errorf("audit after the command has exit code %d:\n%s", code, text)
	}
}
