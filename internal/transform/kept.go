package transform

import (
	"context"
	"errors"

	"github.com/firn-data/firn/internal/engine/reader"
	"github.com/firn-data/firn/internal/engine/row"
	"github.com/firn-data/firn/internal/work"
)

// keptRejects holds the first rejects of an object in memory, within the bounds of
// work.MaxKeptRejects. A refused object keeps these rejects and no other row.
type keptRejects struct {
	rows   *row.Batch
	output *output
	// bytes is the size of the raw texts. full means that a reject was left out, so
	// that the later rejects are left out too.
	bytes int
	full  bool
}

func (k *keptRejects) add(record reader.Record, rule string) {
	if k.full {
		return
	}
	raw := record.Raw
	if !row.ValidText(raw) {
		raw = row.Legible(nil, raw)
	}
	k.bytes += len(raw)
	count := k.rows.Len()
	if k.full = count == work.MaxKeptRejects || count > 0 && k.bytes > work.MaxKeptRejectBytes; k.full {
		return
	}
	k.rows.AddReject(record.Number, record.Line, rule, raw)
}

// write writes the kept rejects and returns their file; no file without rejects. After
// an error no file is visible.
func (k *keptRejects) write(ctx context.Context) ([]work.File, error) {
	_, err := k.output.write(ctx, k.rows)
	var files []work.File
	if err = errors.Join(err, k.output.finish()); err == nil {
		files, err = k.output.commit(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, k.output.abort(ctx))
	}
	return files, nil
}
