package journal

import (
	"context"
	"crypto/rand"

	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/object"
)

// attributeUnsent is the attribute of an entry whose message isn't sent yet. The value
// is the mark of the command.
const attributeUnsent = "unsent"

// markUnsent marks the entry's message as unsent, with the code of the failure before
// the change; empty for none.
func (c *change) markUnsent(code string) *change {
	c.unsentCode = code
	return c.set(attributeUnsent, text(rand.Text()))
}

// marksUnsent reports whether the change marks the entry's message as unsent.
func (c *change) marksUnsent() bool { return c.mark() != "" }

// mark is the mark of the entry's unsent message; empty for none.
func (c *change) mark() string { return valueOf(c.values[":"+attributeUnsent]) }

// Unsent returns the dataset's objects whose message was never sent: an operator's
// command stopped between the journal and the queue. With a code, only objects that
// failed with the code before the command. An empty dataset means the keys without a
// contract.
func (t *Table) Unsent(ctx context.Context, dataset string, code fault.Code) ([]Entry, error) {
	return t.byCode(ctx, "unsent#", dataset, code)
}

// Sent removes the mark of an unsent message after the send. Sent changes nothing after
// another change of the state. An empty mark means no unsent message.
func (t *Table) Sent(ctx context.Context, id object.ID, mark string) error {
	if mark == "" {
		return nil
	}
	entry, err := t.Get(ctx, id)
	if err != nil || !entry.Unsent {
		return err
	}
	change := newChange("").from(entry.State).
		where("#"+attributeUnsent+" = :mark", attributeUnsent).
		bind(":mark", text(mark)).
		clear(attributeUnsent)
	if entry.State == Transformed {
		change.set("work_pk", text("waiting#"+entry.Dataset)).set("work_sk", text(stamp(entry.Times[Transformed])+"#"+string(id)))
	} else {
		change.clear("work_pk", "work_sk")
	}
	_, _, err = t.apply(ctx, id, "", change)
	return err
}
