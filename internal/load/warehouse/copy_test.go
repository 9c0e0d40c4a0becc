package warehouse_test

import (
	"database/sql"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/load/warehouse"
	"github.com/firn-data/firn/internal/snowflake"
)

var answerColumns = []string{"file", "status", "rows_parsed", "rows_loaded", "error_limit", "errors_seen", "first_error"}

func answer(columns []string, rows ...[]string) snowflake.Result {
	result := snowflake.Result{QueryID: "q1", Columns: columns}
	for _, row := range rows {
		values := make([]sql.NullString, len(row))
		for i, text := range row {
			values[i] = sql.NullString{String: text, Valid: true}
		}
		result.Rows = append(result.Rows, values)
	}
	return result
}

// TestCopiedKeepsNoValue: the first error of a file quotes a value.
func TestCopiedKeepsNoValue(t *testing.T) {
	t.Parallel()
	const file = "s/e/1/a/data-00000.parquet"
	_, err := warehouse.Copied(answer(answerColumns, []string{file, "LOAD_FAILED", "3", "0", "1", "1", "Numeric value 'SSN078Mark1120' is not recognized"}), []string{file})
	if want := "copy files: copy_refused (query q1): file " + file + ": LOAD_FAILED: Numeric value … is not recognized"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestCopiedReadsRowCountsByColumnName(t *testing.T) {
	t.Parallel()
	files := []string{"s/e/1/a/data-00000.parquet", "s/e/2/a/data-00000.parquet"}
	tests := []struct {
		name   string
		answer snowflake.Result
		want   map[string]int64
		code   fault.Code
	}{
		{
			name: "relative and whole names",
			answer: answer(answerColumns,
				[]string{files[0], "LOADED", "3", "3", "1", "0", ""},
				[]string{"s3://curated/" + files[1], "LOADED", "0", "0", "1", "0", ""}),
			want: map[string]int64{files[0]: 3, files[1]: 0},
		},
		{
			name:   "skipped",
			answer: answer(answerColumns, []string{files[0], "LOAD_SKIPPED", "0", "0", "1", "1", "File was loaded before."}),
			want:   map[string]int64{},
		},
		{
			name:   "answer without files",
			answer: answer([]string{"status"}, []string{"Copy executed with 0 files processed."}),
			want:   map[string]int64{},
		},
		{
			name:   "partially loaded",
			answer: answer(answerColumns, []string{files[0], "PARTIALLY_LOADED", "3", "2", "1", "1", "bad cast"}),
			code:   fault.CopyRefused,
		},
		{
			name:   "a file without a name in the statement",
			answer: answer(answerColumns, []string{"s/e/1/a/data-00001.parquet", "LOADED", "3", "3", "1", "0", ""}),
			code:   fault.CopyRefused,
		},
		{
			name:   "a different name with the same end",
			answer: answer(answerColumns, []string{"x" + files[0], "LOADED", "3", "3", "1", "0", ""}),
			code:   fault.CopyRefused,
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got, err := warehouse.Copied(test.answer, files)
			if test.code != "" {
				if f := fault.As(err); f == nil || f.Code != test.code || f.Disposition != fault.Permanent {
					t.Errorf("got %v, want %s", err, test.code)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got.Loaded); diff != "" || got.QueryID != "q1" {
				t.Errorf("query %q, loaded (-want +got):\n%s", got.QueryID, diff)
			}
		})
	}
}

// TestStageFileFormatEqualsCopyFormat: the stage's file format for people has the same
// options as the loader's COPY.
func TestStageFileFormatEqualsCopyFormat(t *testing.T) {
	t.Parallel()
	script, err := os.ReadFile("../../../snowflake/V1.3.0__stage.sql")
	if err != nil {
		t.Fatal(err)
	}
	want := "create file format if not exists {{ database }}.raw.parquet " + warehouse.FileFormat + " comment = "
	if got := strings.Join(strings.Fields(string(script)), " "); !strings.Contains(got, want) {
		t.Errorf("the script doesn't contain %q", want)
	}
}
