package demo

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/firn-data/firn/internal/contract"
	"github.com/firn-data/firn/internal/engine/reader"
)

// PlanName is the name of the plan's file in the folder of the sample files.
const PlanName = "demo.yaml"

// Plan is the plan of a demo.
type Plan struct {
	// Ingest is the ingestion of the demo.
	Ingest struct {
		Dataset string    `yaml:"dataset"`
		Start   time.Time `yaml:"start"`
		End     time.Time `yaml:"end"`
	} `yaml:"ingest"`
	// Broken is the sample file that the demo copies and breaks,
	// <source>/<entity>/<file>: a CSV file without compression.
	Broken string `yaml:"broken"`
}

// ReadPlan reads the plan in the folder of the sample files and checks the plan with
// the contracts.
func ReadPlan(data string, contracts contract.Set) (Plan, error) {
	var plan Plan
	name := filepath.Join(data, PlanName)
	content, err := os.ReadFile(name)
	if err != nil {
		return plan, fmt.Errorf("read the description of the demo: %w", err)
	}
	decoder := yaml.NewDecoder(bytes.NewReader(content))
	decoder.KnownFields(true)
	if err := decoder.Decode(&plan); err != nil {
		return plan, fmt.Errorf("read the description of the demo: %s: %w", name, err)
	}
	if err := plan.check(contracts); err != nil {
		return plan, fmt.Errorf("read the description of the demo: %s: %w", name, err)
	}
	return plan, nil
}

func (p Plan) check(contracts contract.Set) error {
	var faults []error
	if c := contracts.ByDataset(p.Ingest.Dataset); c == nil || c.Ingest == nil {
		faults = append(faults, fmt.Errorf("ingest.dataset: %q has no contract with firn.ingest", p.Ingest.Dataset))
	}
	if !p.Ingest.Start.Before(p.Ingest.End) {
		faults = append(faults, errors.New("ingest: start must be before end"))
	}
	if c := p.brokenContract(contracts); c == nil || c.Format != contract.CSV || path.Ext(p.Broken) != ".csv" {
		faults = append(faults, fmt.Errorf("broken: %q must be <source>/<entity>/<file>.csv of a dataset with CSV files", p.Broken))
	}
	return errors.Join(faults...)
}

// brokenContract is the contract beside the broken file, or nil.
func (p Plan) brokenContract(contracts contract.Set) *contract.Contract {
	source, entity := path.Split(path.Dir(p.Broken))
	return contracts.ByDataset(path.Base(source) + "." + entity)
}

// brokenKey is the landing key of the broken copy: "orders broken.csv" of "orders.csv".
func (p Plan) brokenKey(contracts contract.Set) string {
	return p.brokenContract(contracts).KeyPrefix + strings.TrimSuffix(path.Base(p.Broken), ".csv") + " broken.csv"
}

// sampleFiles returns the sample files that the demo puts, as <source>/<entity>/<file>.
// A sample file is beside the contract of a dataset without ingestion, and its name
// fits the format in the contract.
func sampleFiles(data string, contracts contract.Set) ([]string, error) {
	var files []string
	for _, c := range contracts {
		if c.Ingest != nil {
			continue
		}
		folder := path.Join(c.Source, c.Entity)
		entries, err := os.ReadDir(filepath.Join(data, filepath.FromSlash(folder)))
		if err != nil {
			return nil, err
		}
		for _, entry := range entries {
			if _, err := reader.CompressionOf(entry.Name(), c.Format); err == nil && entry.Type().IsRegular() {
				files = append(files, path.Join(folder, entry.Name()))
			}
		}
	}
	slices.Sort(files)
	return files, nil
}
