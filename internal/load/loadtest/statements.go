package loadtest

import (
	"context"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"time"

	"github.com/firn-data/firn/internal/contract"
	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/load"
	"github.com/firn-data/firn/internal/object"
)

// maximumFiles is Snowflake's limit of names in FILES.
const maximumFiles = 1000

// TakeLock implements load.Session.
func (s *session) TakeLock(ctx context.Context) (rows int64, err error) {
	err = s.statement("take lock", func(d *dataset) error {
		rows = int64(d.lockRows)
		return nil
	})
	if err != nil || rows == 0 {
		return rows, err
	}
	if err := s.lockLedger(ctx, "take lock"); err != nil {
		return 0, err
	}
	return rows, s.statement("take lock", func(*dataset) error {
		s.takenAt = s.fake.now()
		return nil
	})
}

// Merger is a session with MERGE into the ledger. firn's loader never uses MERGE.
type Merger interface {
	load.Session
	// Merge inserts the ledger row if the ledger has no row of the same object. The
	// result is the number of inserted rows. Like an UPDATE, MERGE locks the table.
	Merge(ctx context.Context, row load.LedgerRow) (int64, error)
}

var _ Merger = (*session)(nil)

// Merge implements Merger.
func (s *session) Merge(ctx context.Context, row load.LedgerRow) (inserted int64, err error) {
	if err := s.lockLedger(ctx, "merge"); err != nil {
		return 0, err
	}
	return inserted, s.statement("merge", func(*dataset) error {
		for _, r := range overlay(s.ledgerBeforeLock, s.removedLedger, s.addedLedger) {
			if r.ID == row.ID {
				return nil
			}
		}
		row.LoadedAt = s.fake.now()
		s.addedLedger[s.fake.next()] = row
		inserted = 1
		return nil
	})
}

// lockLedger waits until the transaction has the lock of the ledger. ledgerBeforeLock
// is then the ledger as seen by this statement.
func (s *session) lockLedger(ctx context.Context, op string) error {
	var lock chan struct{}
	read := func(d *dataset) error {
		s.ledgerBeforeLock, lock = maps.Clone(d.ledger), d.lock
		return nil
	}
	if err := s.statement(op, read); err != nil {
		return err
	}
	if s.holdsLock {
		return nil
	}
	if err := s.waitForLock(ctx, op, lock); err != nil || !s.fake.Rereads {
		return err
	}
	return s.statement(op, read)
}

func (s *session) waitForLock(ctx context.Context, op string, lock chan struct{}) error {
	if s.tryLock(lock) {
		return nil
	}
	s.fake.waiting <- struct{}{}
	timeout := s.fake.LockTimeout
	if timeout == 0 {
		timeout = 10 * time.Second
	}
	timer := time.NewTimer(timeout)
	defer timer.Stop()
	select {
	case <-lock:
		return s.granted(op, lock)
	case <-timer.C:
	case <-ctx.Done():
	}
	return s.statement(op, func(d *dataset) error {
		d.queued = max(0, d.queued-1)
		return fault.Dependency(op, fault.LockBusy, fmt.Errorf("another transaction holds the table"))
	})
}

// granted records that the session has the lock after the wait. If the session was
// closed during the wait, granted releases the lock.
func (s *session) granted(op string, lock chan struct{}) error {
	s.fake.mutex.Lock()
	defer s.fake.mutex.Unlock()
	if s.closed {
		d := s.fake.datasets[s.name]
		d.queued = max(0, d.queued-1)
		lock <- struct{}{}
		return fault.Dependency(op, fault.SnowflakeAway, fmt.Errorf("the session is closed"))
	}
	s.holdsLock = true
	return nil
}

// tryLock takes the lock if the lock is free. If not, the session joins the queue.
func (s *session) tryLock(lock chan struct{}) bool {
	s.fake.mutex.Lock()
	defer s.fake.mutex.Unlock()
	select {
	case <-lock:
		s.holdsLock = true
	default:
		s.fake.datasets[s.name].queued++
	}
	return s.holdsLock
}

// ledger returns the ledger as seen by a statement that starts now.
func (s *session) ledger(d *dataset) map[int64]load.LedgerRow {
	return overlay(d.ledger, s.removedLedger, s.addedLedger)
}

func (s *session) rows(d *dataset, t load.Table) map[int64]row {
	return overlay(d.rows[t], s.removedRows[t], s.addedRows[t])
}

