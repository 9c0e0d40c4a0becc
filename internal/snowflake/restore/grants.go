package restore

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/firn-data/firn/internal/contract"
	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/snowflake"
	"github.com/firn-data/firn/internal/snowflake/ddl"
	"github.com/firn-data/firn/internal/snowflake/migrate"
)

// privilege is one privilege of a grantee on one object, or one role of a grantee.
type privilege struct {
	// grantee is for example "role FIRN_LOADER" or "user FIRN_LOADER".
	grantee string
	// on is the kind of the object and its name, for example "table FIRN.RAW.SHOP_ORDER"
	// or "role FIRN_LOADER". For a future grant on is for example "future tables in
	// schema FIRN.RAW".
	on string
	// name is in lower case, for example "select". A role has the privilege "usage".
	name string
}

const (
	ownership = "ownership"
	usage     = "usage"
	future    = "future "
)

// GrantResult is the result of a comparison of grants.
type GrantResult struct {
	Steps []Step
	// Unseen are sentences about grants that the role of the session can't see.
	Unseen []string
}

// PlanGrants returns the steps of Grants, and changes nothing.
func (r *Restorer) PlanGrants(ctx context.Context) (GrantResult, error) {
	tasks, unseen, err := r.planGrants(ctx)
	return GrantResult{Steps: stepsOf(tasks), Unseen: unseen}, err
}

// Grants grants the missing privileges of the scripts to the scripts' roles and users,
// and returns the made steps. Call Grants after the other restorations: only existing
// objects are compared.
//
// Grants compares the database, its schemas and objects, the future grants, the
// warehouses, and the roles of roles and users. Grants on integrations, resource
// monitors and users need an account's administrator, so Grants leaves them out.
func (r *Restorer) Grants(ctx context.Context) (GrantResult, error) {
	tasks, unseen, planErr := r.planGrants(ctx)
	groups := make([]group, len(tasks))
	for i, t := range tasks {
		groups[i].tasks = []task{t}
	}
	steps, err := r.runAll(ctx, groups, planErr)
	return GrantResult{Steps: steps, Unseen: unseen}, err
}

func (r *Restorer) planGrants(ctx context.Context) ([]task, []string, error) {
	scripts := slices.DeleteFunc(slices.Clone(r.Scripts), func(s migrate.Script) bool { return r.Pending[s.Name] })
	if len(scripts) == 0 {
		return nil, nil, nil
	}
	objects := r.grantedObjects(scripts)
	found, err := r.look(ctx, objects)
	if err != nil {
		return nil, nil, err
	}
	objects = slices.DeleteFunc(objects, func(o object) bool { return !found.has(o) })
	wanted := slices.DeleteFunc(privilegesOf(scripts, r.Database, objects), func(p privilege) bool { return isMissing(p.on, found) })
	held, unseen, err := r.readPrivileges(ctx, wanted)
	if err != nil {
		return nil, nil, err
	}
	return r.missingGrants(wanted, held), unseen, nil
}

// isMissing reports whether the object of a grant is in a schema, and doesn't exist.
func isMissing(on string, found existing) bool {
	for k := range shown {
		if strings.HasPrefix(on, string(k)+" ") {
			return !found.objects[on]
		}
	}
	return false
}

// grantedObjects returns the objects of the scripts, the change history and the views of
// current rows.
func (r *Restorer) grantedObjects(scripts []migrate.Script) []object {
	objects := append(objectsOf(scripts, r.Database), object{kind: table, name: r.History})
	for _, c := range r.Contracts {
		if c.Mode != contract.Append {
			objects = append(objects, object{kind: view, name: qualified(r.Database, ddl.ViewName(c), view)})
		}
	}
	return objects
}

// missingGrants returns a task for each grantee and object with missing privileges. An
// owner has every privilege.
func (r *Restorer) missingGrants(wanted []privilege, held map[privilege]bool) []task {
	var tasks []task
	var steps []Step
	for _, p := range wanted {
		if held[p] || held[privilege{p.grantee, p.on, ownership}] {
			continue
		}
		last := len(steps) - 1
		if last >= 0 && steps[last].Grantee == p.grantee && steps[last].Object == p.on && p.name != ownership {
			steps[last].Privileges += ", " + p.name
			continue
		}
		steps = append(steps, Step{Action: Grant, Object: p.on, Privileges: p.name, Grantee: p.grantee})
	}
	for _, step := range steps {
		tasks = append(tasks, r.grantTask(step))
	}
	return tasks
}

