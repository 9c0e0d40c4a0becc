//go:build standin

package main_test

import (
	"testing"
)

var auditCases = []wayCase{}

// followAudit types the command of the first difference until the audit finds none.
func (p *path) followAudit(t *testing.T, dataset string) {
	t.Helper()
	const most = 5
	for range most {
		found := p.differences(t, dataset)
		if len(found) == 0 {
			return
		}
		p.typeCommand(t, found[0].Command, "")
		p.drain(t)
	}
	t.Errorf("after %d commands the audit finds %+v", most, p.differences(t, dataset))
}
