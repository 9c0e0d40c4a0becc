// Package row converts the text values of records to typed columns and checks the
// contract's rules. A value either has exactly the text form of its type or breaks a
// rule. The package never guesses, rounds or coerces values.
package row

// Kind is the kind of a value in a record.
type Kind uint8

// The kinds. CSV has only Null and Text.
const (
	// Null is a missing value.
	Null Kind = iota
	// Text is a CSV value, valid for every column type.
	Text
	// JSONString is the content of a JSON string, without quotes and escapes.
	JSONString
	// JSONNumber is a JSON number as written.
	JSONNumber
	// JSONBoolean is true or false.
	JSONBoolean
	// JSONStructure is a JSON object or array as written.
	JSONStructure
	// JSONRecord is the whole line.
	JSONRecord
)

// Value is a record's value for one column.
type Value struct {
	Kind Kind
	// Text is empty for Null. It is valid until the next record is read.
	Text []byte
}

// The rules for a whole record. The names of the other rules are "<column>:<rule>".
const (
	RuleColumns   = "_row:columns"
	RuleUTF8      = "_row:utf8"
	RuleJSON      = "_row:json"
	RuleObject    = "_row:object"
	RuleDepth     = "_row:depth"
	RuleDuplicate = "_row:duplicate"
)

// The rules of a column, without "<column>:". A value with a wrong type breaks the rule
// named like the type, for example "integer".
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
	// ruleNUL rejects a NUL character in text: many tools cut a text at a NUL.
	ruleNUL = "nul"
)
