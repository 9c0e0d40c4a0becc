package operator_test

import (
	"os"
	"strings"
	"testing"

	app "github.com/firn-data/firn/internal/app/operator"
	"github.com/firn-data/firn/internal/operator"
)

// TestNewRotatorWithoutSecretFails has a stack whose load function logs in by its role,
// without a key.
func TestNewRotatorWithoutSecretFails(t *testing.T) {
	t.Parallel()
	_, err := app.NewRotator(t.Context(), os.LookupEnv, operator.Stack{Name: "Firn"}, nil)
	if err == nil || !strings.Contains(err.Error(), "stack Firn logs in by its role") || !strings.Contains(err.Error(), "firn:snowflakeLogin=keypair") {
		t.Errorf("got %v", err)
	}
}
