package operator_test

import (
	"context"
	"errors"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/firn-data/firn/internal/contract"
	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/journal"
	"github.com/firn-data/firn/internal/load"
	"github.com/firn-data/firn/internal/object"
	"github.com/firn-data/firn/internal/operator"
	"github.com/firn-data/firn/internal/work"
)

// deliveriesJournal records the deliveries of one dataset.
type deliveriesJournal struct {
	operator.Journal

	seq     int64
	state   journal.Deliveries
	refuses error
}

func (j *deliveriesJournal) NewColumns(_ context.Context, dataset string) (work.NewColumns, error) {
	return work.NewColumns{Dataset: dataset}, nil
}

func (j *deliveriesJournal) SetDeliveries(_ context.Context, _ string, seq int64, d journal.Deliveries) error {
	if j.refuses == nil {
		j.seq, j.state = seq, d
	}
	return j.refuses
}

func (j *deliveriesJournal) Deliveries(context.Context, string) (journal.Deliveries, error) {
	return j.state, j.refuses
}

func (*deliveriesJournal) Waiting(context.Context, string, int) ([]journal.Entry, error) {
	return nil, nil
}

func (*deliveriesJournal) Failed(context.Context, string, fault.Code) ([]journal.Entry, error) {
	return nil, nil
}

func (*deliveriesJournal) Runs(context.Context, string) ([]journal.Run, error) {
	return nil, nil
}

// ledgerSession has the deliveries of a ledger. Accept marks a delivery.
type ledgerSession struct {
	load.Session

	deliveries []load.Delivery
	// busy is the number of tries at the lock without success.
	busy      int
	by        string
	committed bool
}

func (*ledgerSession) Begin(context.Context) error    { return nil }
func (*ledgerSession) Rollback(context.Context) error { return nil }

func (s *ledgerSession) TakeLock(context.Context) (int64, error) {
	if s.busy > 0 {
		s.busy--
		return 0, fault.Dependency("take lock", fault.LockBusy, errors.New("busy"))
	}
	return 1, nil
}

func (*ledgerSession) ReadLedger(context.Context, []load.Key, []string) (load.Lock, []load.LedgerRow, error) {
	return load.Lock{Seq: 7}, nil, nil
}

func (s *ledgerSession) Deliveries(context.Context, *contract.Contract) ([]load.Delivery, error) {
	return s.deliveries, nil
}

func (s *ledgerSession) Accept(_ context.Context, _ *contract.Contract, delivery, by string) (int64, error) {
	s.by = by
	for i := range s.deliveries {
		if s.deliveries[i].Name == delivery {
			s.deliveries[i].Accepted = s.deliveries[i].Files
		}
	}
	return 1, nil
}

func (*ledgerSession) Hold(context.Context, *contract.Contract, []string, bool) error { return nil }

func (s *ledgerSession) Commit(context.Context) error {
	s.committed = true
	return nil
}

func twoDeliveries() *ledgerSession {
	return &ledgerSession{deliveries: []load.Delivery{
		{Name: "2026-01-31", Files: 1, Rows: 100, Complete: true},
		{Name: "2026-02-28", Files: 1, Rows: 10, Complete: true, Held: 1},
	}}
}

func newAcceptor(t *testing.T, share float64) (*operator.Operator, *deliveriesJournal) {
	t.Helper()
	contracts, err := contract.ReadAll(os.DirFS("../../testdata/project/datasets"))
	if err != nil {
		t.Fatal(err)
	}
	contracts.ByDataset("shop.customer").HoldBelow = share
	j := &deliveriesJournal{}
	return &operator.Operator{Contracts: contracts, Journal: j}, j
}

