//go:build standin

package gluerun_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"pgregory.net/rapid"

	"github.com/firn-data/firn/internal/batch"
	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/journal"
	"github.com/firn-data/firn/internal/object"
)

// check fails the test unless every object has reached its final state: a receipt, or
// one fault with Glue's message.
func (w *fixture) check(objects []object.Object) {
	w.t.Helper()
	for _, o := range objects {
		entry, faults := w.entry(o), w.faults[o.ID()]
		if !w.service.broken[o.ID()] {
			if entry.State != journal.Transformed || len(faults) > 0 {
				w.t.Fatalf("%s is %s, with faults %v", o.Key, entry.State, faults)
			}
			continue
		}
		if entry.State != journal.Failed || len(faults) != 1 {
			w.t.Fatalf("broken object %s is %s, with %d faults", o.Key, entry.State, len(faults))
		}
		want := "its run ended FAILED: BrokenError: at " + o.Key + ": can't convert …"
		if f := faults[0]; f.Code != fault.GlueFailed || f.Cause() != want || f.RunID == "" || f.Dataset != dataset || f.Subject != o.URI() {
			w.t.Fatalf("fault %+v", f)
		}
	}
}

func (w *fixture) putAll(count int) ([]object.Object, []batch.Message) {
	var objects []object.Object
	var messages []batch.Message
	for i := range count {
		o := w.put(fmt.Sprintf("shop/order/file%d.csv", i))
		objects, messages = append(objects, o), append(messages, w.message(o))
	}
	return objects, messages
}

func TestBatchOfOneDatasetStartsOneRun(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	objects, messages := w.putAll(5)
	w.deliver(messages...)
	if len(w.service.order) != 1 {
		t.Fatalf("%d runs", len(w.service.order))
	}
	for _, o := range objects {
		if e := w.entry(o); e.Run != "jr_1" || e.Attempts != 1 || e.State != journal.Transforming {
			t.Errorf("entry %+v", e)
		}
	}
	w.deliver(messages...) // a second delivery starts nothing
	w.finishRuns()
	w.deliver(w.runEndMessage("jr_1"), w.runEndMessage("jr_1")) // late, and twice
	if len(w.service.order) != 1 {
		t.Errorf("%d runs", len(w.service.order))
	}
	w.check(objects)
}

func TestBrokenObjectIsFoundByHalving(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name         string
		count, place int
		runs         int
	}{
		{"a single object", 1, 0, 2},
		{"the last of five: the others have receipts", 5, 4, 2},
		{"the third of five: three retries with one object each", 5, 2, 4},
		// All, all again, halves of four, halves of two, then single objects.
		{"the first of eight: retries with halves", 8, 0, 8},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := newFixture(t)
			objects, messages := w.putAll(test.count)
			w.service.broken[objects[test.place].ID()] = true
			w.deliver(messages...)
			w.finishRuns()
			w.check(objects)
			if len(w.service.order) != test.runs {
				t.Errorf("%d runs, want %d", len(w.service.order), test.runs)
			}
		})
	}
}

// TestReloadKeepsGenerationInEveryManifest breaks a run of reloaded objects: the first
// manifest and all later manifests must have the new generation.
func TestReloadKeepsGenerationInEveryManifest(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	objects, first := w.putAll(3)
	var reloads []batch.Message
	for _, o := range objects {
		if err := w.journal.Loaded(t.Context(), o.ID(), journal.Load{LoadID: "l"}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.journal.Reload(t.Context(), o.ID()); err != nil {
			t.Fatal(err)
		}
		reloads = append(reloads, w.message(o))
	}
	w.deliver(first...) // late messages of the first generation start nothing
	if len(w.service.order) != 0 {
		t.Fatalf("%d runs for objects reloaded in the meantime", len(w.service.order))
	}
	w.service.broken[objects[0].ID()] = true
	w.deliver(reloads...)
	w.finishRuns()
	w.check(objects)
	for _, run := range w.service.runs {
		for _, a := range w.manifest(run).Objects {
			if a.Generation != 1 || !strings.HasPrefix(a.Attempt, "01-") {
				t.Errorf("%s is in a manifest with generation %d, attempt %s", a.Object.Key, a.Generation, a.Attempt)
			}
		}
	}
}

// TestOlderVersionIsReadFromCopy: Spark can only read the newest version of a key. A key
// may have control characters, and characters that XML and SQS don't allow.
func TestOlderVersionIsReadFromCopy(t *testing.T) {
	t.Parallel()
	for kind, name := range map[string]string{
		"special characters": "a+b c%.csv",
		"control characters": "line\nbreak\r\t\x01\x1b[31m\x7f\u0085.csv",
		"noncharacters":      "\uFFFE and \uFFFF.csv",
	} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			w := newFixture(t)
			older := w.put("shop/order/" + name)
			newer := w.put(older.Key)
			w.deliver(w.message(older), w.message(newer))
			m := w.manifest(w.service.runs["jr_1"])
			if at := m.Objects[0].Source; at.Bucket != w.curated || at.Key != "_glue/"+m.ID+"/"+string(older.ID())+"/"+name {
				t.Errorf("the older version is read from %v", at)
			}
			if at := m.Objects[1].Source; at.Bucket != w.landing || at.Key != newer.Key {
				t.Errorf("the newer version is read from %v", at)
			}
			for _, a := range m.Objects {
				if a.Object.Key != older.Key {
					t.Errorf("the manifest has the key %q, want %q", a.Object.Key, older.Key)
				}
				if _, err := w.s3.HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: aws.String(a.Source.Bucket), Key: aws.String(a.Source.Key)}); err != nil {
					t.Errorf("read %q: %v", a.Source.Key, err)
				}
			}
			w.finishRuns()
			w.check([]object.Object{older, newer})
		})
	}
}

