package restore_test

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	sf "github.com/snowflakedb/gosnowflake/v2"

	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/snowflake"
	"github.com/firn-data/firn/internal/snowflake/migrate"
	"github.com/firn-data/firn/internal/snowflake/restore"
)

// answers is a session with an answer for the beginning of a statement. The first line
// of an answer has the names of the columns, a row may lack its last values, and "!" is
// the number of an error. A statement without an answer has no row.
type answers struct {
	restore.Session

	texts map[string]string
	ran   []string
}

func (a *answers) Query(_ context.Context, op, statement string, _ ...any) (snowflake.Result, error) {
	a.ran = append(a.ran, statement)
	for start, text := range a.texts {
		if !strings.HasPrefix(statement, start) {
			continue
		}
		switch text {
		case "!3001":
			return snowflake.Result{}, snowflake.Fault(op, statement, &sf.SnowflakeError{Number: 3001, SQLState: "42501", Message: "Insufficient privileges"})
		case "!2003":
			return snowflake.Result{}, snowflake.Fault(op, statement, &sf.SnowflakeError{Number: 2003, SQLState: "02000", Message: "Role does not exist or not authorized."})
		}
		lines := strings.Split(text, "\n")
		result := snowflake.Result{Columns: strings.Fields(lines[0])}
		for _, line := range lines[1:] {
			row := make([]sql.NullString, len(result.Columns))
			for i, value := range strings.Fields(line) {
				row[i] = sql.NullString{String: value, Valid: true}
			}
			result.Rows = append(result.Rows, row)
		}
		return result, nil
	}
	return snowflake.Result{}, nil
}

// changes returns the statements that aren't SHOW.
func (a *answers) changes() []string {
	ran := []string{}
	for _, statement := range a.ran {
		if !strings.HasPrefix(statement, "show") {
			ran = append(ran, statement)
		}
	}
	return ran
}

const grantScript = `create role if not exists firn_loader;
create role if not exists firn_admin;
create user if not exists firn_loader type = service;
create table if not exists {{ database }}.raw.t (n number);
create stage if not exists {{ database }}.raw.curated url = 's3://b/';
create file format if not exists {{ database }}.raw.parquet type = parquet;
/* The owner */ grant ownership on file format {{ database }}.raw.parquet to role firn_admin copy current grants;
grant select, insert -- rows
    on all tables in schema {{ database }}.raw to role firn_loader;
grant select on future tables in schema {{ database }}.raw to role firn_loader;
grant usage on stage {{ database }}.raw.curated to role firn_loader;
grant role firn_loader to user firn_loader;
grant role firn_loader to role firn_admin;
grant usage on warehouse firn_load to role firn_loader;
grant role firn_admin to role sysadmin;
grant usage on integration firn_curated to role firn_admin;
grant all on schema {{ database }}.raw to role firn_admin;
grant select on table {{ database }}.raw.elsewhere to role firn_loader;
grant update on table {{ database }}.raw.t to role firn_loader;
revoke update on table {{ database }}.raw.t from role firn_loader;`

// complete has the answers of a database with every object and every grant, in the forms
// of Snowflake's pages.
func complete() *answers {
	return &answers{texts: map[string]string{
		"show schemas in database FIRN":          "name\nRAW",
		"show tables history in schema FIRN.RAW": "name dropped_on\nT",
		"show stages in schema FIRN.RAW":         "name\nCURATED",
		"show file formats in schema FIRN.RAW":   "name\nPARQUET",
		"show future grants in schema FIRN.RAW":  "privilege grant_on name grant_to grantee_name\nSELECT TABLE FIRN.RAW.<TABLE> ROLE FIRN_LOADER",
		"show grants to role FIRN_ADMIN":         "privilege granted_on name granted_to grantee_name\nOWNERSHIP FILE_FORMAT \"FIRN\".\"RAW\".\"PARQUET\" ROLE FIRN_ADMIN\nUSAGE ROLE FIRN_LOADER ROLE FIRN_ADMIN",
		"show grants to user FIRN_LOADER":        "role granted_to grantee_name\nFIRN_LOADER USER FIRN_LOADER",
		"show grants to role FIRN_LOADER":        "privilege granted_on name granted_to grantee_name\nSELECT TABLE FIRN.RAW.T ROLE FIRN_LOADER\nINSERT TABLE FIRN.RAW.T ROLE FIRN_LOADER\nUSAGE STAGE FIRN.RAW.CURATED ROLE FIRN_LOADER\nUSAGE WAREHOUSE FIRN_LOAD ROLE FIRN_LOADER",
	}}
}

