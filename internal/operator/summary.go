package operator

import (
	"context"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/firn-data/firn/internal/contract"
	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/help"
	"github.com/firn-data/firn/internal/journal"
	"github.com/firn-data/firn/internal/object"
	"github.com/firn-data/firn/internal/work"
)

const (
	// maxCounted is the largest number of objects in a count of a summary. A larger number
	// counts as "1,000 or more".
	maxCounted = 1000
	// maxNewest is the number of failed objects of each code in a summary.
	maxNewest = 5
	// maxOldest is the number of objects with the longest wait for a load that a summary
	// of a dataset examines.
	maxOldest = 100
	// maxOldestOfShard is the number of objects on their way to a transform that a status
	// reads of each shard of the journal: 4,000 objects of a state.
	maxOldestOfShard = 250
	// maxParallelSummaries is the number of datasets whose summaries are read at the same
	// time.
	maxParallelSummaries = 8
)

// Summary describes the present of a dataset. The counts come from indexes and stop at a
// limit, so the cost of a summary doesn't grow with the journal.
type Summary struct {
	Dataset string `json:"dataset"`
	// Waiting is the number of objects that wait for a load. WaitingMore means that there
	// can be more objects.
	Waiting     int  `json:"waiting"`
	WaitingMore bool `json:"waiting_more,omitempty"`
	// ToTransform is the number of objects that wait for a transform, or that a transform
	// works on. ToTransformMore means that there can be more objects.
	ToTransform     int  `json:"waiting_to_transform"`
	ToTransformMore bool `json:"waiting_to_transform_more,omitempty"`
	// Failed has the newest failed objects, at most five of each code. FailedByCode has the
	// numbers of all failed objects.
	Failed       []journal.Entry `json:"failed"`
	FailedByCode []FailedCode    `json:"failed_by_code,omitempty"`
	// LastLoad is the newest load; nil without a record.
	LastLoad *LastLoad `json:"last_load,omitempty"`
	// OldestWait is the longest wait of the examined objects; nil without a waiting object.
	OldestWait *Wait `json:"oldest_wait,omitempty"`
	// WaitsTooLong is the number of examined objects that wait for so long that a mail
	// reports the wait.
	WaitsTooLong int `json:"waits_too_long,omitempty"`
	// Paused means that the last try of a load found the dataset paused. A pause without
	// a waiting object isn't known: only Snowflake has the pause.
	Paused bool `json:"paused,omitempty"`
	// Held has the held deliveries of a snapshot dataset.
	Held []work.HeldDelivery `json:"held,omitempty"`
	// NewColumns are the reported columns of files that the contract doesn't have.
	// MoreNewColumns is the number of new columns that firn has no name of.
	NewColumns     []work.NewColumn `json:"new_columns,omitempty"`
	MoreNewColumns int              `json:"more_new_columns,omitempty"`
	// Runs has the ingestion runs that aren't finished.
	Runs []journal.Run `json:"runs,omitempty"`
}

// FailedCode has the number of failed objects of a dataset with one code.
type FailedCode struct {
	Code    fault.Code `json:"code"`
	Objects int        `json:"objects"`
	// More means that there can be more objects.
	More bool `json:"more,omitempty"`
	// Command is the usual command for these objects; empty for none.
	Command string `json:"command,omitempty"`
}

// LastLoad is the newest loaded object of a dataset.
type LastLoad struct {
	Key      string    `json:"key"`
	ID       object.ID `json:"id"`
	LoadedAt time.Time `json:"loaded_at"`
	// RowsRead and RowsRejected are numbers of records.
	RowsRead     int64 `json:"rows_read"`
	RowsRejected int64 `json:"rows_rejected"`
}

// Wait describes an object on its way.
type Wait struct {
	Object string        `json:"object"`
	ID     object.ID     `json:"id"`
	State  journal.State `json:"state"`
	// Since is the time of the last progress.
	Since time.Time `json:"progressed_at"`
	// Code and Cause are the cause of the wait; both are empty for an object on its usual
	// way. Only a failed try has a Cause.
	Code  fault.Code `json:"code,omitempty"`
	Cause string     `json:"cause,omitempty"`
	// Tries is the number of failed tries since the last progress, and NextTry the earliest
	// time of the next try; the zero time if no try is known.
	Tries   int       `json:"tries,omitempty"`
	NextTry time.Time `json:"next_try,omitzero"`
	// TooLong reports whether a mail reports a wait of this length.
	TooLong bool `json:"too_long,omitempty"`
}

