package contract

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// columnName is a Snowflake identifier that needs no quotes
// (https://docs.snowflake.com/en/sql-reference/identifiers-syntax) and can't begin with an underscore: _firn_… are firn's own.
// jsonPath is RFC 6901.
var (
	columnName = regexp.MustCompile(`^[a-z][a-z0-9_]{0,126}$`)
	jsonPath   = regexp.MustCompile(`^(/([^~/]|~[01])*)*$`)
)

// readColumns reads the table's columns and what holds between them.
func (r *reader) readColumns(properties []value, c *Contract) {
	names, headers := map[string]value{}, map[string]value{}
	for _, v := range properties {
		if !v.is(object) {
			continue
		}
		column := r.readColumn(v, c)
		at, ok := v.get("name", text)
		if ok && r.reportOnce(names, column.Name, at, "the column") && c.Format == CSV {
			if said, ok := v.get("physicalName", text); ok {
				at = said
			}
			r.reportOnce(headers, column.Header, at, "the header")
		}
		c.Columns = append(c.Columns, column)
	}
	r.checkPrimaryKey(properties, c)
}

// readColumn reads one column with its defaults filled in. The order matters:
// place, key and rules depend on the type.
func (r *reader) readColumn(v value, c *Contract) Column {
	column := Column{
		Name: v.text("name"), Description: paragraph(v.text("description")), Line: v.node.Line,
		Required: v.flag("required"), Unique: v.flag("unique"),
	}
	column.Header, column.Path = column.Name, "/"+column.Name
	r.checkName(v, column.Name)
	r.readType(v, &column)
	r.readPlace(v, &column, c.Format)
	r.readKey(v, &column)
	r.readRules(v, &column)
	return column
}

func (r *reader) checkName(v value, name string) {
	at, ok := v.get("name", text)
	switch {
	case !ok && !v.has("name"):
		r.reportf(v, "a column needs a name")
	case !ok:
	case !columnName.MatchString(name):
		r.reportf(at, "%q must be lower-case letters, digits and underscores, beginning with a letter, at most 127", name)
	case slices.Contains(reserved, name):
		r.reportf(at, "%q is a reserved word in Snowflake; name the column otherwise and keep the file's name in physicalName or firn.path", name)
	}
}

// reserved are the words that Snowflake doesn't take as a column's name without
// quotes: https://docs.snowflake.com/en/sql-reference/reserved-keywords
var reserved = strings.Fields(`all alter and any as between by case cast check column connect constraint create cross
	current current_date current_time current_timestamp current_user delete distinct drop else exists false following for
	from full grant group having ilike in increment inner insert intersect into is join lateral left like localtime
	localtimestamp minus natural not null of on or order qualify regexp revoke right rlike row rows sample select set some
	start table tablesample then to trigger true try_cast union unique update using values when whenever where with`)

// readPlace reads where the value stands in a record.
func (r *reader) readPlace(v value, column *Column, format Format) {
	if header, ok := v.get("physicalName", text); ok {
		column.Header = header.node.Value
		switch {
		case format == NDJSON:
			r.reportf(header, "names a CSV file's column; in NDJSON say customProperties firn.path")
		case column.Header == "" || strings.ContainsAny(column.Header, "\r\n"):
			r.reportf(header, "must be one line of text")
		}
	}
	given := r.firnValues(v)
	for name, p := range given {
		if name != "firn.path" {
			r.reportf(p.at, "firn knows no property %s of a column%s", name, suggestion(name, []string{"firn.path"}))
		}
	}
	if p, ok := given["firn.path"]; ok {
		r.readPath(p.value, column, format)
	}
}

// readPath reads the JSON pointer of an NDJSON column.
func (r *reader) readPath(v value, column *Column, format Format) {
	if !v.is(text) {
		r.reportf(v, "must be a text, not %s", v.describe())
		return
	}
	column.Path = v.node.Value
	switch {
	case format == CSV:
		r.reportf(v, "is for firn.format ndjson; in a CSV file say physicalName")
	case !jsonPath.MatchString(column.Path):
		r.reportf(v, `%q must be a JSON pointer such as "/properties/mag", or "" for the whole record`, column.Path)
	case column.Path == "" && column.Type != JSON && column.Type != "":
		r.reportf(v, "the whole record is an object: set logicalType to object")
	}
}