func overlay[V any](committed map[int64]V, removed map[int64]bool, added map[int64]V) map[int64]V {
	seen := make(map[int64]V)
	for id, v := range committed {
		if !removed[id] {
			seen[id] = v
		}
	}
	for id, v := range added {
		if !removed[id] {
			seen[id] = v
		}
	}
	return seen
}

// ReadLedger implements load.Session.
func (s *session) ReadLedger(_ context.Context, keys []load.Key, contents []string) (lock load.Lock, rows []load.LedgerRow, err error) {
	err = s.statement("read ledger", func(d *dataset) error {
		seen := s.ledger(d)
		if s.fake.ReadBeforeLock {
			seen = s.ledgerBeforeLock
		}
		for _, r := range seen {
			if slices.Contains(keys, load.KeyOf(r.Object)) || r.RowsRead > 0 && slices.Contains(contents, r.ContentHash) {
				rows = append(rows, r)
			}
		}
		lock = load.Lock{Paused: d.paused, Contract: d.contract, TakenAt: s.takenAt, Seq: d.seq + 1}
		return nil
	})
	return lock, rows, err
}

// End implements load.Session.
func (s *session) End(_ context.Context, rows []load.EndedRow) error {
	return s.statement("record ended rows", func(*dataset) error {
		for _, r := range rows {
			s.addedEnded = append(s.addedEnded, ended{EndedRow: r, in: s.loadID})
		}
		return nil
	})
}

// WithdrawnIn implements load.Session.
func (s *session) WithdrawnIn(_ context.Context, loadID string, key load.Key) (objects []object.ID, err error) {
	err = s.statement("read ended rows", func(d *dataset) error {
		for _, e := range d.ended {
			if e.in == loadID && e.Reason == load.Withdrawn && load.KeyOf(e.Row.Object) == key {
				objects = append(objects, e.Row.ID)
			}
		}
		return nil
	})
	return objects, err
}

// Forget implements load.Session.
func (s *session) Forget(_ context.Context, objects []object.ID) error {
	return s.statement("forget", func(d *dataset) error {
		for id, r := range s.ledger(d) {
			if slices.Contains(objects, r.ID) {
				s.removedLedger[id] = true
			}
		}
		return nil
	})
}

// Delete implements load.Session.
func (s *session) Delete(_ context.Context, from load.Table, objects []object.ID, within load.Window) (deleted int64, err error) {
	err = s.statement("delete", func(d *dataset) error {
		for id, r := range s.rows(d, from) {
			inside := within == (load.Window{}) || !r.at.Before(within.From) && !r.at.After(within.To)
			if inside && slices.Contains(objects, r.object) {
				s.removedRows[from][id] = true
				deleted++
			}
		}
		return nil
	})
	return deleted, err
}

// Copy implements load.Session.
func (s *session) Copy(_ context.Context, into load.Table, files []string, force bool) (copied load.Copied, err error) {
	copied.Loaded = make(map[string]int64)
	err = s.statement("copy", func(d *dataset) error {
		copied.QueryID = fmt.Sprintf("query-%d", s.fake.next())
		if len(files) == 0 || len(files) > maximumFiles {
			return fault.Permanentf("copy", fault.CopyRefused, "FILES has %d names", len(files))
		}
		at := s.fake.now().Add(s.fake.ScanClock)
		for _, name := range files {
			if !force && !s.fake.HistoryOff && (d.history[into][name] || s.addedHistory[into][name]) {
				continue
			}
			file, found := s.fake.files[name]
			if err := refuse(name, file, found); err != nil {
				return err
			}
			for range file.Rows {
				s.addedRows[into][s.fake.next()] = row{object: file.Object, at: at}
			}
			s.addedHistory[into][name] = true
			copied.Loaded[name] = file.Rows
		}
		return nil
	})
	return copied, err
}

func refuse(name string, file File, found bool) error {
	switch {
	case !found:
		return fault.Permanentf("copy", fault.ReceiptMissing, "Remote file 's3://curated/%s' was not found", name)
	case file.Broken && file.Anonymous:
		return fault.Permanentf("copy", fault.CopyRefused, "a file is damaged")
	case file.Broken:
		return fault.Permanentf("copy", fault.CopyRefused, "File '%s' is damaged", name)
	}
	return nil
}

// Count implements load.Session.
func (s *session) Count(_ context.Context, of load.Table, objects []object.ID) (map[object.ID]int64, error) {
	counts := make(map[object.ID]int64)
	err := s.statement("count", func(d *dataset) error {
		for _, r := range s.rows(d, of) {
			if slices.Contains(objects, r.object) {
				counts[r.object]++
			}
		}
		return nil
	})
	return counts, err
}

