//go:build endtoend

package chaos_test

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/firn-data/firn/internal/journal"
	"github.com/firn-data/firn/internal/object"
	"github.com/firn-data/firn/internal/operator/audit"
)

// The oracle knows three things: the bucket's list of versions, the tags in the rows,
// and the facts of the generator. It reads neither the journal nor the ledger for the
// expected rows.

// judgement is the expected end of a run.
type judgement struct {
	// rows and rejects are the texts that each table must have, by dataset.
	rows, rejects map[*dataset][]string
	// loaded are the objects whose rows must be in a table.
	loaded map[object.ID]bool
	// gone are the objects without rows: a newer version, or a withdrawal, ended them.
	gone map[object.ID]bool
	// versions are all versions in the bucket.
	versions map[object.ID]*version
	// deleted are the loaded objects whose key is deleted in the bucket.
	deleted map[object.ID]bool
}

func newJudgement() judgement {
	return judgement{
		rows: make(map[*dataset][]string), rejects: make(map[*dataset][]string), loaded: make(map[object.ID]bool),
		gone: make(map[object.ID]bool), versions: make(map[object.ID]*version), deleted: make(map[object.ID]bool),
	}
}

// listed is one entry of the bucket's list of versions.
type listed struct {
	key, version string
	latest       bool
}

