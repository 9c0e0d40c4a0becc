//go:build endtoend

package engines_test

import (
	"bytes"
	"slices"
	"testing"

	"github.com/firn-data/firn/test/engines/suite"
)

// edgeInputs lists inputs that readers treat differently. Each input has the cases with
// the expected result, and bytes that at least one of the cases must contain.
var edgeInputs = []struct {
	input    string
	cases    []string
	contains string
}{
	{"byte order mark", []string{"csv_byte_order_mark", "csv_only_byte_order_mark", "csv_latin1_with_mark"}, "\ufeff"},
	{"CRLF", []string{"csv_crlf"}, "\r\n"},
	{"CRLF and LF mixed", []string{"csv_mixed_line_ends"}, "\r\n"},
	{"CR only", []string{"csv_cr_only"}, "\r"},
	{"CR inside a field", []string{"csv_cr_inside", "csv_cr_after_quote"}, "\r"},
	{"line end in quotes", []string{"csv_newline_in_quotes"}, "\n"},
	{"doubled quotes", []string{"csv_doubled_quotes"}, `""`},
	{"backslash", []string{"csv_doubled_quotes"}, `\`},
	{"bare quote in an unquoted field", []string{"csv_bare_quote"}, `"`},
	{"text after a closing quote", []string{"csv_text_after_quote", "csv_text_after_quote_in_header"}, `"`},
	{"open quote at the end", []string{"csv_open_quote", "csv_quote_open_for_long"}, `"`},
	{"short record, long record, trailing delimiter", []string{"csv_short_and_long_rows"}, "\n"},
	{"blank line", []string{"csv_blank_lines", "csv_only_blank_lines", "csv_one_column_blank_lines"}, "\n\n"},
	{"spaces around a value", []string{"csv_spaces"}, " "},
	{"empty and quoted empty", []string{"csv_empty_and_quoted_empty"}, `""`},
	{"invalid UTF-8", []string{"csv_invalid_utf8", "ndjson_utf8_and_nul"}, "\xff"},
	{"replacement character", []string{"csv_replacement_character"}, "\ufffd"},
	{"NUL", []string{"csv_nul", "ndjson_utf8_and_nul"}, "\x00"},
	{"field of 3 MB", []string{"csv_field_of_3_mb"}, "xxxxxxxx"},
	{"record of 16 MiB, longer record", []string{"csv_longest_record", "csv_record_too_long", "ndjson_record_too_long"}, "\x1f\x8b"},
	{"repeated column in the header", []string{"csv_duplicate_header", "csv_duplicate_extra_header"}, ","},
	{"column without a contract, column missing in the file", []string{"csv_extra_columns", "csv_missing_column", "csv_absent_required_column"}, ","},
	{"optional columns missing in the file", []string{"csv_absent_optional_column", "csv_absent_columns_of_all_types", "ndjson_absent_optional_column"}, "id"},
	{"first line without a column of the contract", []string{"csv_first_line_is_no_header", "csv_absent_columns_and_line_end_in_name"}, "<html>"},
	{"new column of a contract that refuses new columns", []string{"csv_new_column_refused", "ndjson_new_column_refused", "ndjson_new_column_in_whole_record"}, "owner"},
	{"empty text and null text in quotes", []string{"csv_quoted_null_is_value", "csv_quoted_empty_of_all_types", "csv_quoted_null_is_value_one_column"}, `"NA"`},
	{"records without a good one", []string{"no_good_row_ragged", "no_good_row_array", "no_good_row_html", "no_good_row_concatenated", "no_good_row_tolerant"}, "}{"},
	{"rejects of a snapshot", []string{"snapshot_rejects_above_share", "snapshot_rejects_within_share"}, "x"},
	{"empty file", []string{"csv_empty", "csv_gzip_empty", "csv_gzip_no_bytes", "ndjson_empty"}, ""},
	{"header only", []string{"csv_header_only", "csv_header_only_without_newline"}, ","},
	{"no last line end", []string{"csv_no_last_newline", "csv_last_field_empty_at_end"}, ","},
	{"gzip truncated", []string{"csv_gzip_truncated", "csv_gzip_without_trailer"}, "\x1f\x8b"},
	{"gzip with trailing junk, damaged gzip", []string{"csv_gzip_trailing_junk", "csv_gzip_bad_checksum"}, "\x1f\x8b"},
	{"gzip of several members", []string{"csv_gzip_members"}, "\x1f\x8b"},
	{"gzip without the ending .gz, plain text with the ending .gz", []string{"csv_plain_is_gzip", "csv_gzip_is_plain"}, "\x1f\x8b"},
	{"zip bomb", []string{"csv_gzip_bomb"}, "\x1f\x8b"},
	{"zstd", []string{"csv_zstd"}, "\x28\xb5\x2f\xfd"},
	{"Latin-1 and Windows-1252", []string{"csv_latin1", "csv_windows1252"}, "\xfc"},
	{"UTF-16", []string{"csv_utf16"}, "\xff\xfe"},
	{"1e400 and NaN as a double", []string{"type_double"}, "1e400"},
	{"007, +7, spaces and 7.9 as an integer", []string{"type_integer"}, "007"},
	{"integer over 64 bits", []string{"type_integer"}, "9223372036854775808"},
	{"12.345 and 1e3 as a decimal(12,2)", []string{"type_decimal", "type_decimal_precisions", "type_decimal_wide_scale"}, "12.345"},
	{"0000-00-00 and 30 February", []string{"type_date"}, "2024-02-30"},
	{"2024, 2024-2-3 and T10:00", []string{"type_date", "type_timestamp"}, "2024-2-3"},
	{"second 60, hour 24 and seven digits of fraction", []string{"type_timestamp", "type_time"}, "24:00:00"},
	{"timestamp without a zone", []string{"type_timestamp"}, "2024-02-29T23:59:59,"},
	{"y and 1 as a boolean", []string{"type_boolean"}, "y"},
	{"repeated name in an object", []string{"ndjson_broken"}, `{"a":"1","a":"2"}`},
	{"NaN, 01 and truncation in JSON", []string{"ndjson_broken"}, "NaN"},
	{"array, two values, no object on a line", []string{"ndjson_broken", "ndjson_array_document"}, `[{"a":"1"}]`},
	{"number out of range in JSON", []string{"ndjson_strict_types"}, ""},
	{"nesting over 64, nesting of 100,000", []string{"ndjson_depth", "ndjson_depth_100000"}, "[[[["},
	{"formats", []string{"rule_format"}, "@"},
	{"patterns with a different meaning in Java and RE2", []string{"rule_pattern_dialects"}, "\x0b"},
	{"unique over the limit", []string{"rule_unique_bounded"}, ""},
}

// TestEveryEdgeInputHasACase checks that the suite has a case for each input of the
// list.
func TestEveryEdgeInputHasACase(t *testing.T) {
	t.Parallel()
	cases, err := suite.Cases(conformance)
	if err != nil {
		t.Fatal(err)
	}
	inputs := make(map[string][]byte)
	for _, edge := range edgeInputs {
		found := false
		for _, name := range edge.cases {
			at := slices.IndexFunc(cases, func(c suite.Case) bool { return c.Name == name })
			if at < 0 {
				t.Errorf("%s: the suite has no case %s", edge.input, name)
				continue
			}
			if inputs[name] == nil {
				if inputs[name], err = cases[at].Sample(); err != nil {
					t.Fatal(err)
				}
			}
			found = found || bytes.Contains(inputs[name], []byte(edge.contains))
		}
		if !found {
			t.Errorf("%s: no case of %v contains %q", edge.input, edge.cases, edge.contains)
		}
	}
}
