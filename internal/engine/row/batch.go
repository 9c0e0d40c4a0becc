package row

import (
	"fmt"

	"github.com/firn-data/firn/internal/contract"
)

// A batch is full at whichever comes first: its memory is bounded by bytes,
// its speed comes from rows.
const (
	batchRows  = 8192
	batchBytes = 2 << 20
)

// BlockRecords is how many records had best be added at once: what they take
// stays in the processor's cache.
const BlockRecords = 1024

// Batch holds rows by column until they are written. It is reused.
type Batch struct {
	// Columns are the contract's, in its order.
	Columns []*Column
	// Records are the rows' record numbers.
	Records []int64
	// UniqueUpTo is the last record that unique columns check and remember; 0
	// for no bound.
	UniqueUpTo int64

	checkers []*checker
	single   *Block // of Add
	kept     []span
}

// span is records of a block that follow each other and keep all rules.
type span struct{ from, to int }

// NewBatch prepares the columns of a contract.
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

// Sibling returns an empty batch of the same contract that shares what unique
// columns remember: only one of both may be added to at a time.
func (b *Batch) Sibling() *Batch {
	sibling := &Batch{Columns: make([]*Column, len(b.Columns)), UniqueUpTo: b.UniqueUpTo, checkers: b.checkers}
	for i, c := range b.Columns {
		sibling.Columns[i] = newColumn(c.Contract)
	}
	return sibling
}

// Add appends a row of one value a column. If a value breaks a rule nothing is
// appended, and the first broken rule in column order is returned.
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

// AddBlock appends the records that keep all rules. Of the others it notes the
// first broken rule in column order.
func (b *Batch) AddBlock(block *Block) {
	rows := b.Len()
	for i, k := range b.checkers {
		k.add(b.Columns[i], block, i)
	}
	b.checkUnique(block, rows)
	b.keep(block, rows)
}

// keep drops the rows from rows on that were rejected.
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

// Full reports whether the batch must be written before the next rows.
func (b *Batch) Full() bool {
	size := 0
	for _, c := range b.Columns {
		size += len(c.Text)
	}
	return len(b.Records) >= batchRows || size >= batchBytes
}

// Reset drops all rows. Unique columns go on remembering their values.
func (b *Batch) Reset() {
	for _, c := range b.Columns {
		c.keep(0, nil)
	}
	b.Records = b.Records[:0]
}
