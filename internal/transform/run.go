package transform

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/firn-data/firn/internal/contract"
	"github.com/firn-data/firn/internal/engine/parquetfile"
	"github.com/firn-data/firn/internal/engine/reader"
	"github.com/firn-data/firn/internal/engine/row"
	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/object"
	"github.com/firn-data/firn/internal/telemetry"
	"github.com/firn-data/firn/internal/work"
)

// run is the state of one job.
type run struct {
	job     Job
	store   Store
	now     func() time.Time
	attempt object.Attempt
	// rows and rejected are the open batches. data and rejects write the full batches.
	rows, rejected *row.Batch
	data, rejects  *output
	// kept are the first rejects. If the object is refused, they are the only rows.
	kept *keptRejects
	// source is nil until the object is open.
	source *source
	counts rowCounts
	// receipt is completed step by step.
	receipt work.Receipt
}

// begin prepares a run. It fails only for a contract that Check refuses.
func (e *Engine) begin(job Job) (*run, error) {
	rows, err := row.NewBatch(job.Contract.Columns)
	if err != nil {
		return nil, fmt.Errorf("contract %s: %w", job.Contract.Dataset(), err)
	}
	rows.UniqueUpTo = job.Contract.MaxUnique
	id := job.Work.Object.ID()
	attempt := object.Attempt{Dataset: job.Work.Dataset, Object: id, Name: job.Attempt}
	roll := cmp.Or(e.RollBytes, rollBytes)
	r := &run{
		job: job, store: e.Store, now: e.Now, attempt: attempt, rows: rows, rejected: row.NewRejects(),
		counts: rowCounts{byRule: make(map[string]int64)},
	}
	level := cmp.Or(e.Level, parquetfile.Fastest)
	r.data = &output{store: e.Store, bucket: e.Bucket, key: attempt.Data, roll: roll, level: level, layout: parquetfile.Data(job.Contract.Columns, id)}
	newRejects := func() *output {
		return &output{store: e.Store, bucket: e.Bucket, key: attempt.Rejects, roll: roll, level: level, layout: parquetfile.Rejects(r.rejected.Columns, id)}
	}
	r.rejects, r.kept = newRejects(), &keptRejects{rows: row.NewRejects(), output: newRejects()}
	r.receipt = work.Receipt{
		Object: job.Work.Object, Dataset: job.Work.Dataset, ObjectID: id, Contract: job.Contract.Version,
		Generation: job.Work.Generation, Attempt: job.Attempt, Engine: EngineName, Outcome: work.Accepted,
		Data: []work.File{}, Rejects: []work.File{}, StartedAt: e.Now().UTC(),
	}
	return r, nil
}

// transform reads the object to the end. The written files aren't visible yet.
func (r *run) transform(ctx context.Context) error {
	compression, err := reader.CompressionOf(r.job.Work.Object.Key, r.job.Contract.Format)
	if err != nil {
		return err
	}
	stored, err := r.store.Open(ctx, r.job.Work.Object)
	if err != nil {
		return err
	}
	defer stored.Close()
	r.source = newSource(ctx, withPace(ctx, stored, r.job, r.now))
	defer r.source.stop()
	plain, err := reader.Open(r.source, compression, r.job.Contract.Encoding)
	if err != nil {
		return err
	}
	records, err := openRecords(plain, r.job.Contract)
	if err != nil {
		return err
	}
	if err := r.checkNewColumns(records); err != nil { // CSV: the header has all names
		return err
	}
	err = r.checkRecords(ctx, records)
	newColumns := r.checkNewColumns(records)
	if err := cmp.Or(err, newColumns); err != nil {
		return err
	}
	r.receipt.Unchecked = uncheckedRules(r.job.Contract, r.counts.read)
	return r.end(ctx)
}

// checkNewColumns notes the columns of the object that the contract doesn't have, and
// the contract's columns that the object doesn't have. If the contract says so, new
// columns refuse the object.
func (r *run) checkNewColumns(records records) error {
	extra := records.extra()
	r.receipt.ExtraColumns, r.receipt.AbsentColumns = extra, records.absent()
	if len(extra) == 0 || r.job.Contract.NewColumns != contract.RefuseNewColumns {
		return nil
	}
	return fault.Permanentf("compare columns", fault.NewColumn, "the contract doesn't have %s", describeColumns(extra))
}

