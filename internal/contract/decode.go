package contract

import (
	"path"
	"regexp"
	"slices"
	"strings"
	"time"
)

// reader makes a Contract of a document whose shape was checked, and reports
// values that mean nothing to firn. A value of the wrong kind was reported by
// the check and reads as absent.
type reader struct{ checker }

var (
	standardVersion = regexp.MustCompile(`^v3\.1\.[0-9]+$`)
	semantic        = regexp.MustCompile(`^[0-9]+\.[0-9]+\.[0-9]+$`)
	datasetName     = regexp.MustCompile(`^([a-z][a-z0-9]*)\.([a-z][a-z0-9]*)$`)
	statuses        = []string{"proposed", "draft", "active", "deprecated", "retired"}
)

// read returns the contract with its defaults, as far as it could be read.
func (r *reader) read(root value) *draft {
	c := &Contract{
		File: r.file, Format: CSV, Delimiter: ',', Encoding: UTF8, Engine: AutoEngine,
		MaxRejectRatio: 0.05, MaxRejects: 10, MaxUnique: DefaultMaxUnique, LoadEvery: time.Minute,
		Mode: Append, DuplicateContent: WarnDuplicate,
	}
	d := &draft{contract: c, name: root, prefix: root, mode: root}
	r.readHeader(root, d)
	r.readFirnProperties(root, d)
	if tables, ok := root.get("schema", list); ok {
		r.readSchema(tables, c)
	}
	if len(c.Columns) > 0 {
		r.checkMode(d)
	}
	return d
}

// readHeader reads what stands at the top: versions, name, status and purpose.
func (r *reader) readHeader(root value, d *draft) {
	c := d.contract
	r.matches(root, "apiVersion", standardVersion, "firn reads ODCS v3.1: say v3.1.0")
	r.matches(root, "version", semantic, `say it as "1.0.0": three numbers`)
	c.Version = root.text("version")
	if v, ok := root.get("kind", text); ok && v.node.Value != "DataContract" {
		r.reportf(v, "must be DataContract")
	}
	if v, ok := root.get("status", text); ok && !slices.Contains(statuses, v.node.Value) {
		r.reportf(v, "must be one of %s", strings.Join(statuses, ", "))
	}
	if v, ok := root.get("name", text); ok {
		d.name, d.prefix = v, v
		r.readName(v, c)
	}
	if v, ok := root.get("description", object); ok {
		c.Description = paragraph(v.text("purpose"))
	}
}

// matches reports the member of that name if the pattern doesn't match it.
func (r *reader) matches(v value, name string, pattern *regexp.Regexp, hint string) {
	if member, ok := v.get(name, text); ok && !pattern.MatchString(member.node.Value) {
		r.reportf(member, "%q isn't right; %s", member.node.Value, hint)
	}
}

// readName takes source and entity from the name and holds the file's folders
// against them.
func (r *reader) readName(v value, c *Contract) {
	match := datasetName.FindStringSubmatch(v.node.Value)
	if match == nil {
		r.reportf(v, "%q must be <source>.<entity>, each one word of lower-case letters and digits", v.node.Value)
		return
	}
	c.Source, c.Entity = match[1], match[2]
	c.KeyPrefix = c.Source + "/" + c.Entity + "/"
	entityFolder := path.Dir(path.Clean(strings.ReplaceAll(r.file, `\`, "/")))
	sourceFolder := path.Dir(entityFolder)
	if isRootFolder(entityFolder) || isRootFolder(sourceFolder) {
		return
	}
	if folder := path.Base(sourceFolder) + "/" + path.Base(entityFolder); folder != c.Source+"/"+c.Entity {
		r.reportf(v, "the dataset %s belongs in the folder %s/%s, not %s", c.Dataset(), c.Source, c.Entity, folder)
	}
}

func isRootFolder(folder string) bool { return folder == "." || folder == "/" }

// readSchema reads the one table of the contract.
func (r *reader) readSchema(tables value, c *Contract) {
	all := tables.items()
	if len(all) != 1 {
		r.reportf(tables, "firn reads one table a contract, this has %d", len(all))
		return
	}
	table := all[0]
	if v, ok := table.get("name", text); ok && c.Entity != "" && v.node.Value != c.Entity {
		r.reportf(v, "must be the entity, %q, not %q", c.Entity, v.node.Value)
	}
	if v, ok := table.get("physicalName", text); ok && c.Entity != "" && !strings.EqualFold(v.node.Value, c.Table()) {
		r.reportf(v, "the table is called %s; leave this out or say so", c.Table())
	}
	if v, ok := table.get("logicalType", text); ok && v.node.Value != "object" {
		r.reportf(v, "a table's logicalType is object")
	}
	for _, p := range customOf(table) {
		if strings.HasPrefix(p.name, firnPrefix) {
			r.reportf(p.at, "%s belongs in the customProperties of the contract itself", p.name)
		}
	}
	properties, ok := table.get("properties", list)
	if !ok {
		return
	}
	if len(properties.items()) == 0 {
		r.reportf(properties, "a table needs a column")
	}
	r.readColumns(properties.items(), c)
}

// customProperty is one entry of a customProperties list.
type customProperty struct {
	name string
	// at is where the name stands, value its value.
	at, value value
}

const firnPrefix = "firn."

// customOf returns v's custom properties that have a name and a value.
func customOf(v value) []customProperty {
	entries, _ := v.get("customProperties", list)
	var found []customProperty
	for _, entry := range entries.items() {
		at, named := entry.get("property", text)
		content, valued := entry.get("value", anything)
		if named && valued {
			found = append(found, customProperty{at.node.Value, at, content})
		}
	}
	return found
}

// paragraph joins the lines of a text by single spaces.
func paragraph(s string) string { return strings.Join(strings.Fields(s), " ") }

// reportOnce reports a name that was seen before, else remembers it; it tells
// whether the name is new.
func (r *reader) reportOnce(seen map[string]value, name string, at value, what string) bool {
	if first, ok := seen[name]; ok {
		r.reportf(at, "%s %q stands in line %d already", what, name, first.node.Line)
		return false
	}
	seen[name] = at
	return true
}
