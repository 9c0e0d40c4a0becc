package reader_test

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/firn-data/firn/internal/engine/reader"
)

// A CSV reader returns the values, the number and the line of each record.
func ExampleCSV() {
	text := "id,note\n1,\"two\nlines\"\n\n2,\"a \"\"quote\"\"\"\n"
	records := reader.NewCSV(strings.NewReader(text), ',')
	header, err := records.Header()
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%q\n", header)
	for {
		record, err := records.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Printf("record %d, line %d: %q\n", record.Number, record.Line, record.Fields)
	}
	// Output:
	// ["id" "note"]
	// record 1, line 2: ["1" "two\nlines"]
	// record 2, line 5: ["2" "a \"quote\""]
}
