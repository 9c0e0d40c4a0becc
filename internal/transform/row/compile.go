package row

import (
	"fmt"

	"github.com/firn-data/firn/internal/contract"
)

// ruleNames are made once, so that a broken rule allocates nothing.
type ruleNames struct {
	kind, required, unique, format, pattern, enum, minLength, maxLength, nul string
}

// NewColumn prepares a column. It fails if the contract asks for what its type
// doesn't have.
func NewColumn(c contract.Column) (*Column, error) {
	column := &Column{Contract: c, Ends: []int32{0}, rules: namesOf(c)}
	if err := column.compileType(); err != nil {
		return nil, err
	}
	if c.Type == contract.Integer {
		c.Scale = 0
	}
	var err error
	if column.bounds, err = compileBounds(c); err != nil {
		return nil, err
	}
	if c.Pattern != "" {
		if column.match, err = compilePattern(c.Pattern); err != nil {
			return nil, fmt.Errorf("column %s: pattern: %w", c.Name, err)
		}
	}
	if formatPattern := c.FormatPattern(); formatPattern != "" {
		if column.format, err = compilePattern(formatPattern); err != nil {
			return nil, fmt.Errorf("column %s: format %s: %w", c.Name, c.Format, err)
		}
	}
	column.checkText = column.format != nil || c.Pattern != "" || len(c.Enum) > 0 || c.MinLength != nil || c.MaxLength != nil
	if c.Unique {
		column.seen = newSeen()
	}
	return column, nil
}

func namesOf(c contract.Column) ruleNames {
	name := func(rule string) string { return c.Name + ":" + rule }
	return ruleNames{
		kind: name(string(c.Type)), required: name(ruleRequired), unique: name(ruleUnique),
		format: name(ruleFormat), pattern: name(rulePattern), enum: name(ruleEnum),
		minLength: name(ruleMinLength), maxLength: name(ruleMaxLength), nul: name(ruleNUL),
	}
}

// compileType chooses the physical form and the kinds a value may have: CSV
// text always, of JSON only the kind that is the type's own. A JSON string "5"
// is no integer.
func (c *Column) compileType() error {
	kinds := []Kind{Text}
	switch c.Contract.Type {
	case contract.String:
		c.Physical, kinds = Bytes, append(kinds, JSONString, JSONRecord)
	case contract.JSON:
		c.Physical, kinds = Bytes, append(kinds, JSONStructure, JSONRecord)
	case contract.Integer:
		c.Physical, kinds = Int64, append(kinds, JSONNumber)
	case contract.Double:
		c.Physical, kinds = Float64, append(kinds, JSONNumber)
	case contract.Decimal:
		c.Physical, kinds = decimalPhysical(c.Contract.Precision), append(kinds, JSONNumber)
		c.form = decimalForm{whole: c.Contract.Precision - c.Contract.Scale, scale: c.Contract.Scale}
	case contract.Boolean:
		c.Physical, kinds = Bool, append(kinds, JSONBoolean)
	case contract.Date:
		c.Physical, kinds = Int32, append(kinds, JSONString)
	case contract.Timestamp, contract.Time:
		c.Physical, kinds = Int64, append(kinds, JSONString)
	default:
		return fmt.Errorf("column %s: type %q is unknown", c.Contract.Name, c.Contract.Type)
	}
	for _, kind := range kinds {
		c.accepts |= 1 << kind
	}
	return nil
}

// decimalPhysical takes the smallest form that holds the precision, as the
// Parquet format asks.
func decimalPhysical(precision int) Physical {
	switch {
	case precision <= maxDigits32:
		return Int32
	case precision <= maxDigits64:
		return Int64
	default:
		return Wide
	}
}
