package journal

import (
	"context"

	"github.com/firn-data/firn/internal/object"
)

// attributesOfDismissal are the attributes that Dismiss writes. A redrive, a reload, a
// load and a newer version remove the attributes.
var attributesOfDismissal = []string{"dismissed_by", "reason"}

// Dismiss gives up a failed object, or an object on its way: no work message continues
// the object. The fault stays in the entry. The result is false if the object is
// dismissed already, is in another final state, or isn't failed with OnlyCode. The
// returned entry shows the state.
func (t *Table) Dismiss(ctx context.Context, id object.ID, d Dismissal) (Entry, bool, error) {
	change := newChange(Dismissed).from(Received, Transforming, Transformed, Failed).
		set("dismissed_by", text(d.By)).
		set("reason", text(d.Reason)).
		clear("owner", "lease")
	if d.OnlyCode != "" {
		change.from(Failed).where("#code = :only_code", "code").bind(":only_code", text(string(d.OnlyCode)))
	}
	return t.apply(ctx, id, "", change)
}
