package samples_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/firn-data/firn/internal/contract"
)

// dbtFreshness is dbt's freshness of a source or a table. An absent part is null.
type dbtFreshness struct {
	WarnAfter  *dbtTime `yaml:"warn_after"`
	ErrorAfter *dbtTime `yaml:"error_after"`
}

type dbtTime struct {
	Count  int
	Period string
}

// duration returns the time; 0 for none.
func (t *dbtTime) duration() time.Duration {
	if t == nil {
		return 0
	}
	return time.Duration(t.Count) * map[string]time.Duration{"minute": time.Minute, "hour": time.Hour, "day": 24 * time.Hour}[t.Period]
}

// dbtSource is a source of the dbt project. A table without a freshness has the
// freshness of the source.
type dbtSource struct {
	Name   string
	Config struct{ Freshness dbtFreshness }
	Tables []struct {
		Name   string
		Config map[string]yaml.Node
	}
}

// freshnessOf returns the freshness by table.
func (s *dbtSource) freshnessOf(t *testing.T) map[string]dbtFreshness {
	t.Helper()
	all := make(map[string]dbtFreshness)
	for _, table := range s.Tables {
		freshness := s.Config.Freshness
		if own, found := table.Config["freshness"]; found {
			freshness = dbtFreshness{}
			if err := own.Decode(&freshness); err != nil {
				t.Fatalf("freshness of %s.%s: %v", s.Name, table.Name, err)
			}
		}
		all[table.Name] = freshness
	}
	return all
}

// The freshness of dbt's sources is the sum of frequency and latency in the contracts.
// Only the table of a dataset has a freshness, and a late file is never an error.
func TestFreshnessOfSourcesIsThatOfContracts(t *testing.T) {
	t.Parallel()
	set, err := contract.ReadAll(os.DirFS(datasets))
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob("../../dbt/models/staging/*/_*__sources.yml")
	if err != nil {
		t.Fatal(err)
	}
	checked := 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var project struct{ Sources []dbtSource }
		if err := yaml.Unmarshal(text, &project); err != nil {
			t.Fatal(err)
		}
		for _, source := range project.Sources {
			for table, freshness := range source.freshnessOf(t) {
				want := time.Duration(0)
				if c := set.ByDataset(source.Name + "." + table); c != nil {
					want = c.Expect.NewFileWithin
					checked++
				}
				if got := freshness.WarnAfter.duration(); got != want || freshness.ErrorAfter != nil {
					t.Errorf("%s: the table %s has the freshness %s, the contract's frequency and latency are %s", file, table, got, want)
				}
			}
		}
	}
	if checked != len(set) {
		t.Errorf("%d of %d datasets have a table in the sources", checked, len(set))
	}
}
