package row

import (
	"fmt"

	"github.com/firn-data/firn/internal/contract"
)

// A batch is full at whichever comes first: its memory is bounded by bytes,
// its speed comes from rows.
const (
	BatchRows  = 8192
	batchBytes = 8 << 20
)

// Batch holds rows by column until they are written. It is reused.
type Batch struct {
	// Columns are the contract's, in its order.
	Columns []*Column
	// Records are the rows' record numbers.
	Records []int64
	// UniqueUpTo is the last record that unique columns check and remember; 0
	// for no bound.
	UniqueUpTo int64
	bytes      int
}

// NewBatch prepares the columns of a contract.
func NewBatch(columns []contract.Column) (*Batch, error) {
	b := &Batch{Columns: make([]*Column, len(columns))}
	for i, c := range columns {
		column, err := NewColumn(c)
		if err != nil {
			return nil, fmt.Errorf("prepare columns: %w", err)
		}
		b.Columns[i] = column
	}
	return b, nil
}

// Add appends a row of one value a column. If a value breaks a rule nothing is
// appended, and the first broken rule in column order is returned.
func (b *Batch) Add(record int64, values []Value) (broken string) {
	rows := len(b.Records)
	size := 0
	unique := b.UniqueUpTo == 0 || record <= b.UniqueUpTo
	for i, c := range b.Columns {
		if broken = c.add(values[i], unique); broken != "" {
			for _, touched := range b.Columns[:i+1] {
				touched.truncate(rows)
			}
			return broken
		}
		size += len(values[i].Text)
	}
	b.Records = append(b.Records, record)
	b.bytes += size
	for _, c := range b.Columns {
		c.accept()
	}
	return ""
}

// Len returns the number of rows.
func (b *Batch) Len() int { return len(b.Records) }

// Full reports whether the batch must be written before the next row.
func (b *Batch) Full() bool { return len(b.Records) >= BatchRows || b.bytes >= batchBytes }

// Reset drops all rows. Unique columns go on remembering their values.
func (b *Batch) Reset() {
	for _, c := range b.Columns {
		c.truncate(0)
	}
	b.Records, b.bytes = b.Records[:0], 0
}
