package row

import "github.com/firn-data/firn/internal/contract"

// Indexes of the columns in a batch of rejects.
const (
	rejectLine = iota
	rejectRule
	rejectRaw
)

// NewRejects returns an empty batch for rejects: line, rule and raw text.
func NewRejects() *Batch {
	b, err := NewBatch([]contract.Column{
		rejectLine: {Name: "line", Type: contract.Integer},
		rejectRule: {Name: "rule", Type: contract.String},
		rejectRaw:  {Name: "raw", Type: contract.String},
	})
	if err != nil { // impossible: the columns are fixed
		panic(err)
	}
	return b
}

// AddReject appends a reject to a batch of NewRejects. The raw text is stored as valid
// UTF-8, see Legible.
func (b *Batch) AddReject(record, line int64, rule string, raw []byte) {
	lines, rules, raws := b.Columns[rejectLine], b.Columns[rejectRule], b.Columns[rejectRaw]
	lines.Present, lines.Int64s = append(lines.Present, true), append(lines.Int64s, line)
	rules.appendText([]byte(rule))
	if !ValidText(raw) {
		raw = Legible(nil, raw)
	}
	raws.appendText(raw)
	b.Records = append(b.Records, record)
}
