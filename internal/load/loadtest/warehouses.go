package loadtest

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/load"
)

// LostCommit is a warehouse that loses the answer to COMMIT.
type LostCommit struct {
	load.Warehouse
	// Applied runs the COMMIT nevertheless.
	Applied bool
	// CheckFails also makes the later question to the ledger fail.
	CheckFails bool

	mutex sync.Mutex
	lost  bool
}

// Open implements load.Warehouse.
func (l *LostCommit) Open(ctx context.Context, dataset, loadID string) (load.Session, error) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	if l.lost && l.CheckFails {
		return nil, fault.Dependency("log in to Snowflake", fault.SnowflakeAway, errors.New("no answer"))
	}
	inner, err := l.Warehouse.Open(ctx, dataset, loadID)
	if err != nil {
		return nil, err
	}
	return &lostCommitSession{Session: inner, owner: l}, nil
}

type lostCommitSession struct {
	load.Session
	owner *LostCommit
}

func (s *lostCommitSession) Commit(ctx context.Context) error {
	if s.owner.Applied {
		if err := s.Session.Commit(ctx); err != nil {
			return err
		}
	}
	s.owner.mutex.Lock()
	defer s.owner.mutex.Unlock()
	s.owner.lost = true
	return fault.Dependency("commit", fault.SnowflakeAway, errors.New("the connection broke"))
}

// MeetingWarehouse delays each COMMIT until the expected number of transactions has
// reached COMMIT, or until the timeout.
type MeetingWarehouse struct {
	load.Warehouse
	Expected int
	Timeout  time.Duration

	mutex   sync.Mutex
	arrived int
	all     chan struct{}
}

// Open implements load.Warehouse.
func (m *MeetingWarehouse) Open(ctx context.Context, dataset, loadID string) (load.Session, error) {
	inner, err := m.Warehouse.Open(ctx, dataset, loadID)
	if err != nil {
		return nil, err
	}
	return &meetingSession{Session: inner, meeting: m}, nil
}

type meetingSession struct {
	load.Session
	meeting *MeetingWarehouse
}

func (s *meetingSession) Commit(ctx context.Context) error {
	s.meeting.wait()
	return s.Session.Commit(ctx)
}

func (m *MeetingWarehouse) wait() {
	m.mutex.Lock()
	if m.all == nil {
		m.all = make(chan struct{})
	}
	m.arrived++
	if m.arrived == m.Expected {
		close(m.all)
	}
	all := m.all
	m.mutex.Unlock()
	timer := time.NewTimer(m.Timeout)
	defer timer.Stop()
	select {
	case <-all:
	case <-timer.C:
	}
}
