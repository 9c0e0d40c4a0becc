package row

import (
	"fmt"

	"github.com/firn-data/firn/internal/contract"
)

// A batch is full at batchRows rows or at batchBytes bytes of text, at the first of
// both limits. The limit of bytes bounds the memory. The number of rows sets the speed.
const (
	batchRows  = 8192
	batchBytes = 2 << 20
)

// BlockRecords is the recommended number of records in a block: the data of such a
// block stays in the processor's cache.
const BlockRecords = 1024

// Batch holds accepted rows by column until a writer has written the rows. Reset
// empties a batch for the next rows.
type Batch struct {
	// Columns are the contract's columns, in the contract's order.
	Columns []*Column
	// Records are the record numbers of the rows.
	Records []int64
	// UniqueUpTo is the number of the last record whose unique columns are checked. 0
	// means no limit.
	UniqueUpTo int64

	checkers []*checker
	single   *Block // block of Add, nil before the first call
	kept     []span
}

// span is a run of consecutive records of a block without a broken rule: from is the
// first, to the record after the last.
type span struct{ from, to int }

// NewBatch returns an empty batch with the columns of a contract. NewBatch fails for an
// unknown type, an invalid pattern, or a minimum or maximum on a type without numbers.
func NewBatch(columns []contract.Column) (*Batch, error) {
	b := &Batch{Columns: make([]*Column, len(columns)), checkers: make([]*checker, len(columns))}
	for i, c := range columns {
		compiled, err := newChecker(c)
		if err != nil {
			return nil, fmt.Errorf("prepare columns: %w", err)
		}
		b.checkers[i] = compiled
		b.Columns[i] = newColumn(c)
	}
	return b, nil
}

// NewSharingUnique returns an empty batch of the same contract. Both batches share the values
// seen in unique columns, so only one goroutine may add rows to either batch.
func (b *Batch) NewSharingUnique() *Batch {
	sibling := &Batch{Columns: make([]*Column, len(b.Columns)), UniqueUpTo: b.UniqueUpTo, checkers: b.checkers}
	for i, c := range b.Columns {
		sibling.Columns[i] = newColumn(c.Contract)
	}
	return sibling
}

// Add appends a row with one value for each column. If a value breaks a rule, Add
// appends nothing and returns the first broken rule in column order.
func (b *Batch) Add(record int64, values []Value) (broken string) {
	if b.single == nil {
		b.single = &Block{hasNUL: true}
	}
	b.single.copyOf(len(b.Columns))
	b.single.first = record
	b.single.resize(1)
	b.single.setValues(values)
	b.AddBlock(b.single)
	return b.single.Broken[0]
}

// AddBlock appends the records without a broken rule. For the other records, AddBlock
// sets block.Broken to the first broken rule in column order.
func (b *Batch) AddBlock(block *Block) {
	rows := b.Len()
	for i, k := range b.checkers {
		k.add(b.Columns[i], block, i)
	}
	b.checkUnique(block, rows)
	b.keep(block, rows)
}

// keep drops the rejected rows among the rows from index rows on.
func (b *Batch) keep(block *Block, rows int) {
	b.kept = b.kept[:0]
	for i := 0; i < block.Len(); i++ {
		if block.Broken[i] != "" {
			continue
		}
		from := i
		for i < block.Len() && block.Broken[i] == "" {
			b.Records = append(b.Records, block.first+int64(i))
			i++
		}
		b.kept = append(b.kept, span{from, i})
	}
	if block.rejected == 0 {
		return
	}
	for _, c := range b.Columns {
		c.keep(rows, b.kept)
	}
}

// Len returns the number of rows.
func (b *Batch) Len() int { return len(b.Records) }

// Full reports whether the batch must be written before more rows are added.
func (b *Batch) Full() bool {
	size := 0
	for _, c := range b.Columns {
		size += len(c.Text)
	}
	return len(b.Records) >= batchRows || size >= batchBytes
}

// Reset drops all rows. Unique columns still remember their values.
func (b *Batch) Reset() {
	for _, c := range b.Columns {
		c.keep(0, nil)
	}
	b.Records = b.Records[:0]
}
