package restore

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/snowflake"
)

// existing has the objects that the role of the session can see.
type existing struct {
	// objects has the kind and the name of each object.
	objects map[string]bool
	// dropped has the names of the tables that Snowflake can undrop.
	dropped map[string]bool
}

func (e existing) has(o object) bool { return e.objects[o.String()] }

// tables returns the names of the tables of a schema, sorted.
func (e existing) tables(inSchema string) []string {
	var names []string
	for _, text := range slices.Sorted(maps.Keys(e.objects)) {
		if name, found := strings.CutPrefix(text, string(table)+" "); found && schemaOf(name) == inSchema {
			names = append(names, name)
		}
	}
	return names
}

// shown has the SHOW statement of each kind. Tables come with their dropped versions
// (docs.snowflake.com, sql-reference/sql/show-tables).
var shown = map[kind]string{
	table:      "show tables history in schema ",
	view:       "show views in schema ",
	stage:      "show stages in schema ",
	fileFormat: "show file formats in schema ",
}

// look reads the schemas of the database, and the objects of the same kinds and schemas
// as the wanted objects. A missing schema has no objects.
func (r *Restorer) look(ctx context.Context, wanted []object) (existing, error) {
	found := existing{objects: make(map[string]bool), dropped: make(map[string]bool)}
	schemas, err := r.Session.Query(ctx, "list schemas", "show schemas in database "+r.Database)
	if err != nil {
		return found, err
	}
	for i := range schemas.Rows {
		found.objects[object{kind: schema, name: strings.ToUpper(r.Database + "." + schemas.Text(i, "name"))}.String()] = true
	}
	asked := make(map[string]bool)
	for _, o := range wanted {
		in := schemaOf(o.name)
		statement := shown[o.kind] + in
		if o.kind == schema || asked[statement] || !found.has(object{kind: schema, name: in}) {
			continue
		}
		asked[statement] = true
		result, err := r.Session.Query(ctx, "list objects", statement)
		if err != nil {
			return found, err
		}
		found.add(o.kind, in, result)
	}
	return found, nil
}

func (e existing) add(k kind, inSchema string, result snowflake.Result) {
	var dropped []string
	for i := range result.Rows {
		name := inSchema + "." + result.Text(i, "name")
		if result.Text(i, "dropped_on") != "" {
			dropped = append(dropped, name)
			continue
		}
		e.objects[object{kind: k, name: name}.String()] = true
	}
	for _, name := range dropped {
		if !e.has(object{kind: table, name: name}) {
			e.dropped[name] = true
		}
	}
}

// missingSchemaFault returns the fault of a missing schema.
func missingSchemaFault(name string) *fault.Fault {
	f := fault.Permanentf("look for objects", fault.TableMissing, "schema %s doesn't exist, or the role of this session can't see it", name)
	f.Hint = "If the schema was dropped, run `firn query 'undrop schema " + name + "'`, then `firn migrate`. If not, use a role that owns the schema."
	return f
}