// listVersions returns the versions and delete markers of the landing bucket by key. The
// newest version of a key is the first.
func (w *world) listVersions() map[string][]listed {
	type dated struct {
		listed

		at    time.Time
		order int
	}
	all := make(map[string][]dated)
	pages := s3.NewListObjectVersionsPaginator(stack.s3, &s3.ListObjectVersionsInput{Bucket: aws.String(stack.operator.Stack.LandingBucket)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(w.t.Context())
		w.check("list the versions", err)
		add := func(key, version *string, latest *bool, at *time.Time) {
			k := aws.ToString(key)
			all[k] = append(all[k], dated{listed{k, aws.ToString(version), aws.ToBool(latest)}, aws.ToTime(at), len(all[k])})
		}
		for _, v := range page.Versions {
			add(v.Key, v.VersionId, v.IsLatest, v.LastModified)
		}
		for _, m := range page.DeleteMarkers {
			add(m.Key, m.VersionId, m.IsLatest, m.LastModified)
		}
	}
	result := make(map[string][]listed, len(all))
	for k, versions := range all {
		// The list has versions and markers apart, each with the newest first.
		slices.SortStableFunc(versions, func(a, b dated) int {
			return cmp.Or(compareLatest(a.listed, b.listed), b.at.Compare(a.at), cmp.Compare(a.order, b.order))
		})
		for _, v := range versions {
			result[k] = append(result[k], v.listed)
		}
	}
	return result
}

func compareLatest(a, b listed) int {
	switch {
	case a.latest == b.latest:
		return 0
	case a.latest:
		return -1
	default:
		return 1
	}
}

// judge decides the expected rows of all tables.
func (w *world) judge() judgement {
	j := newJudgement()
	bucket := w.listVersions()
	for _, k := range w.keys {
		j.judgeKey(k, w.inBucketOrder(k, bucket[k.name]))
	}
	return j
}

// inBucketOrder returns the versions of a key in the order of the bucket, the newest
// first. The bucket must have each version of the generator.
func (w *world) inBucketOrder(k *key, list []listed) []*version {
	if len(list) != len(k.versions) {
		w.t.Fatalf("the bucket has %d versions of %s, and the generator put %d", len(list), k.name, len(k.versions))
	}
	byID := make(map[string]*version)
	for _, v := range k.versions {
		byID[v.object.Version] = v
	}
	ordered := make([]*version, len(list))
	for i, l := range list {
		if ordered[i] = byID[l.version]; ordered[i] == nil {
			w.t.Fatalf("the generator didn't put version %s of %s", l.version, k.name)
		}
		if i > 0 && ordered[i].number > ordered[i-1].number {
			w.t.Fatalf("the bucket's order of the versions of %s isn't the order of the uploads", k.name)
		}
	}
	return ordered
}

// judgeKey goes from the newest to the oldest version. The newest sound version has its
// rows in the table, unless the version or a newer one is withdrawn.
func (j judgement) judgeKey(k *key, newestFirst []*version) {
	ended := false
	for _, v := range newestFirst {
		if v.marker {
			ended = ended || k.dataset.deletion
			continue
		}
		id := v.object.ID()
		j.versions[id] = v
		ended = ended || v.withdrawn
		switch {
		case ended:
			j.gone[id] = true
		case v.sound:
			j.loaded[id] = true
			j.deleted[id] = newestFirst[0].marker
			j.rows[k.dataset] = append(j.rows[k.dataset], v.rows...)
			j.rejects[k.dataset] = append(j.rejects[k.dataset], v.rejects...)
			ended = true
		}
	}
}

// explain returns the fault of the run that explains a difference of the audit; empty
// for none.
func (j judgement) explain(d audit.Difference) string {
	if d.Kind == audit.FileDeleted && j.deleted[d.ID] {
		return "the run deleted the key of loaded rows"
	}
	return ""
}

// checkTables compares the texts in the tables with the judgement.
func (w *world) checkTables(j judgement) {
	w.t.Helper()
	for _, d := range datasets {
		w.compare("RAW."+d.table, j.rows[d], w.texts("select "+d.column+" as t from RAW."+d.table))
		w.compare("RAW."+d.table+"_REJECTS", j.rejects[d], w.texts("select RAW as t from RAW."+d.table+"_REJECTS"))
		w.t.Logf("%s: %d rows and %d rejects are expected", d.name, len(j.rows[d]), len(j.rejects[d]))
	}
}

func (w *world) texts(statement string) []string {
	answer := w.query(statement)
	texts := make([]string, len(answer.Rows))
	for i := range answer.Rows {
		texts[i] = answer.Text(i, "t")
	}
	return texts
}

// compare reports missing, unexpected and repeated texts of a table.
func (w *world) compare(table string, want, got []string) {
	w.t.Helper()
	if found := differences(want, got); len(found) > 0 {
		w.t.Errorf("%s has %d rows, want %d; %d texts differ:\n%s", table, len(got), len(want), len(found), strings.Join(found[:min(len(found), 20)], "\n"))
	}
}

// differences returns the missing and the additional texts, in the order of the texts.
func differences(want, got []string) []string {
	counts := make(map[string]int)
	for _, text := range want {
		counts[text]++
	}
	for _, text := range got {
		counts[text]--
	}
	var found []string
	for _, text := range slices.Sorted(maps.Keys(counts)) {
		switch n := counts[text]; {
		case n > 0:
			found = append(found, fmt.Sprintf("%d missing: %s", n, text))
		case n < 0:
			found = append(found, fmt.Sprintf("%d too many: %s", -n, text))
		}
	}
	return found
}

// checkStates compares the journal with the judgement: each version in the bucket has an
// end, and each object without rows has a reason.
func (w *world) checkStates(j judgement) {
	w.t.Helper()
	known := make(map[object.ID]bool)
	states := make(map[journal.State]int)
	w.eachEntry(func(e journal.Entry) {
		known[e.ID] = true
		states[e.State]++
		if fault := j.faultOf(e); fault != "" {
			w.t.Errorf("%s %s is %s (%s): %s", e.ID, e.Object.Key, e.State, e.Code, fault)
		}
	})
	for id, v := range j.versions {
		if !known[id] {
			w.t.Errorf("the journal has no entry of version %d of %s (%s)", v.number, v.key.name, id)
		}
	}
	w.t.Logf("states: %v", states)
}

// faultOf returns the reason for which the state of an object is wrong; empty for a
// right state.
func (j judgement) faultOf(e journal.Entry) string {
	v := j.versions[e.ID]
	switch {
	case isMoving(e.State):
		return "the object is still on its way"
	case e.State == journal.Failed && e.Code == "":
		return "the failure has no code"
	case v == nil:
		if e.State == journal.Loaded {
			return "the bucket has no such version"
		}
		return "" // a forged object, or a delete marker
	case j.loaded[e.ID] != (e.State == journal.Loaded):
		return fmt.Sprintf("a load is expected: %t", j.loaded[e.ID])
	case e.State == journal.Superseded && !j.gone[e.ID]:
		return "no newer version has rows"
	case e.State == journal.Dismissed && !v.dismissed:
		return "the run didn't dismiss the object"
	case e.State == journal.Withdrawn && !j.gone[e.ID]:
		return "the run didn't withdraw the object"
	}
	return ""
}
