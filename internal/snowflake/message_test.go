package snowflake_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/firn-data/firn/internal/snowflake"
)

const (
	copiedFile = "shop.order/0a1b2c3d/1-x/data-0.parquet"
	copying    = "copy into RAW.SHOP_ORDER from @RAW.CURATED files = ('" + copiedFile + "') file_format = (type = parquet)"
	copyPlace  = "\n  File '" + copiedFile + "', line 3, character 14\n  Row 2, column \"SHOP_ORDER\"[\"AMOUNT\":3]\n" +
		"  If you would like to continue loading when an error is encountered, use other values such as 'SKIP_FILE' or 'CONTINUE' for the ON_ERROR option."
)

func TestCleanMessage(t *testing.T) {
	t.Parallel()
	const cleanPlace = " (file " + copiedFile + ", line 3, character 14, row 2, column AMOUNT)"
	tests := []struct{ name, message, want string }{
		{"value and place", "Numeric value 'one thousand' is not recognized" + copyPlace, "Numeric value … is not recognized" + cleanPlace},
		{
			"value with another place", "Numeric value 'x\n  File 'Lovelace', line 1, character 1\n  Row 1, column \"T\"[\"ADA\":1]' is not recognized" + copyPlace,
			"Numeric value … is not recognized" + cleanPlace,
		},
		{"only a value with a place", "Error parsing JSON: x\n  File 'Lovelace', line 1, character 1\n  Row 1, column \"T\"[\"ADA\":1]", "Error parsing JSON: … File …]"},
		{
			"place without a column name", "Bad field" + strings.ReplaceAll(copyPlace, `"AMOUNT":3`, "6"),
			"Bad field" + strings.ReplaceAll(cleanPlace, "column AMOUNT", "column number 6"),
		},
		{
			"column with spaces", "Bad field" + strings.ReplaceAll(copyPlace, "AMOUNT", "of Ada"),
			"Bad field" + strings.ReplaceAll(cleanPlace, "column AMOUNT", "column number 3"),
		},
		{
			"column of an INSERT", "DML operation to table FIRN.RAW.X_LOADS failed on column ATTEMPT with error: String 'Lovelace' is too long and would be truncated",
			"String … is too long and would be truncated (table FIRN.RAW.X_LOADS, column ATTEMPT)",
		},
		{"name of a table", "SQL compilation error:\nObject 'FIRN.RAW.X' does not exist or not authorized.", "SQL compilation error: Object 'FIRN.RAW.X' does not exist or not authorized."},
		{"name before a value", "Object 'FIRN.RAW.X' does not exist or not authorized. Lovelace", "Object … does not exist or not authorized. …"},
		{"identifier", "SQL compilation error: error line 1 at position 7\ninvalid identifier 'BYTES'", "SQL compilation error: error line 1 at position 7 invalid identifier 'BYTES'"},
		{"syntax error", "SQL compilation error:\nsyntax error line 1 at position 17 unexpected 'Lovelace'.", "SQL compilation error: syntax error line 1 at position 17 unexpected …."},
		{"time limit", "Statement reached its statement or warehouse timeout of 140 second(s) and was canceled.", "Statement reached its statement or warehouse timeout of 140 second(s) and was canceled."},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if got := snowflake.CleanMessage(test.message, copying); got != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
		})
	}
}

// mark is a text that neither the statement nor a message has.
const mark = "Zq7Mark"

// TestMarkedValueNeverSurvivesCleanMessage puts random values with a mark, also values
// with the text of a place, into Snowflake's messages.
func TestMarkedValueNeverSurvivesCleanMessage(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(3, 5))
	pieces := []string{
		"'", `"`, "\n", " ", mark, "' is not recognized", "File '", "', line 1, character 1", "\n  Row 1, column \"T\"[\"", "\":1]", " does not exist or not authorized.",
		"Object '", "invalid identifier ", "DML operation to table ", " failed on column ", " with error: ", copiedFile, "SQL compilation error: ", "1",
	}
	for range 2_000 {
		var value strings.Builder
		for range random.IntN(10) {
			value.WriteString(pieces[random.IntN(len(pieces))])
		}
		checkNoMark(t, value.String()+mark)
		checkNoMark(t, mark+value.String())
	}
}

func FuzzMarkedValueNeverSurvivesCleanMessage(f *testing.F) {
	f.Add("' is not recognized", "\n  File '")
	f.Fuzz(func(t *testing.T, before, after string) { checkNoMark(t, before+mark+after) })
}

func checkNoMark(t *testing.T, value string) {
	t.Helper()
	for _, form := range []string{
		"Numeric value '%s' is not recognized", "Failed to cast variant value %s to DATE", "Error parsing JSON: %s", "String '%s' is too long and would be truncated",
		"Duplicate row detected during DML action\nRow Values: [%s, 1]", "Can't parse '%s' as date with format 'YYYY'", "value %s",
	} {
		for _, end := range []string{"", copyPlace} {
			message := fmt.Sprintf(form, value) + end
			if got := snowflake.CleanMessage(message, copying); strings.Contains(strings.ToLower(got), strings.ToLower(mark)) {
				t.Fatalf("the mark is in %q, from %q", got, message)
			}
		}
	}
}
