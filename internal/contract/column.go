package contract

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// columnName matches a Snowflake identifier without quotes
// (https://docs.snowflake.com/en/sql-reference/identifiers-syntax). A name can't begin
// with an underscore, because the names _firn_… belong to firn. jsonPath matches a JSON
// pointer (RFC 6901).
var (
	columnName = regexp.MustCompile(`^[a-z][a-z0-9_]{0,126}$`)
	jsonPath   = regexp.MustCompile(`^(/([^~/]|~[01])*)*$`)
)

// readColumns reads the columns of the table. It checks names, headers and the primary
// key across all columns.
func (r *reader) readColumns(properties []value, c *Contract) {
	names, headers := map[string]value{}, map[string]value{}
	for _, v := range properties {
		if !v.is(object) {
			continue
		}
		column := r.readColumn(v, c)
		at, ok := v.get("name", text)
		if ok && r.reportOnce(names, column.Name, at, "the column") && c.Format == CSV {
			if header, ok := v.get("physicalName", text); ok {
				at = header
			}
			r.reportOnce(headers, column.Header, at, "the header")
		}
		c.Columns = append(c.Columns, column)
	}
	r.checkPrimaryKey(properties, c)
}

// readColumn reads one column and fills in the defaults. The order of the calls
// matters: place, key and rules depend on the type.
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
		r.reportf(at, "%q must have at most 127 characters: lower-case letters, digits and underscores, with a letter first", name)
	case slices.Contains(reserved, name):
		r.reportf(at, "%q is a reserved word in Snowflake; give the column another name and put the file's name in physicalName or firn.path", name)
	}
}

// reserved holds the words that Snowflake doesn't accept as a column name without
// quotes: https://docs.snowflake.com/en/sql-reference/reserved-keywords
var reserved = strings.Fields(`all alter and any as between by case cast check column connect constraint create cross
	current current_date current_time current_timestamp current_user delete distinct drop else exists false following for
	from full grant group having ilike in increment inner insert intersect into is join lateral left like localtime
	localtimestamp minus natural not null of on or order qualify regexp revoke right rlike row rows sample select set some
	start table tablesample then to trigger true try_cast union unique update using values when whenever where with`)

// isHeader reports whether a contract can name the header of a CSV column.
func isHeader(text string) bool { return text != "" && !strings.ContainsAny(text, "\r\n") }