func newRestorer(t *testing.T, session restore.Session) *restore.Restorer {
	t.Helper()
	script, err := migrate.Parse("V1__all.sql", grantScript, map[string]string{"database": "firn"})
	if err != nil {
		t.Fatal(err)
	}
	return &restore.Restorer{
		Session: session, Database: "FIRN", Scripts: []migrate.Script{script}, History: "FIRN.OPS.CHANGE_HISTORY",
		Refresh: func(context.Context) error { return nil },
	}
}

func lines(steps []restore.Step) []string {
	all := []string{}
	for _, s := range steps {
		all = append(all, s.String())
	}
	return all
}

// TestGrantsInFormsOfSnowflake compares grants with the answers of Snowflake: kinds with
// an underscore, quoted names, and the roles of users in both forms.
func TestGrantsInFormsOfSnowflake(t *testing.T) {
	t.Parallel()
	for _, user := range []string{
		"role granted_to grantee_name\nFIRN_LOADER USER FIRN_LOADER",
		"privilege granted_on name role granted_to grantee_name\nUSAGE ROLE FIRN_LOADER FIRN_LOADER USER FIRN_LOADER",
	} {
		session := complete()
		session.texts["show grants to user FIRN_LOADER"] = user
		got, err := newRestorer(t, session).Grants(t.Context())
		if err != nil || len(got.Unseen) > 0 || len(got.Steps) > 0 || len(session.changes()) > 0 {
			t.Errorf("steps %v, unseen %v, error %v, statements %v", got.Steps, got.Unseen, err, session.changes())
		}
	}
}

func TestMissingGrantsAreComparedByGranteeAndObject(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, statement, answer string
		want                    []string
	}{
		{"every grant of a role", "show grants to role FIRN_LOADER", "privilege granted_on name", []string{
			"grant usage on stage FIRN.RAW.CURATED to role FIRN_LOADER",
			"grant insert, select on table FIRN.RAW.T to role FIRN_LOADER",
			"grant usage on warehouse FIRN_LOAD to role FIRN_LOADER",
		}},
		{
			"an owner has every privilege", "show grants to role FIRN_LOADER",
			"privilege granted_on name\nOWNERSHIP TABLE FIRN.RAW.T\nOWNERSHIP STAGE FIRN.RAW.CURATED\nUSAGE WAREHOUSE FIRN_LOAD",
			[]string{},
		},
		{"the owner of another kind", "show grants to role FIRN_ADMIN", "privilege granted_on name\nOWNERSHIP STAGE FIRN.RAW.PARQUET\nUSAGE ROLE FIRN_LOADER", []string{
			"grant ownership on file format FIRN.RAW.PARQUET to role FIRN_ADMIN",
		}},
		{"the role of a user", "show grants to user FIRN_LOADER", "role\nPUBLIC", []string{"grant role FIRN_LOADER to user FIRN_LOADER"}},
		{"the role of a role", "show grants to role FIRN_ADMIN", "privilege granted_on name\nOWNERSHIP FILE_FORMAT FIRN.RAW.PARQUET", []string{"grant role FIRN_LOADER to role FIRN_ADMIN"}},
		{"a future grant of another role", "show future grants in schema FIRN.RAW", "privilege grant_on name grant_to grantee_name\nSELECT TABLE FIRN.RAW.<TABLE> ROLE OTHER", []string{
			"grant select on future tables in schema FIRN.RAW to role FIRN_LOADER",
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			session := complete()
			session.texts[test.statement] = test.answer
			got, err := newRestorer(t, session).Grants(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, lines(got.Steps)); diff != "" {
				t.Errorf("steps (-want +got):\n%s", diff)
			}
			for i, statement := range session.changes() {
				if want := strings.TrimSuffix(statement, " copy current grants"); want != test.want[i] {
					t.Errorf("ran %q, want %q", statement, test.want[i])
				}
			}
		})
	}
}

