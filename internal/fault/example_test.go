package fault_test

import (
	"errors"
	"fmt"

	"github.com/firn-data/firn/internal/fault"
)

// A retry of a permanent fault would have the same result.
func ExamplePermanentf() {
	err := fault.Permanentf("read header", fault.BadHeader, "column %s is missing", "id")
	fmt.Println(err)
	fmt.Println(err.Code, err.Disposition)
	// Output:
	// read header: bad_header: column id is missing
	// bad_header permanent
}

// Every error has a disposition. firn retries an error without a fault.
func ExampleAs() {
	cause := fault.Permanentf("read header", fault.BadHeader, "column id is missing")
	fmt.Println(fault.As(fmt.Errorf("transform: %w", cause)).Code)

	unknown := fault.As(errors.New("connection reset"))
	fmt.Println(unknown.Code, unknown.Disposition)
	// Output:
	// bad_header
	// unexpected retry
}
