package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/firn-data/firn/internal/journal"
	"github.com/firn-data/firn/internal/object"
	"github.com/firn-data/firn/internal/operator"
)

func putCommand() *cobra.Command {
	var dataset, key string
	var wait time.Duration
	var asJSON bool
	command := &cobra.Command{
		Use:   "put FILE...",
		Short: "Put files into the landing bucket and wait for the load",
		Example: "  firn put datasets/shop/order/orders.csv\n" +
			"  firn put --dataset shop.order --wait 0 /tmp/orders.csv",
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, files []string) error {
			if key != "" && len(files) > 1 {
				return fmt.Errorf("--key names one object, but there are %d files", len(files))
			}
			o, err := openOperator(cmd.Context())
			if err != nil {
				return err
			}
			objects, err := putAll(cmd.Context(), o, files, dataset, key)
			if err != nil {
				return err
			}
			if wait == 0 {
				return printObjects(cmd.OutOrStdout(), objects, asJSON)
			}
			entries, err := awaitAll(cmd.Context(), cmd.ErrOrStderr(), o, objects, wait)
			if err != nil {
				return err
			}
			return printEntriesOrFail(cmd.OutOrStdout(), entries, asJSON)
		},
	}
	flags := command.Flags()
	flags.StringVar(&dataset, "dataset", "", "dataset of the files, <source>.<entity>; default: from the folder of each file")
	flags.StringVar(&key, "key", "", "whole landing key; default: prefix of the dataset and name of the file")
	flags.DurationVar(&wait, "wait", 15*time.Minute, "longest wait for the load; 0 doesn't wait")
	flags.BoolVar(&asJSON, "json", false, "print JSON")
	return command
}

func putAll(ctx context.Context, o *operator.Operator, files []string, dataset, key string) ([]object.Object, error) {
	var objects []object.Object
	for _, file := range files {
		target := key
		if target == "" {
			var err error
			if target, err = o.KeyFor(file, dataset); err != nil {
				return objects, err
			}
		}
		put, err := o.Put(ctx, file, target)
		if err != nil {
			return objects, err
		}
		objects = append(objects, put)
	}
	return objects, nil
}

// awaitAll shows a progress bar until all objects are settled. After the limit,
// awaitAll returns an error.
func awaitAll(ctx context.Context, out io.Writer, o *operator.Operator, objects []object.Object, limit time.Duration) ([]journal.Entry, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("not settled within %s: see `firn status`", limit))
	defer cancel()
	ids := make([]object.ID, len(objects))
	for i, put := range objects {
		ids[i] = put.ID()
	}
	progress := counter(out, len(ids), "objects settled")
	defer progress.stop()
	return o.Wait(ctx, ids, func(journal.Entry) { progress.add() })
}

func printObjects(out io.Writer, objects []object.Object, asJSON bool) error {
	if asJSON {
		return printJSON(out, objects)
	}
	for _, put := range objects {
		fmt.Fprintf(out, "%s  %s\n", put.ID(), put.URI())
	}
	return nil
}

// printEntriesOrFail prints entries and returns an error for failed entries.
func printEntriesOrFail(out io.Writer, entries []journal.Entry, asJSON bool) error {
	if asJSON {
		if err := printJSON(out, entries); err != nil {
			return err
		}
	} else {
		printEntries(out, entries)
	}
	failed := 0
	for _, entry := range entries {
		if entry.State == journal.Failed {
			failed++
		}
	}
	if failed > 0 {
		return fmt.Errorf("%d of %d objects failed", failed, len(entries))
	}
	return nil
}
