package work

import (
	"encoding/json"
	"fmt"

	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/help"
)

// HeldDelivery is a complete delivery of a snapshot dataset that is loaded but not
// current: it has far fewer rows than the accepted delivery before it. The JSON is the
// body of the dead letter with code delivery_held.
type HeldDelivery struct {
	// Dataset is "<source>.<entity>".
	Dataset string `json:"dataset"`
	// Name is the text at {delivery} in the keys of the delivery's files.
	Name string `json:"delivery"`
	Rows int64  `json:"rows"`
	// Before is the accepted delivery before this one, in the order of the names, and
	// RowsBefore its number of rows.
	Before     string `json:"before"`
	RowsBefore int64  `json:"rows_before"`
}

// Encode returns the JSON of the delivery.
func (h HeldDelivery) Encode() string {
	body, err := Message(h)
	if err != nil { // unreachable: texts and numbers
		panic(fmt.Sprintf("encode held delivery: %v", err))
	}
	return string(body)
}

// DecodeHeldDelivery reads the JSON of a delivery. It returns false for another text.
func DecodeHeldDelivery(body string) (HeldDelivery, bool) {
	var h HeldDelivery
	err := json.Unmarshal([]byte(body), &h)
	return h, err == nil && h.Dataset != "" && h.Name != ""
}

// Cause returns the reason for the hold.
func (h HeldDelivery) Cause() string {
	return fmt.Sprintf("delivery %s has %d rows, and the accepted delivery %s before it has %d rows", h.Name, h.Rows, h.Before, h.RowsBefore)
}

// Command returns the command that accepts the delivery.
func (h HeldDelivery) Command() string {
	return help.ForCode(fault.DeliveryHeld).Command(help.Subject{Dataset: h.Dataset, Delivery: h.Name}).String()
}