// readPlace reads the place of the value in a record: the header in CSV, the JSON
// pointer in NDJSON.
func (r *reader) readPlace(v value, column *Column, format Format) {
	if header, ok := v.get("physicalName", text); ok {
		column.Header = header.node.Value
		switch {
		case format == NDJSON:
			r.reportf(header, "is for CSV files only; for NDJSON set firn.path in customProperties")
		case !isHeader(column.Header):
			r.reportf(header, "must be one line of text")
		}
	}
	given := r.firnValues(v)
	for name, p := range given {
		if name != "firn.path" {
			r.reportf(p.at, "a column has no property %s%s", name, suggestion(name, []string{"firn.path"}))
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
		r.reportf(v, "is for firn.format ndjson only; for a CSV file set physicalName")
	case !jsonPath.MatchString(column.Path):
		r.reportf(v, `%q must be a JSON pointer such as "/properties/mag", or "" for the whole record`, column.Path)
	case column.Path == "" && column.Type != JSON && column.Type != "":
		r.reportf(v, "the whole record is an object: set logicalType to object")
	}
}

// noPosition is the default of primaryKeyPosition: the column has no position (ODCS
// v3.1.0, Schema).
const noPosition = -1

// readKey reads the column's position in the primary key. Without a position,
// PrimaryKey is noPosition until numberPrimaryKey has all columns. A double can't be in
// a key, because two spellings of one number would be two keys.
func (r *reader) readKey(v value, column *Column) {
	position, positioned := v.get("primaryKeyPosition", whole)
	number, isNumber := noPosition, true
	if positioned {
		number, isNumber = position.whole()
	}
	if !v.flag("primaryKey") {
		if number != noPosition || !isNumber {
			r.reportf(position, "the column isn't part of the primary key: set primaryKey to true or remove the position")
		}
		return
	}
	if !isNumber || number < 1 && number != noPosition {
		r.reportf(position, "must be a decimal number from 1, or -1 for no position")
		number = noPosition
	}
	column.PrimaryKey = number
	if required, ok := v.get("required", flag); ok && !column.Required {
		r.reportf(required, "every column of the primary key must be required")
	}
	if column.Type == JSON || column.Type == Double {
		r.reportf(v, "a %s can't be part of a primary key", column.Type)
	}
	column.Required = true
}

// numberPrimaryKey numbers the columns of the primary key in the order of the columns,
// if no column of the key has a position.
func numberPrimaryKey(c *Contract) {
	if slices.ContainsFunc(c.Columns, func(column Column) bool { return column.PrimaryKey > 0 }) {
		return
	}
	position := 0
	for i := range c.Columns {
		if c.Columns[i].PrimaryKey == noPosition {
			position++
			c.Columns[i].PrimaryKey = position
		}
	}
}

// checkPrimaryKey reports a primary key whose positions aren't 1, 2, 3 and so on. Only
// some columns with a position are such a key, too.
func (r *reader) checkPrimaryKey(properties []value, c *Contract) {
	numberPrimaryKey(c)
	var positions []int
	var last value
	for _, v := range properties {
		if v.flag("primaryKey") {
			last = v
		}
	}
	for _, column := range c.Columns {
		if column.PrimaryKey != 0 {
			positions = append(positions, column.PrimaryKey)
		}
	}
	slices.Sort(positions)
	for i, position := range positions {
		if position != i+1 {
			r.reportf(last, "primaryKeyPosition must number all %d columns of the primary key from 1, each number once, or none of them", len(positions))
			return
		}
	}
}

// has reports whether there is a member with the name.
func (v value) has(name string) bool {
	_, ok := v.get(name, anything)
	return ok
}

// decimalType matches decimal(precision,scale): the number of digits, and the number of
// digits after the point.
var decimalType = regexp.MustCompile(`^decimal\(([0-9]{1,2}), ?([0-9]{1,2})\)$`)

// readType takes the column's type from logicalType and, for numbers, from
// physicalType. ODCS has the same logicalType for exact and floating-point numbers. For
// other types, physicalType may only repeat firn's name of the type. So a contract
// never promises another type than the type in the table.
func (r *reader) readType(v value, column *Column) {
	logical, ok := v.get("logicalType", text)
	if !ok {
		if !v.has("logicalType") {
			r.reportf(v, "a column needs a logicalType (%s)", strings.Join(logicalTypes, ", "))
		}
		return
	}
	physical, hasPhysical := v.get("physicalType", text)
	switch name := logical.node.Value; name {
	case "string", "integer", "boolean", "date", "timestamp", "time":
		column.Type = Type(name)
	case "object", "array":
		column.Type = JSON
	case "number":
		r.readNumberType(logical, physical, hasPhysical, column)
		return
	default:
		r.reportf(logical, "%q is no logicalType of ODCS v3.1: use %s", name, strings.Join(logicalTypes, ", "))
		return
	}
	if hasPhysical && physical.node.Value != string(column.Type) {
		r.reportf(physical, "remove physicalType or set %q: firn derives the types of the table (lengths belong in logicalTypeOptions)", column.Type)
	}
}

var logicalTypes = []string{"string", "integer", "number", "boolean", "date", "timestamp", "time", "object", "array"}

// readNumberType separates exact numbers from floating-point numbers.
func (r *reader) readNumberType(logical, physical value, hasPhysical bool, column *Column) {
	if !hasPhysical {
		r.reportf(logical, "a number needs a physicalType: decimal(precision,scale) for exact numbers such as money, double for other numbers")
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
	column.Precision, _ = strconv.Atoi(match[1]) // the pattern allows at most two digits
	column.Scale, _ = strconv.Atoi(match[2])
	if column.Precision < 1 || column.Precision > 38 || column.Scale > column.Precision {
		r.reportf(physical, "the precision must be 1 to 38, and the scale at most the precision")
	}
}
