package work

import (
	"bytes"
	"encoding/json"
)

// Message returns the JSON of a message, see EscapeMessage.
func Message(v any) ([]byte, error) {
	body, err := json.Marshal(v)
	return EscapeMessage(body), err
}

// EscapeMessage returns the JSON of a message with escapes for U+FFFE and U+FFFF. A key
// of S3 may have these characters, and JSON too, but SQS refuses or replaces them (SQS
// API reference, SendMessage). JSON has escapes for all other characters that SQS
// refuses.
func EscapeMessage(body []byte) []byte {
	body = bytes.ReplaceAll(body, []byte("\uFFFE"), []byte(`\ufffe`))
	return bytes.ReplaceAll(body, []byte("\uFFFF"), []byte(`\uffff`))
}
