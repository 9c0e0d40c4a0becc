package load_test

import (
	"cmp"
	"fmt"
	"slices"

	diff "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/firn-data/firn/internal/load"
	"github.com/firn-data/firn/internal/load/loadtest"
	"github.com/firn-data/firn/internal/object"
)

// acceptances are the calls of Accept in an execution of the property, for a dataset of
// mode snapshot in which each key is a delivery.
type acceptances struct {
	// tried has the deliveries of all calls. The result of a concurrent call is unknown:
	// the call may come before or after a load of another version.
	tried map[string]bool
	// accepted has the objects whose acceptance the ledger must keep.
	accepted map[object.ID]bool
}

func newAcceptances() *acceptances {
	return &acceptances{tried: make(map[string]bool), accepted: make(map[object.ID]bool)}
}

// acceptBetween accepts a delivery between two rounds. The ledger must then keep the
// acceptance of the loaded version.
func (s *propertyRun) acceptBetween() {
	if s.fixture.Contract == nil || rapid.IntRange(0, 2).Draw(s.r, "accept") != 0 {
		return
	}
	name := s.drawDeliveryName()
	_, err := s.accept(s.fake, name)
	row, found := s.rowsByDelivery()[name]
	if (err == nil) != found {
		s.r.Fatalf("accept %s: %v, in the ledger: %t", name, err, found)
	}
	if found {
		s.holds.accepted[row.ID] = true
	}
}

// startAccept accepts a delivery beside the loaders of a round. The index is the number
// of loaders.
func (s *propertyRun) startAccept(sched *scheduler, index int) {
	if s.fixture.Contract == nil || rapid.IntRange(0, 2).Draw(s.r, "accept beside loads") != 0 {
		return
	}
	name := s.drawDeliveryName()
	on := loadtest.Intercept(s.fake, sched.interceptor(index))
	sched.start(index, func() { _, _ = s.accept(on, name) }) // an error is possible: the delivery may be missing
}

func (s *propertyRun) drawDeliveryName() string {
	name := fmt.Sprint(rapid.IntRange(1, s.keys).Draw(s.r, "delivery"))
	s.holds.tried[name] = true
	return name
}

func (s *propertyRun) accept(on load.Warehouse, name string) (load.Accepted, error) {
	session, err := on.Open(s.t.Context(), s.fixture.Dataset, "accept")
	if err != nil {
		return load.Accepted{}, err
	}
	defer session.Close()
	return load.Accept(s.t.Context(), session, s.fixture.Contract, name, "ada@desk")
}

// rowsByDelivery returns the ledger rows of loaded objects by delivery.
func (s *propertyRun) rowsByDelivery() map[string]load.LedgerRow {
	rows := make(map[string]load.LedgerRow)
	for _, row := range s.fake.Contents(s.t, s.fixture.Dataset).Ledger {
		if !row.IsWithdrawn() {
			rows[s.fixture.Contract.DeliveryOf(row.Object.Key)] = row
		}
	}
	return rows
}

// checkHolds compares the held deliveries in the ledger with a model: the model reads
// only the names, the numbers of rows and the acceptances.
func (s *propertyRun) checkHolds() {
	if s.fixture.Contract == nil {
		return
	}
	rows := s.rowsByDelivery()
	var names []string
	for name, row := range rows {
		names = append(names, name)
		accepted := row.AcceptedBy != "" && !row.AcceptedAt.IsZero()
		if s.holds.accepted[row.ID] && !accepted || accepted && !s.holds.tried[name] {
			s.r.Fatalf("delivery %s: accepted %t by %q", name, accepted, row.AcceptedBy)
		}
		s.holds.accepted[row.ID] = accepted
	}
	slices.SortFunc(names, cmp.Compare[string])
	want, got := map[string]bool{}, map[string]bool{}
	before := int64(-1)
	for _, name := range names {
		row := rows[name]
		got[name] = row.Held
		want[name] = before >= 0 && row.AcceptedBy == "" && 2*row.RowsLoaded < before
		if !want[name] {
			before = row.RowsLoaded
		}
	}
	if d := diff.Diff(want, got); d != "" {
		s.r.Fatalf("held deliveries (-want +got):\n%s", d)
	}
}
