package work_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/firn-data/firn/internal/contract"
	"github.com/firn-data/firn/internal/work"
)

const orders = "shop.order"

func columnsNamed(names ...string) []work.NewColumn {
	columns := make([]work.NewColumn, len(names))
	for i, name := range names {
		columns[i] = work.NewColumn{Name: name}
	}
	return columns
}

func namesOf(n work.NewColumns) []string {
	names := []string{}
	for _, column := range n.Columns {
		names = append(names, column.Name)
	}
	return names
}

// numbered returns n different names.
func numbered(n int) []string {
	names := make([]string, n)
	for i := range names {
		names[i] = fmt.Sprintf("column %03d", i)
	}
	return names
}

func csvContract(headers ...string) *contract.Contract {
	c := &contract.Contract{Format: contract.CSV}
	for _, header := range headers {
		c.Columns = append(c.Columns, contract.Column{Header: header})
	}
	return c
}

func TestCleanColumnName(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("é", 200)
	for name, test := range map[string]struct {
		given, want, display string
		cut                  bool
	}{
		"a usual name":           {"Order No.", "Order No.", "Order No.", false},
		"no name":                {"", "", `""`, false},
		"a space at the end":     {"a ", "a ", `"a "`, false},
		"control characters":     {"a\x00\tb\n", "a\x00\tb\n", `"a\x00\tb\n"`, false},
		"hidden characters":      {"a\u00a0b\u202ec", "a\u00a0b\u202ec", `"a\u00a0b\u202ec"`, false},
		"invalid UTF-8":          {"a\xffb", "a\ufffdb", "a\ufffdb", false},
		"characters against SQS": {"\ufffea\uffff", "\ufffda\ufffd", "\ufffda\ufffd", false},
		"200 characters":         {long, long, long, false},
		"201 characters":         {long + "x", long + "…", long + "…", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			column := work.NewColumn{Name: work.CleanColumnName(test.given)}
			if column.Name != test.want || column.Display() != test.display || column.IsCut() != test.cut {
				t.Errorf("got %q, displayed as %s, cut %t", column.Name, column.Display(), column.IsCut())
			}
		})
	}
}

func TestCollectedColumnsAreMissingInContract(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 300)
	first := time.Date(2026, 12, 1, 10, 0, 0, 0, time.UTC)
	found := []work.NewColumn{
		{Name: "owner", Object: "s3://b/1", LoadedAt: first},
		{Name: "owner", Object: "s3://b/2", LoadedAt: first.Add(1)},
		{Name: "Shop"},
		{Name: "shop"},
		{Name: long},
	}
	for name, test := range map[string]struct {
		contract *contract.Contract
		want     []string
	}{
		"no contract":             {nil, []string{"owner", "Shop", "shop", long[:200] + "…"}},
		"a known column":          {csvContract("Shop", "number"), []string{"owner", "shop", long[:200] + "…"}},
		"a known long name":       {csvContract(long), []string{"owner", "Shop", "shop"}},
		"column for whole record": {&contract.Contract{Format: contract.NDJSON, Columns: []contract.Column{{Path: ""}}}, []string{}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := work.CollectNewColumns(orders, test.contract, found)
			if diff := cmp.Diff(test.want, namesOf(got)); diff != "" || got.Dataset != orders || got.More != 0 {
				t.Errorf("dataset %q, %d more (-want +got):\n%s", got.Dataset, got.More, diff)
			}
			if len(got.Columns) > 0 && got.Columns[0] != found[0] {
				t.Errorf("got %+v, want the first object with the column", got.Columns[0])
			}
		})
	}
}

