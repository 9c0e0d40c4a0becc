package event

import (
	"slices"
	"strings"

	"github.com/firn-data/firn/internal/object"
)

// Attempt returns the attempt whose receipt was created, or false for another key. See
// object.Attempt for the layout.
func (n Notice) Attempt() (object.Attempt, bool) {
	parts := strings.Split(n.Object.Key, "/")
	if len(parts) != 5 || slices.Contains(parts, "") {
		return object.Attempt{}, false
	}
	a := object.Attempt{Dataset: parts[0] + "." + parts[1], Object: object.ID(parts[2]), Name: parts[3]}
	return a, isID(a.Object) && a.Receipt() == n.Object.Key
}

func isID(id object.ID) bool {
	if len(id) != len(object.Object{}.ID()) {
		return false
	}
	return strings.Trim(string(id), "0123456789abcdef") == ""
}