func (r *Restorer) grantTask(step Step) task {
	statement := grantText(step.Privileges, step.Object, step.Grantee)
	if step.Privileges == ownership && !strings.HasPrefix(step.Object, future) {
		statement += " copy current grants"
	}
	return task{step: step, run: func(ctx context.Context) error {
		_, err := r.Session.Query(ctx, "grant privileges", statement)
		if fault.Is(err, fault.AccessDenied) {
			f := *fault.As(err)
			f.Hint = "The role of this session may not grant these privileges. Run `firn migrate` as FIRN_ADMIN, or as ACCOUNTADMIN."
			return &f
		}
		return err
	}}
}

// grantText returns the GRANT statement for privileges on an object, or for a role.
func grantText(privileges, on, grantee string) string {
	if privileges == usage && strings.HasPrefix(on, "role ") {
		return "grant " + on + " to " + grantee
	}
	return "grant " + privileges + " on " + on + " to " + grantee
}

var (
	grantsRole = regexp.MustCompile(`(?is)^(?:grant|revoke)\s+role\s+([\w$]+)\s+(?:to|from)\s+(role|user)\s+([\w$]+)\b`)
	grantsMany = regexp.MustCompile(`(?is)^(?:grant|revoke)\s+([\w\s,]+?)\s+on\s+(all|future)\s+(tables|views)\s+in\s+schema\s+([\w$.]+)\s+(?:to|from)\s+role\s+([\w$]+)\b`)
	grantsOne  = regexp.MustCompile(`(?is)^(?:grant|revoke)\s+([\w\s,]+?)\s+on\s+(table|view|stage|file\s+format|schema|database|warehouse)\s+([\w$.]+)\s+(?:to|from)\s+role\s+([\w$]+)\b`)
	makesRole  = regexp.MustCompile(`(?is)^create\s+(role|user)\s+(?:if\s+not\s+exists\s+)?([\w$]+)`)
)

// privilegesOf returns the privileges after the scripts, sorted, of the roles and users
// that the scripts make. A grant on all tables or on future tables is a grant on each
// table of the schema among the objects.
func privilegesOf(scripts []migrate.Script, database string, objects []object) []privilege {
	grantees := make(map[string]bool)
	privileges := make(map[privilege]bool)
	for _, script := range scripts {
		for _, statement := range migrate.Split(script.Rendered) {
			text := migrate.WithoutComments(statement)
			if made := makesRole.FindStringSubmatch(text); made != nil {
				grantees[granteeOf(made[1], made[2])] = true
			}
			granted := !strings.EqualFold(text[:min(len(text), len("revoke"))], "revoke")
			for _, p := range privilegesIn(text, database, objects) {
				if granted && p.name == ownership { // an object has one owner
					maps.DeleteFunc(privileges, func(other privilege, _ bool) bool { return other.name == ownership && other.on == p.on })
				}
				privileges[p] = granted
			}
		}
	}
	maps.DeleteFunc(privileges, func(p privilege, granted bool) bool { return !granted || !grantees[p.grantee] })
	return slices.SortedFunc(maps.Keys(privileges), func(a, b privilege) int {
		return slices.Compare([]string{a.grantee, a.on, a.name}, []string{b.grantee, b.on, b.name})
	})
}

// privilegesIn returns the privileges of one GRANT or REVOKE; none for another statement
// and for ALL, whose meaning can grow.
func privilegesIn(statement, database string, objects []object) []privilege {
	if role := grantsRole.FindStringSubmatch(statement); role != nil {
		return []privilege{{granteeOf(role[2], role[3]), "role " + strings.ToUpper(role[1]), usage}}
	}
	var targets []string
	parts := grantsMany.FindStringSubmatch(statement)
	if parts != nil {
		targets = manyTargets(words(parts[2]), words(parts[3]), qualified(database, parts[4], schema), objects)
	} else if parts = grantsOne.FindStringSubmatch(statement); parts != nil {
		targets = []string{targetOf(words(parts[2]), parts[3], database)}
	} else {
		return nil
	}
	var privileges []privilege
	for _, on := range targets {
		for name := range strings.SplitSeq(parts[1], ",") {
			if name = words(name); name != "all" && name != "all privileges" {
				privileges = append(privileges, privilege{granteeOf("role", parts[len(parts)-1]), on, name})
			}
		}
	}
	return privileges
}

