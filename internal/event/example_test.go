package event_test

import (
	"fmt"

	"github.com/firn-data/firn/internal/event"
)

// The key of an S3 event is form-encoded. Decode returns the decoded key.
func ExampleDecode() {
	notices, err := event.Decode(`{"Records": [{
		"eventVersion": "2.1", "eventSource": "aws:s3", "eventTime": "2026-03-01T12:00:00Z", "eventName": "ObjectCreated:Put",
		"s3": {
			"bucket": {"name": "landing"},
			"object": {"key": "shop/order/a+b%3D1.csv", "size": 20, "versionId": "v1", "eTag": "d41d8", "sequencer": "0055AED6DCD90281E5"}
		}
	}]}`)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, notice := range notices {
		fmt.Println(notice.Name, notice.Object.URI(), notice.Object.Version, notice.Object.Size)
	}
	// Output:
	// ObjectCreated:Put s3://landing/shop/order/a b=1.csv v1 20
}
