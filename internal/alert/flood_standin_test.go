//go:build standin

package alert_test

import (
	"context"
	"fmt"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/firn-data/firn/internal/awsconfig"
	"github.com/firn-data/firn/internal/journal"
	"github.com/firn-data/firn/internal/laptop/laptoptest"
	"github.com/firn-data/firn/internal/object"
)

func TestMain(m *testing.M) { os.Exit(laptoptest.Main(m, "aws")) }

// tableStore is a store in the DynamoDB stand-in.
type tableStore struct{ *journal.Table }

func (s tableStore) move(ctx context.Context, id object.ID, to journal.State) error {
	switch to {
	case journal.Loaded:
		return s.Loaded(ctx, id, journal.Load{LoadID: "l"})
	case journal.Received:
		_, err := s.Redrive(ctx, id)
		return err
	default:
		return fmt.Errorf("no move to %s", to)
	}
}

var tables atomic.Int64

// onTable returns a simulation on a journal of its own.
func onTable(t *testing.T) *simulation {
	t.Helper()
	cfg, err := awsconfig.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	name := fmt.Sprintf("Alert%d", tables.Add(1))
	if err := laptoptest.Deploy(t.Context(), cfg, name); err != nil {
		t.Fatal(err)
	}
	outputs, err := laptoptest.Outputs(t.Context(), cfg, name)
	if err != nil {
		t.Fatal(err)
	}
	return newSimulation(t, func(c *clock) store {
		return tableStore{&journal.Table{Client: dynamodb.NewFromConfig(cfg), Name: outputs["JournalTable"], Now: c.read}}
	})
}

// TestFloodsOnJournal runs floods on the real journal with the DynamoDB stand-in.
func TestFloodsOnJournal(t *testing.T) {
	t.Parallel()
	for name, check := range map[string]func(t *testing.T, s *simulation){
		"six causes": func(t *testing.T, s *simulation) { checkFloodOfSixCauses(t, s, 200, 25*time.Minute) },
		"recovery":   checkFailureAfterRecovery,
		"junk":       checkJunk,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			check(t, onTable(t))
		})
	}
}