// manyTargets returns the objects of a grant on "all" or "future" tables or views.
func manyTargets(when, kinds, in string, objects []object) []string {
	targets := objectsIn(objects, kind(strings.TrimSuffix(kinds, "s")), in)
	if when == "future" {
		targets = append(targets, future+kinds+" in schema "+in)
	}
	return targets
}

func granteeOf(kindOfGrantee, name string) string {
	return words(kindOfGrantee) + " " + strings.ToUpper(name)
}

// objectsIn returns the objects of a kind in a schema, each with its kind.
func objectsIn(objects []object, k kind, inSchema string) []string {
	var names []string
	for _, o := range objects {
		if o.kind == k && schemaOf(o.name) == inSchema {
			names = append(names, o.String())
		}
	}
	return names
}

// targetOf returns the object of a grant with its kind.
func targetOf(k, name, database string) string {
	switch k {
	case "database", "warehouse":
		return k + " " + strings.ToUpper(name)
	}
	return object{kind: kind(k), name: qualified(database, name, kind(k))}.String()
}

// readPrivileges reads the privileges of the wanted grantees, and the future grants of
// their schemas (docs.snowflake.com, sql-reference/sql/show-grants). A refused answer is
// a sentence in unseen, and counts as if every wanted privilege were granted.
func (r *Restorer) readPrivileges(ctx context.Context, wanted []privilege) (held map[privilege]bool, unseen []string, err error) {
	held = make(map[privilege]bool)
	asked := make(map[string]bool)
	for _, p := range wanted {
		statement := "show grants to " + p.grantee
		_, in, isFuture := strings.Cut(p.on, " in schema ")
		if isFuture {
			statement = "show future grants in schema " + in
		}
		if asked[statement] {
			continue
		}
		asked[statement] = true
		result, err := r.Session.Query(ctx, "read grants", statement)
		switch f := fault.As(err); {
		case err == nil && isFuture:
			addFuture(held, result, in)
		case err == nil:
			addGrants(held, result, p.grantee)
		case f.Code == fault.AccessDenied || f.Code == fault.TableMissing:
			unseen = append(unseen, fmt.Sprintf("The role of this session can't run `%s`: %v", statement, errors.Unwrap(f)))
			assume(held, wanted, statement)
		default:
			return nil, nil, err
		}
	}
	return held, unseen, nil
}

// assume marks the privileges that the statement would have shown.
func assume(held map[privilege]bool, wanted []privilege, statement string) {
	for _, p := range wanted {
		_, in, isFuture := strings.Cut(p.on, " in schema ")
		if isFuture && statement == "show future grants in schema "+in || !isFuture && statement == "show grants to "+p.grantee {
			held[p] = true
		}
	}
}

// addGrants adds the rows of SHOW GRANTS TO ROLE or TO USER. The kinds are in upper case
// with an underscore, for example FILE_FORMAT. Before the bundle 2025_01 the rows of a
// user had only the column "role".
func addGrants(held map[privilege]bool, result snowflake.Result, grantee string) {
	for i := range result.Rows {
		k, name := words(strings.ReplaceAll(result.Text(i, "granted_on"), "_", " ")), result.Text(i, "name")
		if role := result.Text(i, "role"); role != "" {
			k, name = "role", role
		}
		p := privilege{grantee, k + " " + strings.ReplaceAll(name, `"`, ""), words(result.Text(i, "privilege"))}
		if k == "role" {
			p.name = usage
		}
		held[p] = true
	}
}

// addFuture adds the rows of SHOW FUTURE GRANTS. The name of a row is for example
// FIRN.RAW.<TABLE>.
func addFuture(held map[privilege]bool, result snowflake.Result, in string) {
	for i := range result.Rows {
		k := words(strings.ReplaceAll(result.Text(i, "grant_on"), "_", " "))
		grantee := granteeOf(result.Text(i, "grant_to"), result.Text(i, "grantee_name"))
		held[privilege{grantee, future + k + "s in schema " + in, words(result.Text(i, "privilege"))}] = true
	}
}
