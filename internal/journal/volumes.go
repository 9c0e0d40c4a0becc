package journal

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/object"
)

// volumesPrefix begins the key of the item with the newest loads of a dataset.
const volumesPrefix = "volumes#"

const (
	// maxVolumes is the number of loaded objects in an item. alert compares an object with
	// the median of at most 14 objects before. So alert compares all new objects with full
	// medians if at most 50 objects are loaded between two ticks.
	maxVolumes = 64
	// maxRejectDays is the number of days with rejects in an item.
	maxRejectDays = 3
	// maxVolumeTries limits the tries of a write next to other writers.
	maxVolumeTries = 10
)

// Volume is the size of one loaded object.
type Volume struct {
	ID  object.ID `json:"id"`
	Key string    `json:"key"`
	// Generation is the generation of the load.
	Generation int       `json:"generation"`
	LoadedAt   time.Time `json:"loaded_at"`
	// Read and Rejected are numbers of records.
	Read     int64 `json:"rows_read"`
	Rejected int64 `json:"rows_rejected"`
	// RejectsByRule has the rejects of the rules with the most rejects, at most 20 rules.
	RejectsByRule map[string]int64 `json:"-"`
}

// Volumes are the newest loads of a dataset.
type Volumes struct {
	// Loads are in the order of LoadedAt, the newest last; at most 64.
	Loads []Volume `json:"loads"`
	// Rejects has the rejects by rule of each day in UTC, "2026-12-01"; at most three
	// days.
	Rejects map[string]map[string]int64 `json:"rejects,omitempty"`
	// CheckedUntil is the time of the newest load that alert has compared.
	CheckedUntil time.Time `json:"checked_until,omitzero"`

	// revision counts the writes.
	revision int64
}

// Volumes returns the newest loads of a dataset. The zero value is the answer for a
// dataset without a record.
func (t *Table) Volumes(ctx context.Context, dataset string) (Volumes, error) {
	i, err := t.find(ctx, volumesPrefix+dataset)
	if err != nil {
		return Volumes{}, err
	}
	v := Volumes{revision: i.number("revision")}
	if body := i.text("volumes"); body != "" {
		if err := json.Unmarshal([]byte(body), &v); err != nil {
			return Volumes{}, fmt.Errorf("journal: attribute volumes of %s: %w", dataset, err)
		}
	}
	return v, i.err
}

// AddVolumes records loaded objects of a dataset, in any order. An object that is in the
// record with the same generation doesn't count twice. A full record takes no object from
// before its oldest load, because the record may have had this object already.
func (t *Table) AddVolumes(ctx context.Context, dataset string, added []Volume) error {
	return t.changeVolumes(ctx, dataset, func(v *Volumes) { v.add(added) })
}

// VolumesChecked records that alert has compared all loads until the time, and has
// reported the rejects of the given days.
func (t *Table) VolumesChecked(ctx context.Context, dataset string, until time.Time, days ...string) error {
	return t.changeVolumes(ctx, dataset, func(v *Volumes) {
		if until.After(v.CheckedUntil) {
			v.CheckedUntil = until
		}
		for _, d := range days {
			delete(v.Rejects, d)
		}
	})
}

// changeVolumes reads, changes and writes the record, and repeats all three after
// another writer.
func (t *Table) changeVolumes(ctx context.Context, dataset string, change func(*Volumes)) error {
	for range maxVolumeTries {
		v, err := t.Volumes(ctx, dataset)
		if err != nil {
			return err
		}
		change(&v)
		body, err := json.Marshal(v)
		if err != nil {
			return fmt.Errorf("encode volumes: %w", err)
		}
		written, err := t.write(ctx, volumesPrefix+dataset, newChange("").
			set("volumes", text(string(body))).set("revision", number(v.revision+1)).
			where("attribute_not_exists(#revision) OR #revision = :was").bind(":was", number(v.revision)))
		if err != nil || written {
			return err
		}
	}
	return fault.Dependency("write journal", fault.JournalAway, fmt.Errorf("the volumes of %s changed during each of %d tries", dataset, maxVolumeTries))
}

func (v *Volumes) add(added []Volume) {
	var oldest time.Time
	if len(v.Loads) >= maxVolumes {
		oldest = v.Loads[0].LoadedAt
	}
	for _, a := range added {
		if v.has(a) || a.LoadedAt.Before(oldest) {
			continue
		}
		v.Loads = append(v.Loads, a)
		v.addRejects(a)
	}
	slices.SortStableFunc(v.Loads, func(a, b Volume) int { return a.LoadedAt.Compare(b.LoadedAt) })
	v.Loads = v.Loads[max(0, len(v.Loads)-maxVolumes):]
}

func (v *Volumes) has(a Volume) bool {
	for _, known := range v.Loads {
		if known.ID == a.ID && known.Generation == a.Generation {
			return true
		}
	}
	return false
}

// addRejects adds the rejects of an object to the day of the load. The oldest day goes
// if alert has reported no day for long.
func (v *Volumes) addRejects(a Volume) {
	if len(a.RejectsByRule) == 0 {
		return
	}
	if v.Rejects == nil {
		v.Rejects = make(map[string]map[string]int64)
	}
	day := a.LoadedAt.UTC().Format(time.DateOnly)
	if v.Rejects[day] == nil {
		v.Rejects[day] = make(map[string]int64)
	}
	for rule, rejects := range a.RejectsByRule {
		v.Rejects[day][rule] += rejects
	}
	for len(v.Rejects) > maxRejectDays {
		delete(v.Rejects, slices.Min(slices.Collect(maps.Keys(v.Rejects))))
	}
}