// maxNamedColumns is the number of new columns in the cause of a refusal.
const maxNamedColumns = 10

// describeColumns names the first columns and counts the others.
func describeColumns(names []string) string {
	quoted := make([]string, 0, maxNamedColumns)
	for _, name := range names[:min(len(names), maxNamedColumns)] {
		quoted = append(quoted, strconv.Quote(name))
	}
	text := "the column"
	if len(names) > 1 {
		text += "s"
	}
	text += " " + strings.Join(quoted, ", ")
	if more := len(names) - len(quoted); more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

// uncheckedRules returns the rules with a limit below the number of records.
func uncheckedRules(c *contract.Contract, records int64) []string {
	var rules []string
	for _, column := range c.Columns {
		if column.Unique && c.MaxUnique > 0 && records > c.MaxUnique {
			rules = append(rules, fmt.Sprintf("%s:unique after record %d", column.Name, c.MaxUnique))
		}
	}
	return rules
}

// checkRecords checks every record by the contract, and writes rows and rejects.
func (r *run) checkRecords(ctx context.Context, records records) error {
	for {
		block, err := records.next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		r.rows.AddBlock(block)
		if err := r.countBlock(ctx, block); err != nil {
			return err
		}
		if r.rows.Full() {
			if r.rows, err = r.data.write(ctx, r.rows); err != nil {
				return err
			}
		}
	}
}

// countBlock counts the records of a block and writes the rejects.
func (r *run) countBlock(ctx context.Context, block *row.Block) error {
	r.counts.read += int64(block.Len())
	r.counts.written += int64(block.Len())
	for i, rule := range block.Broken {
		if rule == "" {
			continue
		}
		r.counts.written--
		if err := r.reject(ctx, block.Record(i), rule); err != nil {
			return err
		}
	}
	return nil
}

func (r *run) reject(ctx context.Context, record reader.Record, rule string) error {
	r.counts.reject(work.Reject{Record: record.Number, Line: record.Line, Rule: rule})
	if r.job.Rejected != nil {
		r.job.Rejected(record, rule)
	}
	r.kept.add(record, rule)
	r.rejected.AddReject(record.Number, record.Line, rule, record.Raw)
	if !r.rejected.Full() {
		return nil
	}
	var err error
	r.rejected, err = r.rejects.write(ctx, r.rejected)
	return err
}

// end checks the number of rejects and writes the last batches.
func (r *run) end(ctx context.Context) error {
	if err := r.counts.check(r.job.Contract); err != nil {
		return err
	}
	if _, err := r.data.write(ctx, r.rows); err != nil {
		return err
	}
	if _, err := r.rejects.write(ctx, r.rejected); err != nil {
		return err
	}
	return errors.Join(r.data.finish(), r.rejects.finish())
}

// commit makes all files visible. The caller has read the whole object, with correct
// checksums.
func (r *run) commit(ctx context.Context) (err error) {
	if r.receipt.Data, err = r.data.commit(ctx); err != nil {
		return err
	}
	r.receipt.Rejects, err = r.rejects.commit(ctx)
	return err
}

// abort drops the written files. If abort fails, the bucket's lifecycle rule for
// incomplete uploads drops the files.
func (r *run) abort(ctx context.Context) {
	if err := errors.Join(r.data.abort(ctx), r.rejects.abort(ctx)); err != nil {
		telemetry.Logger(ctx).WarnContext(ctx, "upload not aborted", telemetry.KeyObject, string(r.attempt.Object), telemetry.KeyError, err.Error())
	}
}

// refuse adds the cause of the refusal to the receipt, and writes the first rejects. The
// counts stay, and show the last record of the engine. Damaged compression leaves no
// rejects, because the records before the damage may be wrong.
func (r *run) refuse(ctx context.Context, f *fault.Fault) error {
	r.receipt.Outcome = work.Refused
	r.receipt.Code, r.receipt.Cause, r.receipt.Hint = string(f.Code), f.Cause(), f.Advice()
	r.receipt.Data, r.receipt.Rejects = []work.File{}, []work.File{}
	r.counts.written = 0
	if f.Code == fault.BadCompression {
		r.counts.first, r.counts.byRule = nil, nil
		return nil
	}
	files, err := r.kept.write(ctx)
	if err == nil {
		r.receipt.Rejects = files
	}
	return err
}