// TestUnseenGrantsAreNamed: a role that may not list the grants of another role grants
// nothing by guess.
func TestUnseenGrantsAreNamed(t *testing.T) {
	t.Parallel()
	for _, statement := range []string{"show grants to role FIRN_LOADER", "show grants to user FIRN_LOADER", "show future grants in schema FIRN.RAW"} {
		for _, number := range []string{"!3001", "!2003"} {
			session := complete()
			session.texts[statement] = number
			got, err := newRestorer(t, session).Grants(t.Context())
			if err != nil || len(got.Steps) > 0 || len(session.changes()) > 0 {
				t.Errorf("%s: steps %v, error %v", statement, got.Steps, err)
			}
			if len(got.Unseen) != 1 || !strings.Contains(got.Unseen[0], "`"+statement+"`") {
				t.Errorf("unseen %v, want a sentence with %q", got.Unseen, statement)
			}
		}
	}
}

func TestRefusedGrantNamesRoleAndContinues(t *testing.T) {
	t.Parallel()
	session := complete()
	session.texts["show grants to role FIRN_LOADER"] = "privilege granted_on name"
	session.texts["grant usage on stage"] = "!3001"
	got, err := newRestorer(t, session).Grants(t.Context())
	f := fault.As(err)
	if f == nil || f.Code != fault.AccessDenied || !strings.Contains(f.Hint, "FIRN_ADMIN") || !strings.Contains(err.Error(), "grant usage on stage FIRN.RAW.CURATED to role FIRN_LOADER") {
		t.Errorf("error %v", err)
	}
	want := []string{"grant insert, select on table FIRN.RAW.T to role FIRN_LOADER", "grant usage on warehouse FIRN_LOAD to role FIRN_LOADER"}
	if diff := cmp.Diff(want, lines(got.Steps)); diff != "" {
		t.Errorf("steps (-want +got):\n%s", diff)
	}
}

// TestInvisibleObjectIsAnError: CREATE ... IF NOT EXISTS succeeds for a stage that the
// role can't see.
func TestInvisibleObjectIsAnError(t *testing.T) {
	t.Parallel()
	session := complete()
	session.texts["show stages in schema FIRN.RAW"] = "name"
	made, err := newRestorer(t, session).Objects(t.Context())
	f := fault.As(err)
	if len(made) > 0 || f == nil || f.Code != fault.TableMissing || !strings.Contains(err.Error(), "stage FIRN.RAW.CURATED exists, but the role of this session can't see it") {
		t.Errorf("steps %v, error %v", made, err)
	}
}

// TestLostLockEndsRestoration: after an error of Refresh no statement changes an object.
func TestLostLockEndsRestoration(t *testing.T) {
	t.Parallel()
	session := complete()
	session.texts["show stages in schema FIRN.RAW"] = "name"
	restorer := newRestorer(t, session)
	lost := errors.New("lost")
	restorer.Refresh = func(context.Context) error { return lost }
	if made, err := restorer.Objects(t.Context()); !errors.Is(err, lost) || len(made) > 0 || len(session.changes()) > 0 {
		t.Errorf("steps %v, error %v, statements %v", made, err, session.changes())
	}
}

// TestObjectsFollowTheScripts: an object that a later script drops or renames isn't
// missing, and a changed object gets its changes again. Another database isn't compared.
func TestObjectsFollowTheScripts(t *testing.T) {
	t.Parallel()
	script, err := migrate.Parse("V1__all.sql", `create stage raw.gone url = 's3://a/';
drop stage if exists raw.gone;
create table raw.old (n number);
alter table raw.old rename to raw.newer;
create or replace stage RAW.moved url = 's3://a/'; -- a comment; with a semicolon
alter stage raw.moved set url = 's3://b/';
create view "raw"."quoted" as select 1;
create schema if not exists other.raw;
create stage if not exists other.raw.elsewhere url = 's3://a/';`, nil)
	if err != nil {
		t.Fatal(err)
	}
	session := &answers{texts: map[string]string{"show schemas": "name\nRAW", "show stages": "name", "show tables": "name dropped_on"}}
	restorer := &restore.Restorer{Session: session, Database: "firn", Scripts: []migrate.Script{script}, Refresh: func(context.Context) error { return nil }}
	planned, err := restorer.PlanObjects(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"create stage FIRN.RAW.MOVED"}, lines(planned)); diff != "" {
		t.Errorf("plan (-want +got):\n%s", diff)
	}
	_, _ = restorer.Objects(t.Context()) // the session never shows the stage
	want := []string{"create or replace stage RAW.moved url = 's3://a/'", "-- a comment; with a semicolon\nalter stage raw.moved set url = 's3://b/'"}
	if diff := cmp.Diff(want, session.changes()); diff != "" {
		t.Errorf("statements (-want +got):\n%s", diff)
	}
}
