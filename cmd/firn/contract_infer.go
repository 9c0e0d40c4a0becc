package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/firn-data/firn/internal/authoring/infer"
)

func contractInferCommand() *cobra.Command {
	var job infer.Infer
	var path string
	command := &cobra.Command{
		Use:   "infer FILE --source SOURCE --entity ENTITY",
		Short: "Draft a contract from a file",
		Long: "Read a CSV or NDJSON file on this machine, plain or compressed with gzip or zstd, and draft a contract: the format,\n" +
			"the columns, the types and the required columns. Review every line of the draft. The command prints the findings\n" +
			"on standard error and writes the findings into the first comment of the contract.",
		Example: "  firn contract infer orders_2026-01.csv --source shop --entity order --out contract.odcs.yaml\n" +
			"  firn contract check orders_2026-01.csv --contract contract.odcs.yaml",
		Args: withHelp(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, files []string) error {
			if job.Source == "" || job.Entity == "" {
				return fmt.Errorf("name the dataset with --source and --entity: see `%s --help`", cmd.CommandPath())
			}
			if job.Rows < 0 {
				return fmt.Errorf("--rows %d: give the number of records, or 0 for all", job.Rows)
			}
			job.File = files[0]
			return inferContract(cmd, job, path)
		},
	}
	flags := command.Flags()
	flags.StringVar(&job.Source, "source", "", "source of the data, for example shop: a word in lower case")
	flags.StringVar(&job.Entity, "entity", "", "entity of each row, for example order: a word in lower case")
	flags.Int64Var(&job.Rows, "rows", infer.DefaultRows, "number of records to read; 0 reads all")
	flags.StringVar(&path, "out", "", "new file for the contract; default: standard output")
	return command
}

// inferred is the JSON of --json.
type inferred struct {
	Dataset string   `json:"dataset"`
	Records int64    `json:"records"`
	Whole   bool     `json:"whole"`
	Columns int      `json:"columns"`
	Notes   []string `json:"notes"`
	// Out is empty without --out.
	Out      string `json:"out,omitempty"`
	Contract string `json:"contract"`
}

func inferContract(cmd *cobra.Command, job infer.Infer, path string) error {
	if path != "" {
		if _, err := os.Lstat(path); err == nil {
			return existsError(path)
		}
	}
	draft, err := job.Run(cmd.Context())
	if err != nil {
		return err
	}
	if path != "" {
		if err := writeNew(path, draft.Text); err != nil {
			return err
		}
	}
	if asJSON(cmd) {
		return printJSON(cmd.OutOrStdout(), inferred{
			Dataset: draft.Contract.Dataset(), Records: draft.Records, Whole: draft.Whole, Columns: len(draft.Contract.Columns),
			Notes: append([]string{}, draft.Notes...), Out: path, Contract: string(draft.Text),
		})
	}
	printNotes(cmd.ErrOrStderr(), draft)
	if path != "" {
		fmt.Fprintf(cmd.OutOrStdout(), "wrote %s; review the contract, then type: firn contract check %s --contract %s\n", path, job.File, path)
		return nil
	}
	_, err = cmd.OutOrStdout().Write(draft.Text)
	return err
}

func printNotes(out io.Writer, draft infer.Draft) {
	extent := "the whole file"
	if !draft.Whole {
		extent = "not the whole file: --rows 0 reads all, and `firn contract check` checks all"
	}
	fmt.Fprintf(out, "%d records read, %s; %d columns\n", draft.Records, extent, len(draft.Contract.Columns))
	for _, note := range draft.Notes {
		fmt.Fprintln(out, "- "+printable(note))
	}
}

func existsError(path string) error {
	return fmt.Errorf("%s exists already: remove it, or name another file with --out", path)
}

// writeNew writes a new file. A file with this path is an error.
func writeNew(path string, content []byte) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if errors.Is(err, os.ErrExist) {
		return existsError(path)
	}
	if err != nil {
		return fmt.Errorf("write the contract: %w", err)
	}
	if _, err := file.Write(content); err != nil {
		return errors.Join(fmt.Errorf("write the contract: %w", err), file.Close())
	}
	return file.Close()
}
