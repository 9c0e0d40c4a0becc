package migrate

import (
	"context"
	"strings"

	"github.com/firn-data/firn/internal/fault"
)

// State is the state of the history before a migration.
type State string

const (
	// NoDatabase means that the database is missing: no migration began before.
	NoDatabase State = "no database"
	// NoHistory means that the history is missing and can't be undropped.
	NoHistory State = "no history"
	// HistoryDropped means that the history was dropped, and Snowflake can undrop it.
	HistoryDropped State = "history dropped"
	// HistoryExists means that a migration began before.
	HistoryExists State = "history exists"
)

// State returns the state of the history. SHOW with a name of the account's own list
// finds a missing database without an error.
func (m *Migrator) State(ctx context.Context) (State, error) {
	if applied, err := m.history(ctx); err != nil || applied != nil {
		return HistoryExists, err
	}
	for _, level := range []struct{ statement, name string }{
		{"show databases like '" + m.Database + "'", m.Database},
		{"show schemas like 'OPS' in database " + m.Database, "OPS"},
	} {
		found, err := m.shows(ctx, level.statement, level.name)
		if err != nil {
			return "", err
		}
		if !found && level.name == m.Database {
			return NoDatabase, nil
		} else if !found {
			return NoHistory, nil
		}
	}
	dropped, err := m.shows(ctx, "show tables history in schema "+m.Database+".ops", "CHANGE_HISTORY")
	if err != nil || !dropped {
		return NoHistory, err
	}
	return HistoryDropped, nil
}

// UndropHistory restores a dropped history with its lock row (docs.snowflake.com,
// sql-reference/sql/undrop-table). Returns false if another migration restored the
// history first.
func (m *Migrator) UndropHistory(ctx context.Context) (bool, error) {
	if err := m.prepare(ctx, false); err != nil {
		return false, err
	}
	_, undropErr := m.Session.Query(ctx, "undrop change history", "undrop table "+m.table())
	if undropErr == nil {
		return true, nil
	}
	if applied, err := m.history(ctx); err == nil && applied != nil {
		return false, nil
	}
	return false, undropErr
}

// MakeHistory creates the database, if it is missing, and the history with its lock row.
func (m *Migrator) MakeHistory(ctx context.Context) error {
	err := explainMissingWarehouse(m.prepare(ctx, true))
	if !fault.Is(err, fault.AccessDenied) {
		return err
	}
	f := *fault.As(err)
	f.Hint = "The first migration, and a migration without its history, create the database: run `firn migrate` as ACCOUNTADMIN."
	return &f
}

// HistoryTable returns the qualified name of the history, in upper case.
func (m *Migrator) HistoryTable() string { return strings.ToUpper(m.table()) }

// shows reports whether the answer of a SHOW statement has a row with the name.
func (m *Migrator) shows(ctx context.Context, statement, name string) (bool, error) {
	result, err := m.Session.Query(ctx, "look for change history", statement)
	if fault.Is(err, fault.TableMissing) {
		return false, nil
	}
	for i := range result.Rows {
		if strings.EqualFold(result.Text(i, "name"), name) {
			return true, err
		}
	}
	return false, err
}
