// Package layers_test checks the layers of layers.txt against the imports of all Go
// packages.
package layers_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const (
	module = "github.com/firn-data/firn/"
	// tags are the build tags of all tests.
	tags = "standin,cdk,endtoend,account"
	// helpers is the line of layers.txt with the packages for all test files.
	helpers = "tests"
)

// table is layers.txt.
type table struct {
	// names are the layers, from the lowest.
	names []string
	// patterns are the patterns of all layers, in the file's order.
	patterns []layerPattern
	// helpers are the patterns of the packages for all test files.
	helpers []string
}

// layerPattern is a pattern of packages that belong to one layer.
type layerPattern struct {
	pattern string
	// layer is the layer's place, from 0.
	layer int
}

// goPackage is one package as `go list -json` prints it.
type goPackage struct {
	ImportPath                         string
	Imports, TestImports, XTestImports []string
}

func parse(text string) (table, error) {
	var t table
	for line := range strings.Lines(text) {
		words := strings.Fields(line)
		switch {
		case len(words) == 0, strings.HasPrefix(line, "#"):
			continue
		case slices.Contains(t.names, words[0]):
			return table{}, fmt.Errorf("layer %s has two lines", words[0])
		case words[0] == helpers:
			t.helpers = words[1:]
			continue
		}
		t.names = append(t.names, words[0])
		for _, pattern := range words[1:] {
			t.patterns = append(t.patterns, layerPattern{pattern: pattern, layer: len(t.names) - 1})
		}
	}
	return t, nil
}

func matches(pattern, path string) bool {
	below, all := strings.CutSuffix(pattern, "/...")
	return path == below || all && strings.HasPrefix(path, below+"/")
}

// room returns the package's room, or -1.
func (t table) room(path string) int {
	return slices.IndexFunc(t.patterns, func(r layerPattern) bool { return matches(r.pattern, path) })
}

// isAbove reports whether a package belongs to a higher layer than a room. A package
// without a room has a fault of its own.
func (t table) isAbove(path string, place int) bool {
	other := t.room(path)
	return other >= 0 && t.patterns[other].layer > t.patterns[place].layer
}

func (t table) isHelper(path string) bool {
	return slices.ContainsFunc(t.helpers, func(pattern string) bool { return matches(pattern, path) })
}

// check returns all faults of the packages, sorted.
func (t table) check(packages []goPackage) []string {
	var faults []string
	faultf := func(format string, args ...any) { faults = append(faults, fmt.Sprintf(format, args...)) }
	used := make(map[int]bool)
	for _, p := range packages {
		from := strings.TrimPrefix(p.ImportPath, module)
		place := t.room(from)
		if place < 0 {
			faultf("%s has no layer", from)
			continue
		}
		used[place] = true
		for _, to := range own(p.Imports) {
			if t.isAbove(to, place) {
				faultf("%s (%s) imports %s (%s)", from, t.layer(from), to, t.layer(to))
			}
		}
		for _, to := range own(append(slices.Clone(p.TestImports), p.XTestImports...)) {
			if t.isAbove(to, place) && !t.isHelper(to) {
				faultf("a test of %s (%s) imports %s (%s)", from, t.layer(from), to, t.layer(to))
			}
		}
	}
	for i, r := range t.patterns {
		if !used[i] {
			faultf("layers.txt: %s is no package", r.pattern)
		}
	}
	faults = append(faults, t.cycles(packages)...)
	slices.Sort(faults)
	return slices.Compact(faults)
}

func (t table) layer(path string) string { return t.names[t.patterns[t.room(path)].layer] }

// own returns the imports of this module, without the module's path.
func own(imports []string) []string {
	var paths []string
	for _, path := range imports {
		if rest, found := strings.CutPrefix(path, module); found {
			paths = append(paths, rest)
		}
	}
	return paths
}