// readKey reads the column's place in the primary key. A key of one column needs
// no position; ODCS's own default, -1, means none. A double can't be a part: two
// spellings of one number would be two keys.
func (r *reader) readKey(v value, column *Column) {
	position, positioned := v.get("primaryKeyPosition", whole)
	if !v.flag("primaryKey") {
		if n, _ := position.whole(); positioned && n > 0 {
			r.reportf(position, "the column isn't part of the key: set primaryKey to true or leave this out")
		}
		return
	}
	column.PrimaryKey = 1
	if positioned {
		column.PrimaryKey, _ = position.whole() // out of range reads as 0 or less, which the check of the key reports
	}
	if required, ok := v.get("required", flag); ok && !column.Required {
		r.reportf(required, "a part of the primary key is required")
	}
	if column.Type == JSON || column.Type == Double {
		r.reportf(v, "a %s can't be part of a primary key", column.Type)
	}
	column.Required = true
}

// checkPrimaryKey reports a key whose positions aren't 1, 2, 3 and so on.
func (r *reader) checkPrimaryKey(properties []value, c *Contract) {
	var positions []int
	var last value
	for _, v := range properties {
		if v.flag("primaryKey") {
			last = v
		}
	}
	for _, column := range c.PrimaryKeyColumns() {
		positions = append(positions, column.PrimaryKey)
	}
	for i, position := range positions {
		if position != i+1 {
			r.reportf(last, "primaryKeyPosition must count the key's %d columns from 1, each once", len(positions))
			return
		}
	}
}

// has tells whether there is a member of that name.
func (v value) has(name string) bool {
	_, ok := v.get(name, anything)
	return ok
}

// decimalType says an exact number: digits in all, digits after the point.
var decimalType = regexp.MustCompile(`^decimal\(([0-9]{1,2}), ?([0-9]{1,2})\)$`)

// readType takes the column's type from logicalType and, for numbers, from
// physicalType: ODCS has one logicalType for exact and floating-point numbers.
// Elsewhere physicalType may only repeat firn's name of the type, so that it
// never promises a column that the table doesn't have.
func (r *reader) readType(v value, column *Column) {
	logical, ok := v.get("logicalType", text)
	if !ok {
		if !v.has("logicalType") {
			r.reportf(v, "a column needs a logicalType: %s", strings.Join(logicalTypes, ", "))
		}
		return
	}
	physical, said := v.get("physicalType", text)
	switch name := logical.node.Value; name {
	case "string", "integer", "boolean", "date", "timestamp", "time":
		column.Type = Type(name)
	case "object", "array":
		column.Type = JSON
	case "number":
		r.readNumberType(logical, physical, said, column)
		return
	default:
		r.reportf(logical, "%q is no logicalType of ODCS v3.1: say %s", name, strings.Join(logicalTypes, ", "))
		return
	}
	if said && physical.node.Value != string(column.Type) {
		r.reportf(physical, "leave this out or say %q: firn derives the table's types (lengths go into logicalTypeOptions)", column.Type)
	}
}

var logicalTypes = []string{"string", "integer", "number", "boolean", "date", "timestamp", "time", "object", "array"}

// readNumberType tells exact numbers from floating-point ones.
func (r *reader) readNumberType(logical, physical value, said bool, column *Column) {
	if !said {
		r.reportf(logical, "a number needs a physicalType: decimal(precision,scale) for exact numbers such as money, else double")
		return
	}
	if physical.node.Value == string(Double) {
		column.Type = Double
		return
	}
	match := decimalType.FindStringSubmatch(physical.node.Value)
	if match == nil {
		r.reportf(physical, "%q must be double or decimal(precision,scale)", physical.node.Value)
		return
	}
	column.Type = Decimal
	column.Precision, _ = strconv.Atoi(match[1]) // the pattern lets only two digits through
	column.Scale, _ = strconv.Atoi(match[2])
	if column.Precision < 1 || column.Precision > 38 || column.Scale > column.Precision {
		r.reportf(physical, "the precision is 1 to 38 and the scale at most the precision")
	}
}