// NeedsPerson reports whether a person has to act: the dataset has failed objects, failed
// ingestion runs, held deliveries, or waits that are too long.
func (s Summary) NeedsPerson() bool {
	return len(s.FailedByCode) > 0 || s.hasFailedRun() || len(s.Held) > 0 || s.WaitsTooLong > 0
}

func (s Summary) hasFailedRun() bool {
	return slices.ContainsFunc(s.Runs, func(r journal.Run) bool { return r.State == journal.RunFailed })
}

// Summaries returns one summary of each dataset at the time. If keys without a contract
// failed, the last summary has their objects and an empty Dataset.
func (o *Operator) Summaries(ctx context.Context, at time.Time) ([]Summary, error) {
	moving, err := o.readMoving(ctx, at)
	if err != nil {
		return nil, err
	}
	summaries := make([]Summary, len(o.Contracts))
	group, reading := errgroup.WithContext(ctx)
	group.SetLimit(maxParallelSummaries)
	for i, c := range o.Contracts {
		group.Go(func() (err error) {
			summaries[i], err = o.summary(reading, c, moving)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	unclaimed, err := o.unclaimed(ctx, at)
	if err != nil || len(unclaimed.FailedByCode) == 0 {
		return summaries, err
	}
	return slices.Concat(summaries, []Summary{unclaimed}), nil
}

// Summary returns the summary of one dataset at the time. The dataset "" means the keys
// without a contract. Summary reads nothing about other datasets, except the objects on
// their way to a transform.
func (o *Operator) Summary(ctx context.Context, dataset string, at time.Time) (Summary, error) {
	if err := o.CheckDataset(dataset); err != nil {
		return Summary{}, err
	}
	if dataset == "" {
		return o.unclaimed(ctx, at)
	}
	moving, err := o.readMoving(ctx, at)
	if err != nil {
		return Summary{}, err
	}
	return o.summary(ctx, o.Contracts.ByDataset(dataset), moving)
}

// unclaimed returns the summary of the keys without a contract.
func (o *Operator) unclaimed(ctx context.Context, at time.Time) (Summary, error) {
	b := &summaryBuilder{at: at, Summary: Summary{Failed: []journal.Entry{}}}
	err := b.addFailed(ctx, o.Journal)
	return b.Summary, err
}

func (o *Operator) summary(ctx context.Context, c *contract.Contract, moving *movingObjects) (Summary, error) {
	b := moving.builder(c.Dataset())
	for _, read := range []func() error{
		func() error { return b.addWaiting(ctx, o.Journal) },
		func() error { return b.addFailed(ctx, o.Journal) },
		func() error { return b.addLastLoad(ctx, o.Journal) },
		func() error { return b.addNewColumns(ctx, o.Journal, c) },
		func() error { return b.addHeld(ctx, o.Journal, c) },
		func() (err error) {
			b.Runs, err = o.Journal.Runs(ctx, c.Dataset())
			return err
		},
	} {
		if err := read(); err != nil {
			return Summary{}, err
		}
	}
	return b.Summary, nil
}

// movingObjects has the objects on their way to a transform, by dataset.
type movingObjects struct {
	at        time.Time
	byDataset map[string]*summaryBuilder
	more      bool
}

// readMoving reads the objects with the longest waits for a transform.
func (o *Operator) readMoving(ctx context.Context, at time.Time) (*movingObjects, error) {
	m := &movingObjects{at: at, byDataset: make(map[string]*summaryBuilder)}
	var mutex sync.Mutex
	group, reading := errgroup.WithContext(ctx)
	for _, state := range []journal.State{journal.Received, journal.Transforming} {
		group.Go(func() error {
			more, err := o.Journal.OldestMoving(reading, state, maxOldestOfShard, func(e journal.Entry) {
				mutex.Lock()
				defer mutex.Unlock()
				m.add(e)
			})
			mutex.Lock()
			defer mutex.Unlock()
			m.more = m.more || more
			return err
		})
	}
	return m, group.Wait()
}

func (m *movingObjects) add(e journal.Entry) {
	b := m.byDataset[e.Dataset]
	if b == nil {
		b = &summaryBuilder{}
		m.byDataset[e.Dataset] = b
	}
	b.at = m.at
	b.ToTransform++
	b.addWait(e)
}

// builder returns the beginning of the dataset's summary.
func (m *movingObjects) builder(dataset string) *summaryBuilder {
	b := &summaryBuilder{at: m.at}
	if found := m.byDataset[dataset]; found != nil {
		*b = *found
	}
	b.Dataset, b.Failed = dataset, []journal.Entry{}
	b.ToTransformMore = m.more || b.ToTransform > maxCounted
	b.ToTransform = min(b.ToTransform, maxCounted)
	return b
}

// summaryBuilder fills in a summary.
type summaryBuilder struct {
	Summary

	at time.Time
	// lastTry is the time of the newest failed try of a load.
	lastTry time.Time
}

// addWait adds the wait of an object on its way.
func (b *summaryBuilder) addWait(e journal.Entry) {
	tooLong := e.WaitsTooLong(b.at)
	if tooLong {
		b.WaitsTooLong++
	}
	if b.OldestWait != nil && !e.Progressed.Before(b.OldestWait.Since) {
		return
	}
	b.OldestWait = &Wait{Object: e.Object.URI(), ID: e.ID, State: e.State, Since: e.Progressed, Code: e.WaitCode(b.at), TooLong: tooLong}
	if e.Delay != nil {
		b.OldestWait.Cause, b.OldestWait.Tries, b.OldestWait.NextTry = e.Delay.Cause, e.Delay.Tries, e.Delay.Next
	}
}

// addWaiting adds the objects that wait for a load.
func (b *summaryBuilder) addWaiting(ctx context.Context, j Journal) error {
	count, err := j.CountWaiting(ctx, b.Dataset, maxCounted)
	if err != nil {
		return err
	}
	b.Waiting, b.WaitingMore = count.Objects, count.More
	oldest, err := j.Waiting(ctx, b.Dataset, maxOldest)
	for _, e := range oldest {
		b.addWait(e)
		if e.Delay != nil && e.Delay.Last.After(b.lastTry) {
			b.lastTry, b.Paused = e.Delay.Last, e.Delay.Code == fault.DatasetPaused
		}
	}
	return err
}

func (b *summaryBuilder) addFailed(ctx context.Context, j Journal) error {
	codes, err := j.FailedByCode(ctx, b.Dataset, maxCounted, maxNewest)
	for _, found := range codes {
		b.Failed = append(b.Failed, found.Newest...)
		subject := help.Subject{Dataset: b.Dataset, Code: found.Code, Objects: found.Objects, InJournal: true}
		if len(found.Newest) == 1 {
			e := found.Newest[0]
			subject.Name, subject.ID = string(e.ID), e.ID
		}
		b.FailedByCode = append(b.FailedByCode, FailedCode{
			Code: found.Code, Objects: found.Objects, More: found.More, Command: help.ForCode(found.Code).Command(subject).String(),
		})
	}
	return err
}

func (b *summaryBuilder) addLastLoad(ctx context.Context, j Journal) error {
	volumes, err := j.Volumes(ctx, b.Dataset)
	if n := len(volumes.Loads); n > 0 {
		last := volumes.Loads[n-1]
		b.LastLoad = &LastLoad{Key: last.Key, ID: last.ID, LoadedAt: last.LoadedAt, RowsRead: last.Read, RowsRejected: last.Rejected}
	}
	return err
}

func (b *summaryBuilder) addNewColumns(ctx context.Context, j Journal, c *contract.Contract) error {
	reported, err := j.NewColumns(ctx, b.Dataset)
	if err != nil {
		return err
	}
	missing := reported.MissingIn(c)
	b.NewColumns, b.MoreNewColumns = missing.Columns, missing.More
	return nil
}

func (b *summaryBuilder) addHeld(ctx context.Context, j Journal, c *contract.Contract) error {
	if c.Mode != contract.Snapshot {
		return nil
	}
	deliveries, err := j.Deliveries(ctx, b.Dataset)
	b.Held = deliveries.Held
	return err
}
