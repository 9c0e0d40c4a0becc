package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/firn-data/firn/internal/demo"
	"github.com/firn-data/firn/internal/laptop"
	"github.com/firn-data/firn/internal/shell"
)

// demoDirectory is the folder of the demo's state, below build/. The folder is not the
// folder of `firn up`, so both can run at the same time.
const demoDirectory = "demo"

// demoLimit is the longest time of the demo after the start of the cloud.
const demoLimit = 5 * time.Minute

type demoOptions struct {
	data        string
	beforeCount string
	asJSON      bool
}

func demoCommand() *cobra.Command {
	var options demoOptions
	command := &cobra.Command{
		Use:   "demo",
		Short: "Load the sample files on the laptop's cloud and compare every row",
		Long: "Start a separate laptop's cloud, ingest records from an API, put the sample files and a broken file, and build dbt.\n" +
			"Then compare the records of the files with the rows in the tables. datasets/demo.yaml describes the demo.\n" +
			"Exits 1 if a row is missing.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runDemo(cmd, options) },
	}
	flags := command.Flags()
	flags.StringVar(&options.data, "data", "", "folder of the sample files and of demo.yaml; default: datasets/")
	flags.StringVar(&options.beforeCount, "before-count", "", "statement to run before the count of the tables")
	flags.BoolVar(&options.asJSON, "json", false, "print JSON")
	// Only the test of the count uses this flag.
	_ = flags.MarkHidden("before-count")
	return command
}

func runDemo(cmd *cobra.Command, options demoOptions) (err error) {
	cloud, err := openCloud(demoDirectory)
	if err != nil {
		return err
	}
	if cloud.Running() {
		return errors.New("another demo is running, or a killed demo left servers: type `firn down --demo`")
	}
	steps := &steps{out: cmd.ErrOrStderr()}
	if err := cloud.Up(cmd.Context(), steps.run); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, cloud.Down()) }()
	ctx, cancel := context.WithTimeoutCause(cmd.Context(), demoLimit, fmt.Errorf("the demo took longer than %s", demoLimit))
	defer cancel()
	result, err := demoOn(ctx, cloud, steps, options)
	if err != nil {
		return err
	}
	if options.asJSON {
		err = printJSON(cmd.OutOrStdout(), struct {
			demo.Result
			Steps []stepTime `json:"steps"`
		}{result, steps.taken})
	} else {
		err = printDemo(cmd.OutOrStdout(), result, steps.taken, cloud.Root)
	}
	if err == nil && len(result.Unaccounted) > 0 {
		err = errors.New("not every row is accounted for:\n  " + strings.Join(result.Unaccounted, "\n  "))
	}
	return err
}

func demoOn(ctx context.Context, cloud *laptop.Cloud, steps *steps, options demoOptions) (demo.Result, error) {
	if err := useCloud(cloud); err != nil {
		return demo.Result{}, err
	}
	ctx = onCloud(ctx, cloud)
	o, err := openOperator(ctx)
	if err != nil {
		return demo.Result{}, err
	}
	data := options.data
	if data == "" {
		data = filepath.Join(cloud.Root, "datasets")
	}
	d := &demo.Demo{
		Operator: o, Data: data, Mails: cloud.MailDirectory(),
		Open:  openSnowflake,
		Build: cloud.BuildDBT, Step: steps.run, BeforeCount: options.beforeCount,
	}
	return d.Run(ctx)
}

func printDemo(out io.Writer, result demo.Result, steps []stepTime, root string) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "\ndataset\tengine\tobjects\trows read\twritten\trejected\tloaded\tcounted in the table\t")
	for _, row := range result.Rows {
		fmt.Fprintf(table, "%s\t%s\t%d\t%d\t%d\t%d\t%d\t%d\t\n", row.Dataset, row.Engine, row.Objects, row.Read, row.Written, row.Rejected, row.Loaded, row.Counted)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(out, "\ndbt: %s\n", result.DBT)
	fmt.Fprintf(out, "\nThe mail in the inbox of %s:\n  Subject: %s\n\n%s\n", result.Mail.To, result.Mail.Subject, indent(result.Mail.Body))
	var total float64
	for _, step := range steps {
		total += step.Seconds
	}
	fmt.Fprintf(out, "%.1f s in total:", total)
	for _, step := range steps {
		fmt.Fprintf(out, " %s %.1f;", step.Name, step.Seconds)
	}
	fmt.Fprintln(out)
	if len(result.Unaccounted) == 0 {
		fmt.Fprintln(out, "Every row is accounted for.")
		fmt.Fprintf(out, "\nNext: make up && build/bin/firn put %s  (docs/laptop.md)\n", shell.Quote(shortPath(root, result.Sample)))
	}
	return nil
}

// shortPath returns the path from a folder, or the whole path of a file outside the folder.
func shortPath(folder, path string) string {
	if short, err := filepath.Rel(folder, path); err == nil && filepath.IsLocal(short) {
		return short
	}
	return path
}

func indent(text string) string {
	return "  | " + strings.ReplaceAll(strings.TrimRight(text, "\n"), "\n", "\n  | ") + "\n"
}
