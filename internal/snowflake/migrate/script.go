// Package migrate runs the scripts in snowflake/ in a Snowflake account and records
// each script in OPS.CHANGE_HISTORY. The script names follow schemachange.
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

// Kind is the kind of a script: versioned or repeatable.
type Kind string

const (
	// Versioned scripts (V1.2.0__name.sql) run once, in the order of their versions. A
	// changed script is refused after its run.
	Versioned Kind = "V"
	// Repeatable scripts (R__name.sql) run after the versioned scripts, and again after
	// each change of the script or of its variables.
	Repeatable Kind = "R"
)

// Script is one file of statements.
type Script struct {
	// Name is the file's name without a folder, and the script's key in the history.
	Name string
	Kind Kind
	// Version orders the versioned scripts; nil for a repeatable script.
	Version []int
	// Body is the text of the file. Rendered is the text with the values of the
	// variables.
	Body, Rendered string
}

var (
	versionedName  = regexp.MustCompile(`^V([0-9]+(?:[._][0-9]+)*)__\w+\.sql$`)
	repeatableName = regexp.MustCompile(`^R__\w+\.sql$`)
	variable       = regexp.MustCompile(`\{\{\s*(\w+)\s*(\|\s*default\('([^']*)'\)\s*)?\}\}`)
)

// Parse makes a script of a file and replaces the variables. {{ name }} becomes the
// variable's value, and {{ name | default('value') }} has a default. A variable without
// a value and without a default is an error. schemachange reads both forms the same
// way, as Jinja templates.
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
		return Script{}, fmt.Errorf("script %s: the name must be V<version>__<words>.sql or R__<words>.sql", name)
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

// Read parses every .sql file at the root of the file system and returns the scripts in
// the order of their run. The error contains the errors of all files, and an error for
// each unused variable.
func Read(files fs.FS, variables map[string]string) ([]Script, error) {
	names, err := fs.Glob(files, "*.sql")
	if err != nil {
		return nil, fmt.Errorf("list scripts: %w", err)
	}
	var scripts []Script
	var faults []error
	used := make(map[string]bool)
	for _, name := range names {
		body, err := fs.ReadFile(files, name)
		if err != nil {
			faults = append(faults, err)
			continue
		}
		for _, parts := range variable.FindAllStringSubmatch(string(body), -1) {
			used[parts[1]] = true
		}
		script, err := Parse(name, string(body), variables)
		if err != nil {
			faults = append(faults, err)
			continue
		}
		scripts = append(scripts, script)
	}
	scripts = sorted(scripts)
	faults = append(faults, duplicateVersions(scripts)...)
	return scripts, errors.Join(append(faults, unusedVariables(used, variables)...)...)
}

// unusedVariables returns an error for each unused variable. Without this check, a
// misspelt variable would leave the default in effect.
func unusedVariables(used map[string]bool, variables map[string]string) []error {
	var faults []error
	for _, name := range slices.Sorted(maps.Keys(variables)) {
		if !used[name] {
			faults = append(faults, fmt.Errorf("variable %s: no script uses this variable", name))
		}
	}
	return faults
}

// sorted sorts versioned scripts by version, then repeatable scripts by name.
func sorted(scripts []Script) []Script {
	slices.SortStableFunc(scripts, func(a, b Script) int {
		return cmp.Or(
			-cmp.Compare(a.Kind, b.Kind), // V before R
			slices.Compare(a.Version, b.Version),
			cmp.Compare(a.Name, b.Name),
		)
	})
	return scripts
}

// duplicateVersions returns an error for each pair of scripts with the same version.
// The scripts must be sorted.
func duplicateVersions(scripts []Script) []error {
	var faults []error
	for i := 1; i < len(scripts); i++ {
		if scripts[i].Kind == Versioned && slices.Equal(scripts[i-1].Version, scripts[i].Version) {
			faults = append(faults, fmt.Errorf("scripts %s and %s have the same version", scripts[i-1].Name, scripts[i].Name))
		}
	}
	return faults
}

// Checksum returns the SHA-256 of the script's text, in hexadecimal. For a versioned
// script, the text is Body, since a later deployment may have other values of
// variables. For a repeatable script, the text is Rendered.
func (s Script) Checksum() string {
	text := s.Body
	if s.Kind == Repeatable {
		text = s.Rendered
	}
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}
