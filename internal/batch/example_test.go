package batch_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/firn-data/firn/internal/batch"
)

// A handler returns an error for each failed message. The other messages are done.
func ExampleEach() {
	handle := batch.Each(func(_ context.Context, m batch.Message) error {
		if m.Body == "" {
			return errors.New("an empty message")
		}
		return nil
	})
	failed := handle(context.Background(), []batch.Message{{ID: "m1", Body: "work"}, {ID: "m2"}})
	fmt.Println(len(failed), "failed:", failed["m2"])
	// Output:
	// 1 failed: an empty message
}
