//go:build standin

package main_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/firn-data/firn/internal/contract"
	"github.com/firn-data/firn/internal/laptop/laptoptest"
	"github.com/firn-data/firn/internal/snowflake/ddl"
)

// contractText is the contract of a made-up dataset, with places for the name, further
// properties and further columns.
const contractText = `apiVersion: v3.1.0
kind: DataContract
id: firn.till.NAME
name: till.NAME
version: 1.0.0
status: active
description:
  purpose: A dataset of a test.
customProperties:
  - {property: firn.format, value: csv}
PROPERTIESschema:
  - name: NAME
    logicalType: object
    properties:
      - name: code
        logicalType: string
        required: true
        description: The code.
        logicalTypeOptions: {pattern: '[A-Z]{2}'}
      - name: name
        logicalType: string
        description: The name.
`

// goodFile fits contractText, and otherGoodFile too.
const (
	goodFile      = "code,name\nAA,one\nBB,two\n"
	otherGoodFile = "code,name\nCC,three\n"
)

// addContract adds the contract of a dataset to the folder, and deploys the functions.
// The dataset has no tables yet. A property has the form "firn.mode, value: append".
func (p *path) addContract(t *testing.T, name string, properties ...string) (dataset string) {
	t.Helper()
	var lines strings.Builder
	for _, property := range properties {
		lines.WriteString("  - {property: " + property + "}\n")
	}
	text := strings.NewReplacer("NAME", name, "PROPERTIES", lines.String()).Replace(contractText)
	write(t, filepath.Join(p.folder, "datasets", "till", name, "contract.odcs.yaml"), text)
	p.deploy(t)
	return "till." + name
}

// contract reads the contract of a dataset in the folder.
func (p *path) contract(t *testing.T, dataset string) *contract.Contract {
	t.Helper()
	contracts, err := contract.ReadAll(os.DirFS(filepath.Join(p.folder, "datasets")))
	if err != nil {
		t.Fatal(err)
	}
	return contracts.ByDataset(dataset)
}

// writeScript writes the script of a dataset's tables, as go generate does.
func (p *path) writeScript(t *testing.T, dataset string) {
	t.Helper()
	name := "R__dataset_" + strings.ReplaceAll(dataset, ".", "_") + ".sql"
	write(t, filepath.Join(p.folder, "snowflake", name), ddl.File(p.contract(t, dataset)))
}

// addDataset adds the contract and the tables of a dataset.
func (p *path) addDataset(t *testing.T, name string, properties ...string) (dataset string) {
	t.Helper()
	dataset = p.addContract(t, name, properties...)
	c := p.contract(t, dataset)
	laptoptest.MakeTables(t, p.session, ddl.File(c))
	if view := ddl.View(c); view != "" {
		laptoptest.MakeTables(t, p.session, view)
	}
	return dataset
}

// changeContract replaces a text in a contract of the folder, and deploys.
func (p *path) changeContract(t *testing.T, dataset, before, after string) {
	t.Helper()
	file := filepath.Join(p.folder, "datasets", strings.ReplaceAll(dataset, ".", "/"), "contract.odcs.yaml")
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(content), before) {
		t.Fatalf("the contract of %s lacks %q", dataset, before)
	}
	write(t, file, strings.Replace(string(content), before, after, 1))
	p.deploy(t)
}
