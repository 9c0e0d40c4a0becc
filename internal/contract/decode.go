package contract

import (
	"path"
	"regexp"
	"slices"
	"strings"
	"time"
)

// reader makes a Contract from a document with a checked shape, and reports invalid
// values. A value of the wrong kind reads as absent, because the check already reported
// the value.
type reader struct{ checker }

var (
	standardVersion = regexp.MustCompile(`^v3\.1\.[0-9]+$`)
	semanticVersion = regexp.MustCompile(`^[0-9]+\.[0-9]+\.[0-9]+$`)
	datasetName     = regexp.MustCompile(`^([a-z][a-z0-9]*)\.([a-z][a-z0-9]*)$`)
	statuses        = []string{"proposed", "draft", "active", "deprecated", "retired"}
)

// read returns the contract with defaults. After reported problems the contract is
// incomplete.
func (r *reader) read(root value) *draft {
	c := &Contract{
		File: r.file, Format: CSV, Delimiter: ',', Encoding: UTF8, Engine: AutoEngine,
		MaxRejectRatio: 0.05, MaxRejects: 10, MaxUnique: DefaultMaxUnique, LoadEvery: time.Minute,
		Mode: Append, DuplicateContent: WarnDuplicate, OnDelete: KeepOnDelete, QuotedNull: QuotedIsNull, NewColumns: ReportNewColumns,
	}
	d := &draft{contract: c, name: root, prefix: root, mode: root}
	r.readHeader(root, d)
	r.readFirnProperties(root, d)
	r.readSLA(root, c)
	if tables, ok := root.get("schema", list); ok {
		r.readSchema(tables, c)
	}
	if len(c.Columns) > 0 {
		r.checkMode(d)
	}
	return d
}

// readHeader reads the keys at the top: versions, name, status and purpose.
func (r *reader) readHeader(root value, d *draft) {
	c := d.contract
	r.matches(root, "apiVersion", standardVersion, "firn reads ODCS v3.1: use v3.1.0")
	r.matches(root, "version", semanticVersion, `use three numbers, such as "1.0.0"`)
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

// matches reports the member with the name if the pattern doesn't match.
func (r *reader) matches(v value, name string, pattern *regexp.Regexp, hint string) {
	if member, ok := v.get(name, text); ok && !pattern.MatchString(member.node.Value) {
		r.reportf(member, "%q is invalid; %s", member.node.Value, hint)
	}
}

// readName takes source and entity from the name, and compares both with the folders of
// the file.
func (r *reader) readName(v value, c *Contract) {
	match := datasetName.FindStringSubmatch(v.node.Value)
	if match == nil {
		r.reportf(v, "%q must be <source>.<entity>: two words of lower-case letters and digits that begin with a letter", v.node.Value)
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

// readSchema reads the only table of the contract.
func (r *reader) readSchema(tables value, c *Contract) {
	all := tables.items()
	if len(all) != 1 {
		r.reportf(tables, "a contract must have 1 table, not %d", len(all))
		return
	}
	table := all[0]
	if v, ok := table.get("name", text); ok && c.Entity != "" && v.node.Value != c.Entity {
		r.reportf(v, "must be the entity, %q, not %q", c.Entity, v.node.Value)
	}
	if v, ok := table.get("physicalName", text); ok && c.Entity != "" && !strings.EqualFold(v.node.Value, c.Table()) {
		r.reportf(v, "the name of the table is %s: use this name or remove physicalName", c.Table())
	}
	if v, ok := table.get("logicalType", text); ok && v.node.Value != "object" {
		r.reportf(v, "the logicalType of a table must be object")
	}
	for _, p := range customPropertiesOf(table) {
		if strings.HasPrefix(p.name, firnPrefix) {
			r.reportf(p.at, "%s belongs in the customProperties of the contract, not of the table", p.name)
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
	// at is the place of the name, and value the value of the property.
	at, value value
}

const firnPrefix = "firn."

// customPropertiesOf returns the custom properties of v with a name and a value.
func customPropertiesOf(v value) []customProperty {
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

// paragraph joins the lines of a text with single spaces.
func paragraph(s string) string { return strings.Join(strings.Fields(s), " ") }

// reportOnce reports a name that is in seen, and adds a new name to seen. It returns
// whether the name is new. noun is the noun before the name in the message.
func (r *reader) reportOnce(seen map[string]value, name string, at value, noun string) bool {
	if first, ok := seen[name]; ok {
		r.reportf(at, "%s %q is already in line %d", noun, name, first.node.Line)
		return false
	}
	seen[name] = at
	return true
}
