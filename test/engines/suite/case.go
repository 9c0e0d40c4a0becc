// Package suite reads the transform's conformance suite: inputs of an engine and
// expected outputs.
package suite

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/firn-data/firn/internal/contract"
)

// Case is one case of the suite.
type Case struct {
	// Name is the name of the case's folder.
	Name string
	// Contract is the complete contract. Fields that contract.json lacks have the
	// defaults of a contract file.
	Contract *contract.Contract
	// InputName is the last part of the object's key. The ending determines the format.
	InputName string

	folder string
}

// Cases returns all cases of a folder, sorted by name.
func Cases(folder string) ([]Case, error) {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return nil, fmt.Errorf("read suite: %w", err)
	}
	var cases []Case
	for _, entry := range entries {
		c, err := readCase(filepath.Join(folder, entry.Name()))
		if err != nil {
			return nil, fmt.Errorf("case %s: %w", entry.Name(), err)
		}
		cases = append(cases, c)
	}
	if len(cases) == 0 {
		return nil, fmt.Errorf("read suite: %s has no case", folder)
	}
	return cases, nil
}

func readCase(folder string) (Case, error) {
	c := Case{Name: filepath.Base(folder), folder: folder}
	var err error
	if c.Contract, err = readContract(filepath.Join(folder, "contract.json")); err != nil {
		return Case{}, err
	}
	inputs, err := filepath.Glob(filepath.Join(folder, "input.*"))
	if err != nil {
		return Case{}, err
	}
	recipe, err := c.recipe()
	switch {
	case err != nil:
		return Case{}, err
	case recipe == nil && len(inputs) == 1:
		c.InputName = filepath.Base(inputs[0])
	case recipe != nil && len(inputs) == 0:
		c.InputName = recipe.Name
	default:
		return Case{}, errors.New("the folder needs one input file or a recipe")
	}
	return c, nil
}

// readContract reads the fields of a contract.Contract. The path "(record)" means the
// whole record.
func readContract(path string) (*contract.Contract, error) {
	body, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	c := &contract.Contract{
		Version: "1.0.0", Source: "shop", Entity: "order", Format: contract.CSV, Delimiter: ',',
		Encoding: contract.UTF8, MaxRejectRatio: 0.05, MaxRejects: 10, MaxUnique: contract.DefaultMaxUnique,
	}
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(c); err != nil { //nolint:musttag // contract.json has Go's names of the fields
		return nil, fmt.Errorf("contract: %w", err)
	}
	for i := range c.Columns {
		fillPlace(&c.Columns[i])
	}
	return c, nil
}

func fillPlace(column *contract.Column) {
	if column.Header == "" {
		column.Header = column.Name
	}
	switch column.Path {
	case "":
		column.Path = "/" + column.Name
	case "(record)":
		column.Path = ""
	}
}

// IsGenerated reports whether the object comes from a recipe. A large object takes some
// time.
func (c Case) IsGenerated() bool {
	recipe, err := c.recipe()
	return recipe != nil || err != nil
}

// Input returns the object's bytes.
func (c Case) Input() ([]byte, error) {
	recipe, err := c.recipe()
	if err != nil {
		return nil, err
	}
	if recipe != nil {
		return recipe.body()
	}
	return os.ReadFile(filepath.Join(c.folder, c.InputName))
}

// Sample returns the object's bytes. For a recipe, each part is repeated at most 10
// times, without inner parts.
func (c Case) Sample() ([]byte, error) {
	recipe, err := c.recipe()
	if recipe == nil || err != nil {
		return os.ReadFile(filepath.Join(c.folder, c.InputName))
	}
	for i := range recipe.Parts {
		recipe.Parts[i].Times = min(recipe.Parts[i].Times, 10)
		recipe.Parts[i].Inner = nil
	}
	return recipe.body()
}

func (c Case) recipe() (*Recipe, error) {
	body, err := os.ReadFile(filepath.Join(c.folder, "recipe.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	recipe := new(Recipe)
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(recipe); err != nil {
		return nil, fmt.Errorf("recipe: %w", err)
	}
	return recipe, nil
}

// HasOwnAnswer reports whether an engine's expected answer differs from the Lambda
// engine's answer. Such a case has a file with the engine's name.
func (c Case) HasOwnAnswer(engine string) bool {
	return slices.ContainsFunc([]string{Rows, Rejects, Receipt}, func(kind string) bool {
		_, err := os.Stat(filepath.Join(c.folder, answerFile(kind, engine)))
		return err == nil
	})
}