// cycles reports the rooms that import each other in a circle. Go refuses a cycle of
// packages, but not a cycle of rooms with several packages.
func (t table) cycles(packages []goPackage) []string {
	imports := make(map[int][]int)
	for _, p := range packages {
		from := t.room(strings.TrimPrefix(p.ImportPath, module))
		for _, path := range own(p.Imports) {
			if to := t.room(path); to >= 0 && from >= 0 && to != from {
				imports[from] = append(imports[from], to)
			}
		}
	}
	for removed := true; removed; { // a room without imports is in no cycle
		removed = false
		for from, all := range imports {
			all = slices.DeleteFunc(all, func(to int) bool { return len(imports[to]) == 0 })
			imports[from] = all
			if len(all) == 0 {
				delete(imports, from)
				removed = true
			}
		}
	}
	var left []string
	for from := range imports {
		left = append(left, t.patterns[from].pattern)
	}
	if len(left) == 0 {
		return nil
	}
	slices.Sort(left)
	return []string{"in or above a cycle: " + strings.Join(left, ", ")}
}

// TestLayers fails for a package without a layer, for an import of a higher layer and
// for a cycle.
func TestLayers(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("layers.txt")
	if err != nil {
		t.Fatal(err)
	}
	layers, err := parse(string(text))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range layers.check(packages(t)) {
		t.Error(f)
	}
}

// packages lists all packages of the module, with their tests.
func packages(t *testing.T) []goPackage {
	t.Helper()
	list := exec.CommandContext(t.Context(), "go", "list", "-tags", tags, "-json=ImportPath,Imports,TestImports,XTestImports", "./...")
	list.Dir = "../.."
	list.Stderr = os.Stderr
	out, err := list.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var all []goPackage
	for decoder := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p goPackage
		err := decoder.Decode(&p)
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
}

// TestCheck checks the check, on made-up packages.
func TestCheck(t *testing.T) {
	t.Parallel()
	layers, err := parse("# a comment\n\nlow a b/...\nhigh c d/...\ntests d/helper\n")
	if err != nil {
		t.Fatal(err)
	}
	newPackage := func(path string, imports ...string) goPackage {
		p := goPackage{ImportPath: module + path, Imports: []string{"fmt"}}
		for _, to := range imports {
			p.Imports = append(p.Imports, module+to)
		}
		return p
	}
	tested := newPackage("a")
	tested.TestImports, tested.XTestImports = []string{module + "c"}, []string{module + "d/helper", "testing"}
	tests := []struct {
		name     string
		packages []goPackage
		want     []string
	}{
		{"good", []goPackage{newPackage("a"), newPackage("b/x", "a"), newPackage("c", "a", "b/x"), newPackage("d", "c"), newPackage("d/helper", "c")}, nil},
		{"no layer", []goPackage{newPackage("a"), newPackage("b"), newPackage("c"), newPackage("d"), newPackage("bb")}, []string{"bb has no layer"}},
		{"upwards", []goPackage{newPackage("a", "c"), newPackage("b"), newPackage("c"), newPackage("d")}, []string{"a (low) imports c (high)"}},
		{"a test upwards", []goPackage{tested, newPackage("b"), newPackage("c"), newPackage("d/helper")}, []string{"a test of a (low) imports c (high)"}},
		{"no such package", []goPackage{newPackage("a"), newPackage("b"), newPackage("c")}, []string{"layers.txt: d/... is no package"}},
		{
			"a cycle",
			[]goPackage{newPackage("a", "b/x"), newPackage("b/x"), newPackage("b/y", "a"), newPackage("c", "a"), newPackage("d")},
			[]string{"in or above a cycle: a, b/..., c"},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(test.want, layers.check(test.packages)); diff != "" {
				t.Errorf("faults (-want +got):\n%s", diff)
			}
		})
	}
	if _, err := parse("low a\nlow b\n"); err == nil {
		t.Error("a layer with two lines gives no error")
	}
}
