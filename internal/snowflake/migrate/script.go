// Package migrate brings a Snowflake account to what the scripts in snowflake/
// say, and remembers in OPS.CHANGE_HISTORY what it ran. Script names are
// schemachange's, so that its users feel at home.
package migrate

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Kind says when a script runs.
type Kind string

const (
	// Versioned scripts (V1.2.0__name.sql) run once, in the order of their
	// versions. One that was changed after it ran is refused.
	Versioned Kind = "V"
	// Repeatable scripts (R__name.sql) run after the versioned ones whenever
	// they or their variables changed.
	Repeatable Kind = "R"
)

// Script is one file of statements.
type Script struct {
	// Name is the file's name, without a folder: the history's key.
	Name string
	Kind Kind
	// Version orders the versioned scripts; nil for a repeatable one.
	Version []int
	// Body is the file as it stands; Rendered has the variables filled in.
	Body, Rendered string
}

var (
	versionedName  = regexp.MustCompile(`^V([0-9]+(?:[._][0-9]+)*)__\w+\.sql$`)
	repeatableName = regexp.MustCompile(`^R__\w+\.sql$`)
	variable       = regexp.MustCompile(`\{\{\s*(\w+)\s*(\|\s*default\('([^']*)'\)\s*)?\}\}`)
)

// Parse makes a script of a file. Each {{ name }} takes the variable's value, or
// the one of {{ name | default('value') }}; one that has neither is an error.
// schemachange, whose files are Jinja templates, reads both the same.
func Parse(name, body string, variables map[string]string) (Script, error) {
	s := Script{Name: name, Body: body}
	switch found := versionedName.FindStringSubmatch(name); {
	case found != nil:
		s.Kind = Versioned
		for _, part := range strings.FieldsFunc(found[1], func(r rune) bool { return r == '.' || r == '_' }) {
			number, err := strconv.Atoi(part)
			if err != nil {
				return Script{}, fmt.Errorf("script %s: %w", name, err)
			}
			s.Version = append(s.Version, number)
		}
	case repeatableName.MatchString(name):
		s.Kind = Repeatable
	default:
		return Script{}, fmt.Errorf("script %s: name it V<version>__<words>.sql or R__<words>.sql", name)
	}
	rendered, err := render(body, variables)
	if err != nil {
		return Script{}, fmt.Errorf("script %s: %w", name, err)
	}
	s.Rendered = rendered
	return s, nil
}

func render(body string, variables map[string]string) (string, error) {
	var missing []error
	rendered := variable.ReplaceAllStringFunc(body, func(placeholder string) string {
		parts := variable.FindStringSubmatch(placeholder)
		name, hasDefault := parts[1], parts[2] != ""
		if value, found := variables[name]; found {
			return value
		}
		if !hasDefault {
			missing = append(missing, fmt.Errorf("variable %s has no value", name))
		}
		return parts[3]
	})
	return rendered, errors.Join(missing...)
}

// Read parses every .sql file at the root of the file system, in the order in
// which they run. Faults of all files are reported at once; a variable that no
// file asks for is one.
func Read(files fs.FS, variables map[string]string) ([]Script, error) {
	names, err := fs.Glob(files, "*.sql")
	if err != nil {
		return nil, fmt.Errorf("list scripts: %w", err)
	}
	var scripts []Script
	var faults []error
	asked := make(map[string]bool)
	for _, name := range names {
		body, err := fs.ReadFile(files, name)
		if err != nil {
			faults = append(faults, err)
			continue
		}
		for _, parts := range variable.FindAllStringSubmatch(string(body), -1) {
			asked[parts[1]] = true
		}
		script, err := Parse(name, string(body), variables)
		if err != nil {
			faults = append(faults, err)
			continue
		}
		scripts = append(scripts, script)
	}
	scripts = inOrder(scripts)
	faults = append(faults, distinct(scripts)...)
	return scripts, errors.Join(append(faults, unusedVariables(asked, variables)...)...)
}

// unusedVariables names the variables that no script asks for: a misspelt one would
// leave its default standing in silence.
func unusedVariables(asked map[string]bool, variables map[string]string) []error {
	var faults []error
	for _, name := range slices.Sorted(maps.Keys(variables)) {
		if !asked[name] {
			faults = append(faults, fmt.Errorf("variable %s: no script asks for it", name))
		}
	}
	return faults
}

// inOrder sorts: versioned by version, then repeatable by name.
func inOrder(scripts []Script) []Script {
	slices.SortStableFunc(scripts, func(a, b Script) int {
		return cmp.Or(
			-cmp.Compare(a.Kind, b.Kind), // V before R
			slices.Compare(a.Version, b.Version),
			cmp.Compare(a.Name, b.Name),
		)
	})
	return scripts
}

// distinct names the scripts of one version; they are in order.
func distinct(scripts []Script) []error {
	var faults []error
	for i := 1; i < len(scripts); i++ {
		if scripts[i].Kind == Versioned && slices.Equal(scripts[i-1].Version, scripts[i].Version) {
			faults = append(faults, fmt.Errorf("scripts %s and %s have the same version", scripts[i-1].Name, scripts[i].Name))
		}
	}
	return faults
}

// Checksum tells whether a script changed. A versioned one counts as it
// stands, since a later deployment may have other values of its variables; a
// repeatable one counts with them.
func (s Script) Checksum() string {
	text := s.Body
	if s.Kind == Repeatable {
		text = s.Rendered
	}
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}