func TestDeletedVersionFailsAlone(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	objects, messages := w.putAll(2)
	gone := objects[0]
	if _, err := w.s3.DeleteObject(context.Background(), &s3.DeleteObjectInput{
		Bucket: aws.String(gone.Bucket), Key: aws.String(gone.Key), VersionId: aws.String(gone.Version),
	}); err != nil {
		t.Fatal(err)
	}
	w.deliver(messages...)
	w.finishRuns()
	w.check(objects[1:])
	if faults := w.faults[gone.ID()]; len(faults) != 1 || faults[0].Code != fault.ObjectGone || w.entry(gone).State != journal.Failed {
		t.Errorf("faults %v", faults)
	}
}

// TestObjectWithoutContractFails removes the contract from the deployment.
func TestObjectWithoutContractFails(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	w.runs.Contracts = nil
	objects, messages := w.putAll(1)
	w.deliver(messages...)
	if faults := w.faults[objects[0].ID()]; len(faults) != 1 || faults[0].Code != fault.NoDataset {
		t.Errorf("faults %v", faults)
	}
}

// TestLostAnswerOfStartJobRunStartsNoSecondRun: a run can start although StartJobRun
// returns an error.
func TestLostAnswerOfStartJobRunStartsNoSecondRun(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	w.service.starts = []string{"refused", "failed", "lost"}
	objects, messages := w.putAll(3)
	w.deliver(messages...)
	if len(w.service.order) != 1 {
		t.Errorf("%d runs", len(w.service.order))
	}
	w.finishRuns()
	w.check(objects)
}

// TestLateRunEndIsIgnored: the end of an earlier run must not retry objects of a newer
// run.
func TestLateRunEndIsIgnored(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	objects, messages := w.putAll(2)
	w.service.broken[objects[0].ID()] = true
	w.deliver(messages...)
	w.deliver(w.runEndMessage(w.service.finishNextRun()))
	w.deliver(w.runEndMessage("jr_1"), w.runEndMessage("jr_1"))
	if len(w.service.order) != 2 {
		t.Errorf("%d runs", len(w.service.order))
	}
	w.finishRuns()
	w.check(objects)
}

// TestCheckFindsRunEndWithoutEvent: Glue delivers events on a best-effort basis.
func TestCheckFindsRunEndWithoutEvent(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	objects, messages := w.putAll(2)
	w.service.broken[objects[1].ID()] = true
	w.deliver(messages...)
	check := batch.Message{ID: "check", Body: `{"check":"glue runs"}`}
	w.runs.Overdue = time.Hour
	w.service.finishNextRun()
	w.deliver(check)
	if len(w.service.waiting) != 0 {
		t.Fatal("a run was checked before it was overdue")
	}
	w.runs.Overdue = -time.Second
	w.deliver(check)
	for len(w.service.waiting) > 0 {
		w.service.finishNextRun()
		w.deliver(check)
	}
	w.check(objects)
}

// TestCheckFindsRunOfIncompleteRecord: the function is killed after the record of the run
// at the first object of the manifest. One check retries all objects of the ended run.
func TestCheckFindsRunOfIncompleteRecord(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	objects, messages := w.putAll(4)
	for _, o := range objects {
		w.service.broken[o.ID()] = true
	}
	w.journal.killAt, w.journal.before = 3*len(objects)-2, true // Start, Assign and SetRun write each object
	if failed := w.handle(messages); len(failed) != len(messages) {
		t.Fatalf("the function wasn't killed: %v", failed)
	}
	var runs []string
	for _, o := range objects {
		if run := w.entry(o).Run; run != "" {
			runs = append(runs, run)
		}
	}
	if len(runs) != 1 {
		t.Fatalf("objects with a run: %q, want one", runs)
	}
	w.runs.Overdue = -time.Second
	w.service.finishNextRun()
	check := batch.Message{ID: "check", Body: `{"check":"glue runs"}`}
	w.deliver(check)
	if len(w.service.waiting) != 1 {
		t.Fatalf("%d runs wait after the check, want the retry of all objects", len(w.service.waiting))
	}
	w.finishRuns()
	w.check(objects)
}

// TestEveryObjectEndsOnceDespiteFaults injects broken objects, refused and lost starts,
// and kills. Each object must end once, and each manifest must have one run.
func TestEveryObjectEndsOnceDespiteFaults(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(r *rapid.T) {
		w := newFixture(t)
		objects, messages := w.putAll(rapid.IntRange(1, 6).Draw(r, "objects"))
		for i, o := range objects {
			if rapid.IntRange(0, 3).Draw(r, fmt.Sprintf("broken %d", i)) == 0 {
				w.service.broken[o.ID()] = true
			}
		}
		w.service.starts = rapid.SliceOfN(rapid.SampledFrom([]string{"", "refused", "lost", "failed"}), 0, 6).Draw(r, "starts")
		w.journal.killAt = rapid.IntRange(0, 20).Draw(r, "number of the killed write")
		w.journal.before = rapid.Bool().Draw(r, "kill before the write")
		split := rapid.IntRange(0, len(messages)).Draw(r, "first batch")
		w.deliver(messages[:split]...)
		w.deliver(messages[split:]...)
		w.deliver(messages...)
		w.finishRuns()
		w.check(objects)
		manifests := map[string]string{}
		for id, run := range w.service.runs {
			manifest := run.Arguments["--manifest"]
			if other, isDuplicate := manifests[manifest]; isDuplicate {
				r.Fatalf("runs %s and %s have the same manifest", id, other)
			}
			manifests[manifest] = id
		}
	})
}
