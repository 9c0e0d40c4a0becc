package migrate

import (
	"io/fs"
	"slices"

	"github.com/firn-data/firn/internal/snowflake/ddl"
)

// Files returns the scripts for a project's datasets. firn's own scripts are in one
// folder, and the scripts for the project's contracts in the other. Both may be the
// same folder.
func Files(own, project fs.FS) fs.GlobFS { return files{own: own, project: project} }

type files struct{ own, project fs.FS }

// Open implements fs.FS.
func (f files) Open(name string) (fs.File, error) {
	if ddl.IsGenerated(name) {
		return f.project.Open(name)
	}
	return f.own.Open(name)
}

// Glob implements fs.GlobFS.
func (f files) Glob(pattern string) ([]string, error) {
	own, err := fs.Glob(f.own, pattern)
	if err != nil {
		return nil, err
	}
	generated, err := fs.Glob(f.project, pattern)
	if err != nil {
		return nil, err
	}
	names := append(slices.DeleteFunc(own, ddl.IsGenerated), slices.DeleteFunc(generated, func(name string) bool { return !ddl.IsGenerated(name) })...)
	slices.Sort(names)
	return names, nil
}
