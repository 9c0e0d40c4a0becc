package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/firn-data/firn/internal/snowflake"
)

func queryCommand() *cobra.Command {
	var asJSON bool
	command := &cobra.Command{
		Use:     "query SQL",
		Short:   "Run a statement in Snowflake and print the result",
		Example: "  firn query 'select count(*) from RAW.SHOP_ORDER'",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, statements []string) error {
			session, err := openSnowflake(cmd.Context())
			if err != nil {
				return err
			}
			defer session.Close()
			answer, err := session.Query(cmd.Context(), "query", statements[0])
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(cmd.OutOrStdout(), records(answer))
			}
			return printTable(cmd.OutOrStdout(), answer)
		},
	}
	command.Flags().BoolVar(&asJSON, "json", false, "print JSON: a list of objects, every value as text")
	return command
}

// records turns each row into a map from column to value. NULL becomes nil.
func records(answer snowflake.Result) []map[string]*string {
	rows := make([]map[string]*string, 0, len(answer.Rows))
	for _, values := range answer.Rows {
		row := make(map[string]*string, len(values))
		for i, value := range values {
			row[answer.Columns[i]] = nil
			if value.Valid {
				row[answer.Columns[i]] = &value.String
			}
		}
		rows = append(rows, row)
	}
	return rows
}

func printTable(out io.Writer, answer snowflake.Result) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, strings.ToUpper(strings.Join(answer.Columns, "\t")))
	for _, values := range answer.Rows {
		texts := make([]string, len(values))
		for i, value := range values {
			texts[i] = value.String
			if !value.Valid {
				texts[i] = "NULL"
			}
		}
		fmt.Fprintln(table, strings.Join(texts, "\t"))
	}
	return table.Flush()
}
