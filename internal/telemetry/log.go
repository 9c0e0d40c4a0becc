// Package telemetry writes firn's logs: a JSON line for each object and stage, with
// fixed keys. Logs never hold the content of a row.
package telemetry

import (
	"context"
	"io"
	"log/slog"

	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/object"
)

// The fixed keys. A log line has no other key.
const (
	KeyStage      = "stage"
	KeyObject     = "object" // the object id
	KeyKey        = "key"    // the S3 key
	KeyVersion    = "version"
	KeyDataset    = "dataset"
	KeyState      = "state"
	KeyRows       = "rows_in"
	KeyWritten    = "rows_out"
	KeyRejected   = "rows_rejected"
	KeyQueryID    = "query_id"
	KeyRunID      = "run_id"
	KeyManifest   = "manifest"
	KeyLeft       = "left" // number of objects of a Glue run without a receipt
	KeyLoadID     = "load_id"
	KeyDuration   = "duration_ms"
	KeyMessage    = "message_id"
	KeyReceives   = "receive_count"
	KeyRequest    = "request_id"
	KeyAttempt    = "attempt"
	KeyCode       = "code"
	KeyOutcome    = "outcome"
	KeyError      = "err"
	KeyCount      = "count"
	KeyDelay      = "delay_s"
	KeyOperation  = "op"
	KeyDependency = "dependency"

	// KeyDuplicateOf is the id of the other object with the same bytes.
	KeyDuplicateOf = "duplicate_of"

	// KeyDelivery is the name of a snapshot's delivery. KeyBefore is the accepted
	// delivery before it, and KeyRowsBefore the number of its rows.
	KeyDelivery   = "delivery"
	KeyBefore     = "delivery_before"
	KeyRowsBefore = "rows_before"
	// KeyCurrent is the delivery that the view of the current rows shows.
	KeyCurrent = "delivery_current"
)

// NewLogger returns a logger that writes JSON lines for one stage.
func NewLogger(out io.Writer, stage string) *slog.Logger {
	return slog.New(slog.NewJSONHandler(out, nil)).With(KeyStage, stage)
}

// Discard returns a logger without output.
func Discard() *slog.Logger { return slog.New(slog.DiscardHandler) }

type contextKey struct{}

// WithLogger returns a context with the logger.
func WithLogger(ctx context.Context, log *slog.Logger) context.Context {
	return context.WithValue(ctx, contextKey{}, log)
}

// Logger returns the context's logger, or a logger without output.
func Logger(ctx context.Context) *slog.Logger {
	if log, ok := ctx.Value(contextKey{}).(*slog.Logger); ok {
		return log
	}
	return Discard()
}

// Fault returns the attributes that describe a fault.
func Fault(f *fault.Fault) []any {
	return []any{
		KeyOperation, f.Op, KeyCode, string(f.Code), KeyOutcome, f.Disposition.String(),
		KeyObject, f.ObjectID, KeyDataset, f.Dataset, KeyQueryID, f.QueryID, KeyError, f.Error(),
	}
}

// Object returns the attributes that name an object.
func Object(o object.Object, dataset string) []any {
	return []any{KeyObject, string(o.ID()), KeyKey, o.Key, KeyVersion, o.Version, KeyDataset, dataset}
}
