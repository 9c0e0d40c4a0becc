package load

import (
	"context"

	"github.com/firn-data/firn/internal/telemetry"
	"github.com/firn-data/firn/internal/work"
)

// reportNewColumns reports the columns of the loaded files that the contract doesn't
// have, unless the journal has them as reported. The alert function records a reported
// column after its mail. Until then each load with the column sends a notice, and after a
// fault the message of the load comes back. So no column is lost, and alert makes one mail
// of all notices.
func (t *transaction) reportNewColumns(ctx context.Context) error {
	c := t.loader.Contracts.ByDataset(t.dataset)
	found := work.CollectNewColumns(t.dataset, c, t.extraColumns())
	if found.IsEmpty() {
		return nil
	}
	reported, err := t.loader.Journal.NewColumns(ctx, t.dataset)
	if err != nil {
		return err
	}
	unreported := found.Unreported(reported.MissingIn(c))
	if unreported.IsEmpty() {
		return nil
	}
	telemetry.Logger(ctx).WarnContext(ctx, "new columns not loaded", telemetry.KeyDataset, t.dataset, telemetry.KeyLoadID, t.loadID,
		telemetry.KeyCount, unreported.Count())
	return t.loader.Notices.NewColumns(ctx, unreported)
}

// extraColumns returns the extra columns of the receipts of the loaded objects, in the
// order of the loads. The loader of an earlier load may have crashed before its notice,
// so the objects of this load count too.
func (t *transaction) extraColumns() []work.NewColumn {
	var columns []work.NewColumn
	add := func(row LedgerRow, receipt work.Receipt) {
		for _, name := range receipt.ExtraColumns {
			columns = append(columns, work.NewColumn{Name: name, Object: row.Object.URI(), LoadedAt: row.StartedAt.UTC()})
		}
	}
	for _, f := range t.alreadyLoaded {
		add(f.row, f.object.Receipt)
	}
	for i, row := range t.newRows {
		add(row, t.toLoad[i].Receipt)
	}
	return columns
}
