package row

import "github.com/firn-data/firn/internal/contract"

// Places of the columns of a batch of rejects.
const (
	rejectLine = iota
	rejectRule
	rejectRaw
)

// NewRejects returns an empty batch of rejected rows: line, rule and raw text.
func NewRejects() *Batch {
	b, err := NewBatch([]contract.Column{
		rejectLine: {Name: "line", Type: contract.Integer},
		rejectRule: {Name: "rule", Type: contract.String},
		rejectRaw:  {Name: "raw", Type: contract.String},
	})
	if err != nil { // the columns are fixed: can't happen
		panic(err)
	}
	return b
}

// AddReject appends a rejected row to a batch that NewRejects made. The raw
// text is made legible first.
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