// Record implements load.Session.
func (s *session) Record(_ context.Context, rows []load.LedgerRow) error {
	return s.statement("record", func(*dataset) error {
		at := s.fake.now()
		for _, r := range rows {
			r.LoadedAt = at
			s.addedLedger[s.fake.next()] = r
		}
		return nil
	})
}

// CountLedger implements load.Session.
func (s *session) CountLedger(_ context.Context, keys []load.Key) (count load.LedgerCount, err error) {
	err = s.statement("check ledger", func(d *dataset) error {
		objects, names := make(map[object.ID]bool), make(map[load.Key]bool)
		for _, r := range s.ledger(d) {
			if key := load.KeyOf(r.Object); slices.Contains(keys, key) {
				count.Rows++
				objects[r.ID], names[key] = true, true
			}
		}
		count.Objects, count.Keys = int64(len(objects)), int64(len(names))
		return nil
	})
	return count, err
}

// Deliveries implements load.Session.
func (s *session) Deliveries(_ context.Context, c *contract.Contract) (all []load.Delivery, err error) {
	err = s.statement("read deliveries", func(d *dataset) error {
		files := make(map[string][]load.LedgerRow)
		for _, r := range s.ledger(d) {
			if name := c.DeliveryOf(r.Object.Key); name != "" && !r.IsWithdrawn() {
				files[name] = append(files[name], r)
			}
		}
		for name, rows := range files {
			delivery := load.Delivery{Name: name, Files: int64(len(rows)), Complete: isComplete(c, rows)}
			for _, r := range rows {
				delivery.Rows += r.RowsLoaded
				if r.Held {
					delivery.Held++
				}
				if !r.AcceptedAt.IsZero() {
					delivery.Accepted++
				}
			}
			all = append(all, delivery)
		}
		return nil
	})
	return all, err
}

// isComplete reports whether the ledger rows are a complete delivery.
func isComplete(c *contract.Contract, rows []load.LedgerRow) bool {
	if c.Delivery.Group(contract.DeliveryParts) == 0 {
		return c.Delivery.Files == 0 || len(rows) == c.Delivery.Files
	}
	pattern := regexp.MustCompile("(?s)" + c.DeliveryPattern())
	parts, totals := make(map[string]bool), make(map[string]bool)
	least := 1
	for _, r := range rows {
		groups := pattern.FindStringSubmatch(r.Object.Key)
		part, _ := strconv.Atoi(groups[c.Delivery.Group(contract.DeliveryPart)]) // the pattern allows only digits
		total, _ := strconv.Atoi(groups[c.Delivery.Group(contract.DeliveryParts)])
		parts[strconv.Itoa(part)], totals[strconv.Itoa(total)] = true, true
		least = min(least, part)
	}
	for i := range rows {
		if !parts[strconv.Itoa(least+i)] {
			return false
		}
	}
	return len(totals) == 1 && totals[strconv.Itoa(len(rows))]
}

// Hold implements load.Session.
func (s *session) Hold(_ context.Context, c *contract.Contract, deliveries []string, held bool) error {
	return s.statement("hold deliveries", func(d *dataset) error {
		s.update(d, func(r *load.LedgerRow) bool {
			r.Held = held
			return slices.Contains(deliveries, c.DeliveryOf(r.Object.Key))
		})
		return nil
	})
}

// Accept implements load.Session.
func (s *session) Accept(_ context.Context, c *contract.Contract, delivery, by string) (files int64, err error) {
	err = s.statement("accept delivery", func(d *dataset) error {
		at := s.fake.now()
		files = s.update(d, func(r *load.LedgerRow) bool {
			r.AcceptedAt, r.AcceptedBy = at, by
			return c.DeliveryOf(r.Object.Key) == delivery
		})
		return nil
	})
	return files, err
}

// update changes the ledger rows for which change returns true.
func (s *session) update(d *dataset, change func(*load.LedgerRow) bool) (updated int64) {
	for at, r := range s.ledger(d) {
		if change(&r) {
			s.addedLedger[at] = r // hides the committed row
			updated++
		}
	}
	return updated
}

// LoadedBy implements load.Session. LoadedBy works without an open transaction.
func (s *session) LoadedBy(_ context.Context, loadID string) ([]object.ID, error) {
	s.fake.mutex.Lock()
	defer s.fake.mutex.Unlock()
	var objects []object.ID
	if d := s.fake.datasets[s.name]; d != nil && !s.closed {
		for _, r := range d.ledger {
			if r.LoadID == loadID {
				objects = append(objects, r.ID)
			}
		}
	}
	return objects, nil
}
