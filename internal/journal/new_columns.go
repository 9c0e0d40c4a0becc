package journal

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/firn-data/firn/internal/work"
)

// newColumnsPrefix begins the key of the item with the reported new columns of a dataset.
const newColumnsPrefix = "columns#"

// NewColumns returns the reported new columns of a dataset. Without a report, the result
// has only the dataset.
func (t *Table) NewColumns(ctx context.Context, dataset string) (work.NewColumns, error) {
	n := work.NewColumns{Dataset: dataset}
	i, err := t.find(ctx, newColumnsPrefix+dataset)
	if err != nil {
		return n, err
	}
	n.More = int(i.number("more"))
	if body := i.text("columns"); body != "" {
		if err := json.Unmarshal([]byte(body), &n.Columns); err != nil {
			return n, fmt.Errorf("journal: attribute columns of %s: %w", dataset, err)
		}
	}
	return n, i.err
}

// ClaimNewColumns gives the next report about new columns of a dataset to one caller, for
// a minute. claim is a random text of the caller. The result is false if another caller
// has the claim. Read NewColumns after the claim: an earlier caller may have recorded a
// report.
func (t *Table) ClaimNewColumns(ctx context.Context, dataset, claim string) (bool, error) {
	now := t.Now()
	return t.write(ctx, newColumnsPrefix+dataset, newChange("").
		set("claim", text(claim)).set("claimed_until", instant(now.Add(claimTime))).
		where("attribute_not_exists(#claimed_until) OR #claimed_until <= :now OR #claim = :claim").
		bind(":now", instant(now)))
}

// RecordNewColumns records all reported new columns of a dataset and ends the claim. The
// result is false, without a record, if another caller has taken the claim since. An item
// of DynamoDB is limited to 400 KB, so the columns must have the limits of
// work.CollectNewColumns.
func (t *Table) RecordNewColumns(ctx context.Context, n work.NewColumns, claim string) (bool, error) {
	body, err := json.Marshal(n.Columns)
	if err != nil {
		return false, fmt.Errorf("encode new columns: %w", err)
	}
	// The attribute "claim" stays, so a repeated request succeeds too.
	return t.write(ctx, newColumnsPrefix+n.Dataset, newChange("").
		set("columns", text(string(body))).set("more", number(int64(n.More))).set("at", text(stamp(t.Now()))).
		clear("claimed_until").
		where("#claim = :claim", "claim").bind(":claim", text(claim)))
}
