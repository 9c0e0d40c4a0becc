// Package duckdb writes SQL with which DuckDB does the engines' job. The SQL checks
// every rule in the contract's order, never rounds numbers and rejects rows of the
// wrong width. bench/README.md lists the parts of the job that DuckDB lacks.
package duckdb

import (
	"fmt"
	"slices"
	"strings"

	"github.com/firn-data/firn/internal/contract"
)

//go:generate go test -run TestSQLFollowsFromTheContract -update

// AcceptedSQL returns the SQL that writes the accepted rows. The caller replaces
// $input, $output and $level.
func AcceptedSQL(c *contract.Contract) string {
	return comment + view(c) + "\n" + goodRows(c)
}

// AcceptedAndRejectedSQL returns the SQL that writes the accepted rows and then the
// rejects. DuckDB reads the input twice.
func AcceptedAndRejectedSQL(c *contract.Contract) string {
	return AcceptedSQL(c) + "\n" + rejects(quotedRecord(c))
}

// OnePassSQL returns the SQL that writes accepted rows and rejects and reads the input
// once. The rows wait in a table in memory. The memory grows with the input.
func OnePassSQL(c *contract.Contract) string {
	table := fmt.Sprintf(`from (
    select
%s,
        rule,
        case
            when rule is not null
                then %s
        end as raw
    from renamed
);
`, each(c, 8, name), quotedRecord(c))
	checked := strings.Replace(view(c), "create temp view", "create temp table", 1)
	checked = strings.Replace(checked, "select * from renamed;\n", table, 1)
	return comment + checked + "\n" + goodRows(c) + "\n" + rejects("raw")
}

const comment = "-- Follows from bench/orders.odcs.yaml: go test ./bench/duckdb -update\n"

// view returns the SQL of a view with three kinds of columns: the raw values (raw_),
// the typed values, and the first broken rule of each row.
func view(c *contract.Contract) string {
	return fmt.Sprintf(`create temp view checked as
with source as (
    select *
    from read_csv(
        '$input',
        auto_detect = false,
        header = true,
        delim = '%c',
        quote = '"',
        escape = '"',
        columns = {
%s
        },
        store_rejects = true,
        rejects_limit = 0,
        max_line_size = 16777216,
        buffer_size = 33554432
    )
),
typed as (
    select
        *,
%s
    from source
),
renamed as (
    select
        *,
        case
%s
        end as rule
    from typed
)
select * from renamed;
`, c.Delimiter, each(c, 12, rawColumn), each(c, 8, typedValue), strings.Join(ruleBranches(c), "\n"))
}

func goodRows(c *contract.Contract) string {
	return fmt.Sprintf(`copy (
    select
%s
    from checked
    where rule is null
) to '$output/good.parquet' (
    format parquet, compression zstd, compression_level $level
);
`, each(c, 8, name))
}

// rejects returns the SQL that writes rule and text of the rejected rows. The output
// also has the rows with a wrong width or wrong bytes, which read_csv itself rejects. A
// record may have several such faults and counts once. Only these rows have a record
// number: DuckDB's line is the record number plus the header.
func rejects(text string) string {
	return fmt.Sprintf(`copy (
    select
        rule,
        null::bigint as record,
        %s as raw
    from checked
    where rule is not null
    union all
    select
        min(
            case
                when error_type = 'INVALID ENCODING' then '_row:utf8'
                else '_row:columns'
            end
        ) as rule,
        (line - 1)::bigint as record,
        any_value(csv_line) as raw
    from reject_errors
    where scan_id = (select min(scan_id) from reject_errors)
    group by line
) to '$output/rejects.parquet' (
    format parquet, compression zstd, compression_level $level
);
`, text)
}

// quotedRecord joins a record's fields to the text of the file, with quotes only for
// fields that need quotes.
func quotedRecord(c *contract.Contract) string {
	return fmt.Sprintf("concat_ws(\n            '%c',\n%s\n        )", c.Delimiter, each(c, 12, quoted))
}

func quoted(column contract.Column) string {
	field := rawName(column)
	return fmt.Sprintf(`case
                when regexp_matches(%s, '[",\r\n]')
                    then '"' || replace(%s, '"', '""') || '"'
                else coalesce(%s, '')
            end`, field, field, field)
}

// each returns one text per column, separated by commas.
func each(c *contract.Contract, indent int, text func(contract.Column) string) string {
	lines := make([]string, len(c.Columns))
	for i, column := range c.Columns {
		lines[i] = strings.Repeat(" ", indent) + text(column)
	}
	return strings.Join(lines, ",\n")
}

func name(column contract.Column) string { return column.Name }

func rawName(column contract.Column) string { return "raw_" + column.Name }

func rawColumn(column contract.Column) string { return rawName(column) + ": 'varchar'" }

// ruleBranches returns the branches of the case that finds the first broken rule, in
// the engines' order.
func ruleBranches(c *contract.Contract) []string {
	var lines []string
	for _, column := range c.Columns {
		for _, r := range rulesOf(column) {
			lines = append(lines, "            when "+r.broken, fmt.Sprintf("                then '%s:%s'", column.Name, r.name))
		}
	}
	return slices.Clip(lines)
}
