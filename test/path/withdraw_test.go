//go:build endtoend

package path_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/firn-data/firn/internal/journal"
	"github.com/firn-data/firn/internal/object"
)

// itemKeyOf returns a landing key of shop.item, in a folder of the test.
func itemKeyOf(t *testing.T, name string) string {
	t.Helper()
	return strings.Replace(keyOf(t, name), "shop/customer/", "shop/item/", 1)
}

// items returns a small file of shop.item. The day orders the rows of an item.
func items(day string, skus ...string) []byte {
	var text strings.Builder
	text.WriteString("sku,name,price,weight,stock,gift,category,since,updated_at\n")
	for _, sku := range skus {
		fmt.Fprintf(&text, "%s,chair,1.50,NA,7,true,garden,2025-07-22,%sT00:00:00Z\n", sku, day)
	}
	return []byte(text.String())
}

// deleteKey deletes the key of an object, as a person does: with a delete marker.
func deleteKey(t *testing.T, o object.Object) {
	t.Helper()
	if _, err := stack.s3.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: aws.String(o.Bucket), Key: aws.String(o.Key)}); err != nil {
		t.Fatal(err)
	}
}

// currentDay returns the day of an item's row in the view of the current rows; empty
// for none.
func currentDay(t *testing.T, sku string) string {
	t.Helper()
	answer, err := warehouse(t).Query(t.Context(), "read the view", "select UPDATED_AT::date as day from RAW.SHOP_ITEM_CURRENT where SKU = ?", sku)
	if err != nil {
		t.Fatal(err)
	}
	if len(answer.Rows) == 0 {
		return ""
	}
	return strings.TrimSuffix(answer.Text(0, "day"), "T00:00:00Z") // the driver returns a date as a time
}

// A contract with firn.onDelete: withdraw: the deletion of a file in S3 ends the file's
// rows, and the view shows the row before. The file put again loads again.
func TestDeletedFileIsWithdrawn(t *testing.T) {
	t.Parallel()
	old := put(t, itemKeyOf(t, "old.csv"), items("2026-03-01", "WITHD1"))
	wrong := put(t, itemKeyOf(t, "wrong.csv"), items("2026-03-02", "WITHD1", "WITHD2"))
	awaitStopped(t, old, wrong)
	if day := currentDay(t, "WITHD1"); day != "2026-03-02" {
		t.Fatalf("the current row is of %q before the deletion", day)
	}
	deleteKey(t, wrong)
	entry := awaitState(t, wrong, journal.Withdrawn)
	if entry.Reason != "deleted in S3 (ObjectRemoved:DeleteMarkerCreated)" || entry.WithdrawnBy == "" {
		t.Errorf("withdrawn by %q because of %q", entry.WithdrawnBy, entry.Reason)
	}
	if first, second := currentDay(t, "WITHD1"), currentDay(t, "WITHD2"); first != "2026-03-01" || second != "" {
		t.Errorf("the current rows are of %q and %q after the deletion", first, second)
	}
	if n := queryNumber(t, "select count(*) as n from OPS.ENDED where OBJECT = ? and REASON = 'withdrawn' and ROWS_LOADED = 2", string(wrong.ID())); n != 1 {
		t.Errorf("%d rows in the table of ended rows, want 1", n)
	}
	files, err := stack.s3.ListObjectsV2(t.Context(), &s3.ListObjectsV2Input{
		Bucket: aws.String(stack.operator.Stack.CuratedBucket), Prefix: aws.String(object.AttemptsPrefix("shop.item", wrong.ID())),
	})
	if err != nil || len(files.Contents) != 0 {
		t.Errorf("%d curated files are left (%v)", len(files.Contents), err)
	}
	again := put(t, wrong.Key, items("2026-03-03", "WITHD1"))
	checkState(t, awaitStopped(t, again)[0], journal.Loaded)
	if day := currentDay(t, "WITHD1"); day != "2026-03-03" {
		t.Errorf("the current row is of %q after the new version", day)
	}
}
