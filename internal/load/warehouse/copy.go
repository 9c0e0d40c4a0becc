package warehouse

import (
	"context"
	"strings"

	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/load"
	"github.com/firn-data/firn/internal/object"
	"github.com/firn-data/firn/internal/snowflake"
)

// fileFormat describes the transform's Parquet files. Each COPY contains these options,
// although the stage has a file format with the same options for people. So a change of
// the stage's file format has no effect on loads, and the loader needs no grant on it.
const fileFormat = "type = parquet use_vectorized_scanner = true null_if = ()"

// Copy implements load.Session. The options have these reasons (docs.snowflake.com,
// sql-reference/sql/copy-into-table):
//   - NULL_IF=(): the default turns a text \N into null.
//   - INCLUDE_METADATA sets _FIRN_LOADED_AT: a column missing from the file gets null,
//     never the column's default.
//   - LOAD_UNCERTAIN_FILES: without it, COPY may skip files older than 64 days.
func (s *statements) Copy(ctx context.Context, into load.Table, files []string, force bool) (load.Copied, error) {
	quoted := make([]string, len(files))
	for i, name := range files {
		quoted[i] = snowflake.Literal(name)
	}
	forced := "force = false load_uncertain_files = true"
	if force {
		forced = "force = true"
	}
	result, err := s.session.Query(ctx, "copy files", "copy into "+s.names.of(into)+" from "+s.names.stage+
		" files = ("+strings.Join(quoted, ", ")+")"+
		" file_format = ("+fileFormat+")"+
		" match_by_column_name = case_insensitive"+
		" include_metadata = (_firn_loaded_at = metadata$start_scan_time)"+
		" on_error = abort_statement "+forced)
	if err != nil {
		return load.Copied{}, err
	}
	return copied(result, files)
}

// copied reads the answer by column name, because a COPY without files to load has one
// column, "status". The answer names a file relative to the stage or by its whole URL.
func copied(result snowflake.Result, files []string) (load.Copied, error) {
	answer := load.Copied{QueryID: result.QueryID, Loaded: make(map[string]int64)}
	if !result.Has("file") {
		return answer, nil
	}
	for i := range result.Rows {
		named := result.Text(i, "file")
		name, known := match(named, files)
		switch status := result.Text(i, "status"); {
		case !known:
			return answer, fault.Permanentf("copy files", fault.CopyRefused, "the answer of COPY names file %q, but the statement doesn't", named)
		case status == "LOADED":
			answer.Loaded[name] = result.Number(i, "rows_loaded")
		case status == "LOAD_SKIPPED":
		default:
			reason := fault.Clean(status+": "+result.Text(i, "first_error"), status)
			f := fault.Permanentf("copy files", fault.CopyRefused, "file %s: %s", name, reason)
			f.QueryID = result.QueryID
			return answer, f
		}
	}
	return answer, nil
}

func match(named string, files []string) (string, bool) {
	for _, name := range files {
		if named == name || strings.HasSuffix(named, "/"+name) {
			return name, true
		}
	}
	return "", false
}

// Delete implements load.Session.
func (s *statements) Delete(ctx context.Context, from load.Table, objects []object.ID, within load.Window) (int64, error) {
	condition, args, err := textsAmong("_firn_object", objects)
	if err != nil {
		return 0, err
	}
	if within != (load.Window{}) {
		condition += " and _firn_loaded_at between cast(? as timestamp_ltz) and cast(? as timestamp_ltz)"
		args = append(args, stamp(within.From), stamp(within.To))
	}
	result, err := s.session.Exec(ctx, "delete replaced rows", "delete from "+s.names.of(from)+" where "+condition, args...)
	return result.Affected, err
}

// Count implements load.Session.
func (s *statements) Count(ctx context.Context, of load.Table, objects []object.ID) (map[object.ID]int64, error) {
	condition, args, err := textsAmong("_firn_object", objects)
	if err != nil {
		return nil, err
	}
	result, err := s.session.Query(ctx, "count rows",
		"select _firn_object, count(*) as all_rows from "+s.names.of(of)+" where "+condition+" group by _firn_object", args...)
	if err != nil {
		return nil, err
	}
	counts := make(map[object.ID]int64)
	for i := range result.Rows {
		counts[object.ID(result.Text(i, "_firn_object"))] = result.Number(i, "all_rows")
	}
	return counts, nil
}
