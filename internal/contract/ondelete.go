package contract

import "slices"

// OnDelete is the action for an object whose key is deleted in the landing bucket.
type OnDelete string

const (
	// KeepOnDelete keeps the rows. `firn audit` reports such an object.
	KeepOnDelete OnDelete = "keep"
	// WithdrawOnDelete withdraws the rows of the key.
	WithdrawOnDelete OnDelete = "withdraw"
)

func (r *reader) readOnDelete(v value, d *draft) {
	d.contract.OnDelete = OnDelete(v.node.Value)
	if !slices.Contains([]OnDelete{KeepOnDelete, WithdrawOnDelete}, d.contract.OnDelete) {
		r.reportf(v, "must be keep or withdraw")
	}
}

// WithdrawsOnDelete reports whether a contract of the set has WithdrawOnDelete.
func (s Set) WithdrawsOnDelete() bool {
	return slices.ContainsFunc(s, func(c *Contract) bool { return c.OnDelete == WithdrawOnDelete })
}
