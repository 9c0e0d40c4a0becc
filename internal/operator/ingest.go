package operator

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Ingest sends a request to the ingest queue for the records of the interval [start,
// end). A dataset without firn.ingest in its contract is an error.
func (o *Operator) Ingest(ctx context.Context, dataset string, start, end time.Time) error {
	if c := o.Contracts.ByDataset(dataset); c == nil || c.Ingest == nil {
		return fmt.Errorf("ingest %s: the dataset has no contract with firn.ingest: name one of %s", dataset, strings.Join(o.ingestedDatasets(), ", "))
	}
	if !start.Before(end) {
		return fmt.Errorf("ingest %s: start %s must be before end %s", dataset, start.Format(time.RFC3339), end.Format(time.RFC3339))
	}
	body, err := json.Marshal(map[string]any{
		"dataset": dataset, "start": start.UTC().Format(time.RFC3339), "end": end.UTC().Format(time.RFC3339),
	})
	if err != nil {
		return fmt.Errorf("ingest %s: %w", dataset, err)
	}
	return o.send(ctx, "ingest", string(body))
}

// ingestedDatasets returns the sorted names of the datasets with firn.ingest in their
// contract.
func (o *Operator) ingestedDatasets() []string {
	return slices.DeleteFunc(o.datasets(), func(dataset string) bool { return o.Contracts.ByDataset(dataset).Ingest == nil })
}
