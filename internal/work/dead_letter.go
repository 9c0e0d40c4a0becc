package work

import (
	"strings"

	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/object"
)

// DeadLetter is the fault of a dead letter. The letter's body is the message to the
// stage. The fault is in the message attributes: at most ten, the limit of SQS.
type DeadLetter struct {
	// Stage is the stage with the fault.
	Stage string
	// Code, Cause and Hint are the fault's. Code is never empty.
	Code        fault.Code
	Cause, Hint string
	// ObjectID, Dataset and Subject name the object; empty if the message is
	// about no object. Subject is the object's URI.
	ObjectID object.ID
	Dataset  string
	Subject  string
	// QueryID is the id of the failed Snowflake query; empty for none.
	QueryID string
	// RunID is the id of the failed ingestion run; empty for none.
	RunID string
	// Queue is the name of the queue that the stage received the message from.
	Queue string
}

// attributeCode is an attribute of every dead letter from a stage. A message that SQS
// moved to the dead-letter queue doesn't have the attribute.
const attributeCode = "code"

// attribute is one message attribute and its field.
type attribute struct {
	name string
	get  func(DeadLetter) string
	set  func(*DeadLetter, string)
}

var attributes = []attribute{
	{"stage", func(l DeadLetter) string { return l.Stage }, func(l *DeadLetter, v string) { l.Stage = v }},
	{attributeCode, func(l DeadLetter) string { return string(l.Code) }, func(l *DeadLetter, v string) { l.Code = fault.Code(v) }},
	{"cause", func(l DeadLetter) string { return l.Cause }, func(l *DeadLetter, v string) { l.Cause = v }},
	{"hint", func(l DeadLetter) string { return l.Hint }, func(l *DeadLetter, v string) { l.Hint = v }},
	{"object_id", func(l DeadLetter) string { return string(l.ObjectID) }, func(l *DeadLetter, v string) { l.ObjectID = object.ID(v) }},
	{"dataset", func(l DeadLetter) string { return l.Dataset }, func(l *DeadLetter, v string) { l.Dataset = v }},
	{"subject", func(l DeadLetter) string { return l.Subject }, func(l *DeadLetter, v string) { l.Subject = v }},
	{"query_id", func(l DeadLetter) string { return l.QueryID }, func(l *DeadLetter, v string) { l.QueryID = v }},
	{"run_id", func(l DeadLetter) string { return l.RunID }, func(l *DeadLetter, v string) { l.RunID = v }},
	{"queue", func(l DeadLetter) string { return l.Queue }, func(l *DeadLetter, v string) { l.Queue = v }},
}

// Encode returns the message attributes, all of type String. Values are cut to
// 8 KiB. Empty values have no attribute, because SQS refuses an empty value.
func (l DeadLetter) Encode() map[string]string {
	encoded := make(map[string]string, len(attributes))
	for _, a := range attributes {
		if value := legible(a.get(l)); value != "" {
			encoded[a.name] = value
		}
	}
	return encoded
}

// DecodeDeadLetter reads the message attributes of a dead letter. It returns false for
// a message without a code: SQS moved such a message to the dead-letter queue after too
// many receives.
func DecodeDeadLetter(encoded map[string]string) (DeadLetter, bool) {
	var l DeadLetter
	for _, a := range attributes {
		a.set(&l, encoded[a.name])
	}
	return l, l.Code != ""
}

// longestAttribute keeps a dead letter's attributes far below SQS's limit of
// 1 MiB a message, body and attributes together.
const longestAttribute = 8 << 10

// legible cuts a value to the longest size and drops the characters that SQS
// refuses. SQS accepts the characters of XML 1.0 (SQS API reference, SendMessage).
func legible(value string) string {
	value = strings.Map(func(r rune) rune {
		if r == '\t' || r == '\n' || r == '\r' || r >= 0x20 && r != 0xFFFE && r != 0xFFFF {
			return r
		}
		return -1
	}, value)
	if len(value) > longestAttribute {
		value = value[:longestAttribute]
	}
	return strings.ToValidUTF8(value, "")
}