func TestColumnsBeyondLimitAreCountedAndReportedOnce(t *testing.T) {
	t.Parallel()
	names := numbered(60)
	found := work.CollectNewColumns(orders, nil, columnsNamed(names...))
	if len(found.Columns) != 50 || found.More != 10 || found.Count() != 60 {
		t.Fatalf("%d columns and %d more, want 50 and 10", len(found.Columns), found.More)
	}
	full := work.NewColumns{Dataset: orders, Columns: columnsNamed(names[:50]...)}
	for name, test := range map[string]struct {
		found, reported work.NewColumns
		want            []string
		more            int
	}{
		"nothing is reported":    {found, work.NewColumns{}, names[:50], 10},
		"some are reported":      {found, work.NewColumns{Columns: columnsNamed(names[:48]...)}, names[48:50], 10},
		"others took the room":   {found, work.NewColumns{Columns: columnsNamed("a", "b", "c")}, names[:47], 13},
		"the list is full":       {work.NewColumns{Columns: columnsNamed("other")}, full, []string{}, 1},
		"the rest is reported":   {work.NewColumns{Columns: columnsNamed("other")}, work.NewColumns{Columns: full.Columns, More: 1}, []string{}, 0},
		"everything is reported": {found, work.NewColumns{Columns: full.Columns, More: 10}, []string{}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := test.found.Unreported(test.reported)
			if diff := cmp.Diff(test.want, namesOf(got)); diff != "" || got.More != test.more {
				t.Errorf("%d more, want %d; names (-want +got):\n%s", got.More, test.more, diff)
			}
		})
	}
}

// TestKnownColumnsMakeRoom: the contract got a column of a full list, so the next load
// names the columns that had no room.
func TestKnownColumnsMakeRoom(t *testing.T) {
	t.Parallel()
	names := numbered(60)
	reported := work.CollectNewColumns(orders, nil, columnsNamed(names...))
	c := csvContract(names[0])
	got := work.CollectNewColumns(orders, c, columnsNamed(names...)).Unreported(reported.MissingIn(c))
	if diff := cmp.Diff(names[50:51], namesOf(got)); diff != "" || got.More != 9 {
		t.Errorf("%d more, want 9; names (-want +got):\n%s", got.More, diff)
	}
}

// TestEachColumnIsReportedOnce reports any lists, one after another. No name is reported
// twice, no reported list is too long, and without a full list every name is reported.
func TestEachColumnIsReportedOnce(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(r *rapid.T) {
		var reported work.NewColumns
		var told, all []string
		rests := 0
		for range rapid.IntRange(1, 8).Draw(r, "loads") {
			names := rapid.SliceOfN(rapid.StringMatching(`[a-d]{1,3}`), 0, 70).Draw(r, "names")
			all = append(all, names...)
			found := work.CollectNewColumns(orders, nil, columnsNamed(names...))
			news := found.Unreported(reported)
			told = append(told, namesOf(news)...)
			if news.More > 0 {
				rests++
			}
			reported = reported.With(news)
			if again := found.Unreported(reported); !again.IsEmpty() {
				r.Fatalf("%v is reported a second time", again)
			}
		}
		if once := slices.Compact(slices.Sorted(slices.Values(told))); len(once) != len(told) || len(reported.Columns) > work.MaxNewColumns || rests > 1 {
			r.Fatalf("%d names reported, %d different, %d kept, the rest %d times", len(told), len(once), len(reported.Columns), rests)
		}
		if different := slices.Compact(slices.Sorted(slices.Values(all))); rests == 0 && len(different) != len(told) {
			r.Fatalf("%d of %d names are reported", len(told), len(different))
		}
	})
}

func TestNewColumnsSurviveEncoding(t *testing.T) {
	t.Parallel()
	n := work.CollectNewColumns(orders, nil, []work.NewColumn{{
		Name: "a\x00\"<é>", Object: "s3://landing/shop/order/1.csv", LoadedAt: time.Date(2026, 12, 1, 10, 0, 0, 5000, time.UTC),
	}})
	got, ok := work.DecodeNewColumns(n.Encode())
	if diff := cmp.Diff(n, got); diff != "" || !ok {
		t.Errorf("decoded %t (-want +got):\n%s", ok, diff)
	}
	if want := `files have columns that the contract doesn't have: "a\x00\"<é>"`; n.Cause() != want {
		t.Errorf("cause %s, want %s", n.Cause(), want)
	}
	if many := work.CollectNewColumns(orders, nil, columnsNamed(numbered(60)...)).Cause(); !strings.HasSuffix(many, `"column 009", 50 more`) {
		t.Errorf("cause %s", many)
	}
	for _, body := range []string{"", "no JSON", "{}", `{"dataset":"shop.order","columns":[]}`, `{"dataset":"shop.order","delivery":"1"}`} {
		if _, ok := work.DecodeNewColumns(body); ok {
			t.Errorf("%q is decoded", body)
		}
	}
}
