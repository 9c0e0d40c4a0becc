// Package demo sends sample data through every stage of the laptop's cloud, breaks a
// file, and compares the counts of files and tables.
package demo

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/firn-data/firn/internal/journal"
	"github.com/firn-data/firn/internal/object"
	"github.com/firn-data/firn/internal/operator"
	"github.com/firn-data/firn/internal/snowflake"
)

// Demo runs on a cloud that is up.
type Demo struct {
	Operator *operator.Operator
	// Data is the folder of the sample files, <source>/<entity>/<file>, and of
	// demo.yaml with the plan of the demo.
	Data string
	// Mails is the folder of the mails.
	Mails string
	// Open opens a Snowflake session.
	Open func(ctx context.Context) (*snowflake.Session, error)
	// Build builds dbt and returns the last line of dbt.
	Build func(ctx context.Context) (string, error)
	// Step runs a step and shows its name.
	Step func(name string, run func() error) error
	// BeforeCount is a statement to run before the count of the tables. Only for tests
	// of the count; empty for none.
	BeforeCount string
}

// Result is the result of the demo.
type Result struct {
	Rows []Row  `json:"datasets"`
	DBT  string `json:"dbt"`
	Mail Mail   `json:"mail"`
	// Unaccounted are the sentences about missing rows; empty without missing rows.
	Unaccounted []string `json:"unaccounted"`
	// Sample is the path of an intact sample file: the demo breaks a copy of the file.
	Sample string `json:"-"`
}

// Run runs the demo. An error means an incomplete demo. Missing rows are in the result,
// not in the error.
func (d *Demo) Run(ctx context.Context) (Result, error) {
	var result Result
	plan, err := ReadPlan(d.Data, d.Operator.Contracts)
	if err != nil {
		return result, err
	}
	files, err := sampleFiles(d.Data, d.Operator.Contracts)
	if err != nil {
		return result, fmt.Errorf("list the sample files: %w", err)
	}
	result.Sample = filepath.Join(d.Data, filepath.FromSlash(plan.Broken))
	var entries []journal.Entry
	var broken journal.Entry
	steps := []struct {
		name string
		run  func() error
	}{
		{"ingest " + plan.Ingest.Dataset, func() error {
			_, err := d.Operator.Ingest(ctx, plan.Ingest.Dataset, plan.Ingest.Start, plan.Ingest.End)
			return err
		}},
		{fmt.Sprintf("put %d files and a broken file", len(files)), func() (err error) {
			entries, broken, err = d.put(ctx, plan, files)
			return err
		}},
		{"wait until all rows are loaded", func() (err error) {
			entries, broken, err = d.awaitStopped(ctx, plan.Ingest.Dataset, entries, broken)
			return err
		}},
		{"build dbt", func() (err error) {
			result.DBT, err = d.Build(ctx)
			return err
		}},
		{"read the mail", func() (err error) {
			result.Mail, err = awaitMail(ctx, d.Mails, broken.Object.Key)
			return err
		}},
		{"count the tables", func() (err error) {
			result.Rows, err = d.count(ctx, entries)
			return err
		}},
	}
	for _, step := range steps {
		if err := d.Step(step.name, step.run); err != nil {
			return result, fmt.Errorf("%s: %w", step.name, err)
		}
	}
	result.Unaccounted = missingRows(result.Rows, d.Operator.Contracts, entries, broken)
	return result, nil
}

// put uploads the sample files and the broken copy of a file.
func (d *Demo) put(ctx context.Context, plan Plan, files []string) (entries []journal.Entry, broken journal.Entry, err error) {
	for _, file := range files {
		path := filepath.Join(d.Data, filepath.FromSlash(file))
		put, err := d.upload(ctx, path, "")
		if err != nil {
			return nil, broken, err
		}
		entries = append(entries, put)
	}
	path, err := breakFile(filepath.Join(d.Data, filepath.FromSlash(plan.Broken)))
	if err != nil {
		return nil, broken, err
	}
	defer os.Remove(path)
	broken, err = d.upload(ctx, path, plan.brokenKey(d.Operator.Contracts))
	return entries, broken, err
}

func (d *Demo) upload(ctx context.Context, path, key string) (journal.Entry, error) {
	if key == "" {
		var err error
		if key, err = d.Operator.KeyFor(path, ""); err != nil {
			return journal.Entry{}, err
		}
	}
	put, err := d.Operator.Put(ctx, path, key)
	return journal.Entry{ID: put.ID(), Object: put}, err
}

// breakFile copies a file and opens a quote in the middle, like a crashed export. The
// quote has no end.
func breakFile(path string) (string, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	file, err := os.CreateTemp("", "firn-demo-*.csv")
	if err != nil {
		return "", err
	}
	defer file.Close()
	middle := len(content) / 2
	middle += bytes.IndexByte(content[middle:], '\n') + 1
	_, err = fmt.Fprintf(file, "%s\"%s", content[:middle], content[middle:])
	return file.Name(), err
}

// awaitStopped waits until every object is settled, including the ingested objects.
func (d *Demo) awaitStopped(ctx context.Context, ingested string, entries []journal.Entry, broken journal.Entry) ([]journal.Entry, journal.Entry, error) {
	parts, err := d.ingested(ctx, ingested)
	if err != nil {
		return entries, broken, err
	}
	ids := []object.ID{broken.ID}
	for _, entry := range entries {
		ids = append(ids, entry.ID)
	}
	settled, err := d.Operator.Wait(ctx, append(ids, parts...), func(journal.Entry) {})
	return settled[1:], settled[0], err
}

// ingested waits for the manifest of the ingestion run and returns the objects of the
// run. The run writes the manifest last.
func (d *Demo) ingested(ctx context.Context, dataset string) ([]object.ID, error) {
	prefix := d.Operator.Contracts.ByDataset(dataset).KeyPrefix + "run="
	ticker := time.NewTicker(d.Operator.PollEvery)
	defer ticker.Stop()
	for {
		objects, complete, err := d.Operator.RunParts(ctx, prefix)
		if err != nil || complete {
			return objects, err
		}
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-ticker.C:
		}
	}
}