func TestAcceptRecordsDeliveries(t *testing.T) {
	t.Parallel()
	o, j := newAcceptor(t, 0.5)
	session := twoDeliveries()
	accepted, err := o.Accept(t.Context(), session, "shop.customer", "2026-02-28", "arn:aws:iam::1:user/ada")
	if err != nil || !accepted.WasHeld || accepted.Deliveries.Current != "2026-02-28" || session.by != "arn:aws:iam::1:user/ada" || !session.committed {
		t.Errorf("accepted %+v by %q, committed %t: %v", accepted, session.by, session.committed, err)
	}
	if diff := cmp.Diff(journal.Deliveries{Current: "2026-02-28"}, j.state); diff != "" || j.seq != 7 {
		t.Errorf("lock %d in the journal, want 7; state (-want +got):\n%s", j.seq, diff)
	}
	busy := twoDeliveries()
	busy.busy = 3
	if accepted, err := o.Accept(t.Context(), busy, "shop.customer", "2026-02-28", "ada@desk"); err != nil || !accepted.WasHeld {
		t.Errorf("during another acceptance: %+v, %v", accepted, err)
	}
	busy.busy = 1000
	if _, err := o.Accept(t.Context(), busy, "shop.customer", "2026-02-28", "ada@desk"); !fault.Is(err, fault.LockBusy) {
		t.Errorf("a lock without an end: %v", err)
	}
	j.refuses = errors.New("no answer")
	const want = "the delivery is accepted, but `firn status` may still list it as held: no answer (run the command again)"
	if _, err := o.Accept(t.Context(), twoDeliveries(), "shop.customer", "2026-02-28", "arn:aws:iam::1:user/ada"); message(err) != want {
		t.Errorf("journal without an answer: %v", err)
	}
}

func TestAcceptNeedsSnapshot(t *testing.T) {
	t.Parallel()
	o, _ := newAcceptor(t, 0.5)
	for dataset, want := range map[string]string{
		"shop.order":  "shop.order has the mode merge: only snapshots have deliveries",
		"shop.basket": `no contract for dataset "shop.basket": name one of ` + all,
		"":            `no contract for dataset "": name one of ` + all,
	} {
		if _, err := o.Accept(t.Context(), twoDeliveries(), dataset, "1", "ada"); message(err) != want {
			t.Errorf("%q: %v, want %q", dataset, err, want)
		}
	}
}

// TestStatusShowsDeliveries: the summary lists held deliveries, and an object's status
// says whether the view shows the object's delivery.
func TestStatusShowsDeliveries(t *testing.T) {
	t.Parallel()
	o, j := newAcceptor(t, 0.5)
	held := work.HeldDelivery{Dataset: "shop.customer", Name: "2026-03-31", Rows: 9, Before: "2026-02-28", RowsBefore: 100}
	j.state = journal.Deliveries{Current: "2026-02-28", Held: []work.HeldDelivery{held}}
	summaries, err := o.Summaries(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range summaries {
		if want := s.Dataset == "shop.customer"; (len(s.Held) == 1 && s.Held[0] == held) != want {
			t.Errorf("%s: held %+v", s.Dataset, s.Held)
		}
	}
	for key, want := range map[string]string{
		"shop/customer/2026-01-31.csv": "2026-01-31, older than the current delivery 2026-02-28",
		"shop/customer/2026-02-28.csv": "2026-02-28, current",
		"shop/customer/2026-03-31.csv": "2026-03-31, held: delivery 2026-03-31 has 9 rows, and the accepted delivery 2026-02-28 before it has 100 rows",
		"shop/customer/2026-04-30.csv": "2026-04-30, not complete",
		"shop/customer/test.csv":       "",
	} {
		entry := journal.Entry{Dataset: "shop.customer", State: journal.Loaded, Object: object.Object{Key: key}}
		if got, err := o.DeliveryOf(t.Context(), entry); got != want || err != nil {
			t.Errorf("%s: %q, %v; want %q", key, got, err, want)
		}
		entry.State = journal.Transformed
		if got, err := o.DeliveryOf(t.Context(), entry); got != "" || err != nil {
			t.Errorf("%s before its load: %q, %v", key, got, err)
		}
	}
}
