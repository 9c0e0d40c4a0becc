package object_test

import (
	"fmt"

	"github.com/firn-data/firn/internal/object"
)

// Each version of a key has an id of its own.
func ExampleObject_ID() {
	o := object.Object{Bucket: "landing", Key: "shop/order/2026-03-01.csv", Version: "v1"}
	fmt.Println(o.URI(), o.ID())
	o.Version = "v2"
	fmt.Println(o.URI(), o.ID())
	// Output:
	// s3://landing/shop/order/2026-03-01.csv a30e7e5cae20ad2edbad6042c8570b64
	// s3://landing/shop/order/2026-03-01.csv 3860d2e1ea78468f2dc76c1d094356d8
}

// Each attempt at an object writes to a place of its own in the curated bucket.
func ExampleAttempt() {
	attempt := object.Attempt{Dataset: "shop.order", Object: "a30e7e5cae20ad2edbad6042c8570b64", Name: object.AttemptName(0, 1, "k3x9")}
	fmt.Println(attempt.Data(0))
	fmt.Println(attempt.Receipt())
	// Output:
	// shop/order/a30e7e5cae20ad2edbad6042c8570b64/00-01-k3x9/data-00000.parquet
	// shop/order/a30e7e5cae20ad2edbad6042c8570b64/00-01-k3x9/receipt.json
}
