// Package row turns the values of a record into typed columns, held to the
// contract's rules. Strings go in; a value either is exactly what its type's
// text form says or breaks a rule: nothing is guessed, rounded or coerced.
package row

// Kind is what a record says a value is.
type Kind uint8

// The kinds. CSV knows Null and Text only.
const (
	// Null is a value that isn't there.
	Null Kind = iota
	// Text is a CSV value: any column type may be read from it.
	Text
	// JSONString is a JSON string's content, without quotes and escapes.
	JSONString
	// JSONNumber is a JSON number as written.
	JSONNumber
	// JSONBoolean is true or false.
	JSONBoolean
	// JSONStructure is an object or an array as written.
	JSONStructure
	// JSONRecord is the whole line.
	JSONRecord
)

// Value is what a record has for one column.
type Value struct {
	Kind Kind
	// Text is empty for Null. It is valid until the next record.
	Text []byte
}

// The rules that a whole record can break; the others are "<column>:<rule>".
const (
	RuleColumns   = "_row:columns"
	RuleUTF8      = "_row:utf8"
	RuleJSON      = "_row:json"
	RuleObject    = "_row:object"
	RuleDepth     = "_row:depth"
	RuleDuplicate = "_row:duplicate"
)

// The rules of a column, as the part after the colon. A value that isn't of
// the column's type breaks the rule that is named like the type.
const (
	ruleRequired         = "required"
	ruleUnique           = "unique"
	ruleFormat           = "format"
	rulePattern          = "pattern"
	ruleEnum             = "enum"
	ruleMinLength        = "minLength"
	ruleMaxLength        = "maxLength"
	ruleMinimum          = "minimum"
	ruleMaximum          = "maximum"
	ruleExclusiveMinimum = "exclusiveMinimum"
	ruleExclusiveMaximum = "exclusiveMaximum"
	// ruleNUL is broken by a NUL character in text: tools downstream end there.
	ruleNUL = "nul"
)
