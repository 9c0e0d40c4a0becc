package work_test

import (
	"fmt"

	"github.com/firn-data/firn/internal/work"
)

// A receipt is the result of the transform of one object.
func ExampleDecodeReceipt() {
	receipt, err := work.DecodeReceipt([]byte(`{
		"object": {"bucket": "landing", "key": "shop/order/a.csv", "version": "v1", "size": 20},
		"object_id": "94bdec0f159176661237e557b67bd4ae",
		"dataset": "shop.order", "contract": "1.0.0", "attempt": "00-01-k3x9", "engine": "lambda", "outcome": "accepted",
		"rows_read": 3, "rows_written": 2, "rows_rejected": 1,
		"data": [{"key": "shop/order/94bdec0f159176661237e557b67bd4ae/00-01-k3x9/data-00000.parquet", "rows": 2, "bytes": 900}],
		"rejects": [{"key": "shop/order/94bdec0f159176661237e557b67bd4ae/00-01-k3x9/rejects-00000.parquet", "rows": 1, "bytes": 700}],
		"first_rejects": [{"record": 2, "line": 3, "rule": "id:required"}]
	}`), work.Location{Bucket: "curated", Key: "shop/order/94bdec0f159176661237e557b67bd4ae/00-01-k3x9/receipt.json"})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(receipt.Outcome, receipt.RowsWritten, "of", receipt.RowsRead)
	for _, reject := range receipt.FirstRejects {
		fmt.Println("record", reject.Record, "breaks", reject.Rule)
	}
	// Output:
	// accepted 2 of 3
	// record 2 breaks id:required
}
