package journal

import "context"

// loadsKey is the key of the item that counts committed loads, in its attribute
// of the same name.
const loadsKey = "loads"

// CountLoad counts a committed load, for whoever builds on the tables and would
// have to wake a warehouse to see that there is nothing new. The count only
// grows; a request that the SDK repeats counts twice, so a count that moved says
// that there was a load, and not how many.
func (t *Table) CountLoad(ctx context.Context) error {
	_, err := t.write(ctx, loadsKey, newChange("").count(loadsKey).set("at", text(stamp(t.Now()))))
	return err
}
