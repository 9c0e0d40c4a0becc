// Package restore compares the objects and the grants of firn's database with those of
// the migration scripts, and restores the missing ones. A dropped table comes back with
// its rows, as long as Snowflake can undrop it.
package restore

import (
	"regexp"
	"slices"
	"strings"

	"github.com/firn-data/firn/internal/snowflake/migrate"
)

// kind is the kind of an object, in lower case.
type kind string

const (
	table      kind = "table"
	view       kind = "view"
	stage      kind = "stage"
	fileFormat kind = "file format"
	schema     kind = "schema"
)

// object is an object that the scripts make.
type object struct {
	kind kind
	// name is the qualified name in upper case.
	name string
	// script is the name of the script with the CREATE statement.
	script string
	// statements are the CREATE statement and each later ALTER statement, in order.
	statements []string
}

// String returns the kind and the name.
func (o object) String() string { return string(o.kind) + " " + o.name }

// schemaOf returns the schema of an object's qualified name.
func schemaOf(name string) string { return name[:max(strings.LastIndex(name, "."), 0)] }

// statementHead matches the statements that make, change or end an object. Names in
// quotes don't match: firn's scripts have none.
var statementHead = regexp.MustCompile(`(?is)^(create|alter|drop)\s+(?:or\s+replace\s+)?(?:transient\s+|secure\s+)*` +
	`(table|view|stage|file\s+format|schema)\s+(?:if\s+(?:not\s+)?exists\s+)?([\w$]+(?:\.[\w$]+){0,2})\b(.*)$`)

var renames = regexp.MustCompile(`(?is)^\s+rename\s+to\b`)

// objectsOf returns the objects of the database that exist after the scripts, in the
// order of their creation. The scripts must be in the order of their run.
func objectsOf(scripts []migrate.Script, database string) []object {
	var objects []object
	for _, script := range scripts {
		for _, statement := range migrate.Split(script.Rendered) {
			head := statementHead.FindStringSubmatch(migrate.WithoutComments(statement))
			if head == nil {
				continue
			}
			o := object{kind: kind(words(head[2])), script: script.Name, statements: []string{statement}}
			o.name = qualified(database, head[3], o.kind)
			if !strings.HasPrefix(o.name, strings.ToUpper(database)+".") {
				continue
			}
			i := slices.IndexFunc(objects, func(other object) bool { return other.String() == o.String() })
			switch verb := strings.ToLower(head[1]); {
			case verb == "drop" || renames.MatchString(head[4]):
				if i >= 0 {
					objects = slices.Delete(objects, i, i+1)
				}
			case verb == "create" && i < 0:
				objects = append(objects, o)
			case verb == "create":
				objects[i] = o
			case i >= 0:
				objects[i].statements = append(objects[i].statements, statement)
			}
		}
	}
	return objects
}

// qualified returns the name of an object with its database, in upper case.
func qualified(database, name string, k kind) string {
	parts := strings.Split(name, ".")
	if wanted := 3; len(parts) < wanted && k != schema || len(parts) < 2 {
		name = database + "." + name
	}
	return strings.ToUpper(name)
}

// words returns a text in lower case, with one space between two words.
func words(text string) string { return strings.ToLower(strings.Join(strings.Fields(text), " ")) }
