package row

import (
	"fmt"

	"github.com/firn-data/firn/internal/contract"
)

// ruleNames are the names of a column's rules, built once so that a broken rule
// allocates no memory.
type ruleNames struct {
	kind, required, unique, format, pattern, enum, minLength, maxLength, nul string
}

// newChecker compiles the rules of a column. It fails for an unknown type, an invalid
// pattern, or a minimum or maximum on a type without numbers.
func newChecker(c contract.Column) (*checker, error) {
	k := &checker{contract: c, physical: PhysicalOf(c), rules: namesOf(c)}
	if err := k.compileType(); err != nil {
		return nil, err
	}
	if c.Type == contract.Integer {
		c.Scale = 0
	}
	var err error
	if k.bounds, err = compileBounds(c); err != nil {
		return nil, err
	}
	if c.Pattern != "" {
		if k.match, err = compilePattern(c.Pattern); err != nil {
			return nil, fmt.Errorf("column %s: pattern: %w", c.Name, err)
		}
	}
	if formatPattern := c.FormatPattern(); formatPattern != "" {
		if k.format, err = compilePattern(formatPattern); err != nil {
			return nil, fmt.Errorf("column %s: format %s: %w", c.Name, c.Format, err)
		}
	}
	k.checkText = k.format != nil || c.Pattern != "" || len(c.Enum) > 0 || c.MinLength != nil || c.MaxLength != nil
	if c.Unique {
		k.seen = newSeen()
	}
	return k, nil
}

func namesOf(c contract.Column) ruleNames {
	name := func(rule string) string { return c.Name + ":" + rule }
	return ruleNames{
		kind: name(string(c.Type)), required: name(ruleRequired), unique: name(ruleUnique),
		format: name(ruleFormat), pattern: name(rulePattern), enum: name(ruleEnum),
		minLength: name(ruleMinLength), maxLength: name(ruleMaxLength), nul: name(ruleNUL),
	}
}

// compileType sets the accepted value kinds. Every type accepts CSV text. From JSON, a
// type accepts only its own kind: the string "5" is no integer.
func (k *checker) compileType() error {
	kinds := []Kind{Text}
	switch k.contract.Type {
	case contract.String:
		kinds = append(kinds, JSONString, JSONRecord)
	case contract.JSON:
		kinds = append(kinds, JSONStructure, JSONRecord)
	case contract.Integer, contract.Double:
		kinds = append(kinds, JSONNumber)
	case contract.Decimal:
		kinds = append(kinds, JSONNumber)
		k.form = decimalForm{whole: k.contract.Precision - k.contract.Scale, scale: k.contract.Scale}
	case contract.Boolean:
		kinds = append(kinds, JSONBoolean)
	case contract.Date, contract.Timestamp, contract.Time:
		kinds = append(kinds, JSONString)
	default:
		return fmt.Errorf("column %s: type %q is unknown", k.contract.Name, k.contract.Type)
	}
	for _, kind := range kinds {
		k.accepts |= 1 << kind
	}
	return nil
}
