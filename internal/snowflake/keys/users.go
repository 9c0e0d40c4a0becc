package keys

import (
	"context"
	"fmt"
	"strings"

	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/snowflake"
)

// Session runs statements on users. The session's role must own the user
// (docs.snowflake.com, sql-reference/sql/alter-user).
type Session interface {
	Query(ctx context.Context, op, statement string, args ...any) (snowflake.Result, error)
}

// Statements implements Users by SQL.
type Statements struct{ Session Session }

var _ Users = Statements{}

// slotProperties are the user properties of the two slots. Named key pairs (ALTER USER
// … ADD KEY PAIR) are newer. Every account has the slots, and a rotation needs only two
// keys.
var slotProperties = Slots{"RSA_PUBLIC_KEY", "RSA_PUBLIC_KEY_2"}

// Fingerprints implements Users by DESCRIBE USER. The answer has a row for each
// property, with the text "null" for an empty property (docs.snowflake.com,
// sql-reference/sql/desc-user).
func (s Statements) Fingerprints(ctx context.Context, user string) (Slots, error) {
	answer, err := s.run(ctx, "read the user's keys", user, "describe user "+quoted(user))
	if err != nil {
		return Slots{}, err
	}
	values := make(map[string]string)
	for i := range answer.Rows {
		values[answer.Text(i, "property")] = answer.Text(i, "value")
	}
	var slots Slots
	for i, property := range slotProperties {
		if value := values[property+"_FP"]; value != "null" {
			slots[i] = value
		}
	}
	return slots, nil
}

// SetKey implements Users.
func (s Statements) SetKey(ctx context.Context, user string, slot int, publicKey string) error {
	_, err := s.run(ctx, "set the user's key", user,
		fmt.Sprintf("alter user %s set %s = '%s'", quoted(user), slotProperties[slot-1], publicKey))
	return err
}

// EmptySlot implements Users.
func (s Statements) EmptySlot(ctx context.Context, user string, slot int) error {
	_, err := s.run(ctx, "empty the slot of the user's old key", user,
		fmt.Sprintf("alter user %s unset %s", quoted(user), slotProperties[slot-1]))
	return err
}

func (s Statements) run(ctx context.Context, op, user, statement string) (snowflake.Result, error) {
	answer, err := s.Session.Query(ctx, op, statement)
	if fault.Is(err, fault.TableMissing) || fault.Is(err, fault.AccessDenied) { // missing user, or missing privilege on the user
		f := *fault.As(err)
		f.Code, f.Subject = fault.AccessDenied, user
		f.Hint = "Log in with a role that owns the user " + user + ", for example ACCOUNTADMIN. If the user is missing, run `firn migrate`."
		err = &f
	}
	return answer, err
}

func quoted(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }
