package alert

import (
	"fmt"

	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/work"
)

// heldDelivery returns the held delivery of a dead letter, or nil for another code.
func heldDelivery(code, body string) *work.HeldDelivery {
	if fault.Code(code) != fault.DeliveryHeld {
		return nil
	}
	if h, ok := work.DecodeHeldDelivery(body); ok {
		return &h
	}
	return nil
}

// isHeld reports whether the group is about held deliveries. Such a group has no failed
// object.
func (g *group) isHeld() bool { return g.failures[0].held != nil }

func (g *group) heldHeadline() string {
	verb := "is"
	if g.size() > 1 {
		verb = "are"
	}
	return fmt.Sprintf("%d %s of %s %s held: %s", g.size(), g.noun(), plain(g.dataset), verb, g.code)
}

// heldCommands returns the command that accepts the delivery. For several deliveries
// each entry of the mail has its own command.
func (g *group) heldCommands() commands {
	if len(g.failures) > 1 {
		return commands{next: g.status()}
	}
	return commands{next: plain(g.failures[0].held.Command()), show: g.status()}
}

func (g *group) heldOutcome() outcome {
	return outcome{
		task: g.hint(),
		data: "Nothing is lost. The rows are in the raw table, but the view of the current rows doesn't show a held delivery. " +
			"The view keeps the newest accepted delivery.",
		ifIgnored: "firn sends no reminder. The delivery stays held, until you accept the delivery or put complete files. " +
			"A later delivery with enough rows is accepted without a command.",
	}
}

// writeHeld writes the entry of a held delivery. Several deliveries need the command in
// each entry.
func (f *failure) writeHeld(line func(name, value string), several bool) {
	line("rows", fmt.Sprintf("%d, and %d in the accepted delivery %s before it", f.held.Rows, f.held.RowsBefore, printable(f.held.Before)))
	if several {
		line("accept", plain(f.held.Command()))
	}
}
