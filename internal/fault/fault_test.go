package fault_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/firn-data/firn/internal/fault"
)

var errCause = errors.New("no such host")

func TestAsMakesOtherErrorsRetries(t *testing.T) {
	t.Parallel()
	f := fault.As(fmt.Errorf("outer: %w", errCause))
	if f.Code != fault.Unexpected || f.Disposition != fault.Retry || !errors.Is(f, errCause) {
		t.Errorf("As = %+v", f)
	}
	if fault.As(nil) != nil {
		t.Error("As(nil) is a fault")
	}
	inner := fault.Permanentf("read", fault.BadHeader, "no header")
	if fault.As(fmt.Errorf("outer: %w", inner)) != inner {
		t.Error("As doesn't return the fault in the chain")
	}
}

func TestForObjectKeepsFieldsOfInnerFault(t *testing.T) {
	t.Parallel()
	inner := fault.Permanentf("copy", fault.CopyRefused, "bad file")
	inner.ObjectID, inner.Generation = "inner", 1
	outer := fault.ForObject(inner, "outer", 2, "s.e", "s3://b/k")
	if outer.ObjectID != "inner" || outer.Generation != 1 || outer.Dataset != "s.e" || outer.Subject != "s3://b/k" {
		t.Errorf("ForObject = %+v", outer)
	}
	if named := fault.ForObject(errCause, "outer", 2, "", ""); named.ObjectID != "outer" || named.Generation != 2 {
		t.Errorf("ForObject = %+v", named)
	}
	if inner.Dataset != "" {
		t.Error("ForObject changed the inner fault")
	}
}

func TestErrorNamesOperationSubjectCodeQueryAndCause(t *testing.T) {
	t.Parallel()
	f := &fault.Fault{Op: "copy", Subject: "RAW.X", Code: fault.CopyRefused, QueryID: "01b", Err: errCause}
	if got, want := f.Error(), "copy RAW.X: copy_refused (query 01b): no such host"; got != want {
		t.Errorf("Error() = %q, want %q", got, want)
	}
	if f.Cause() != "no such host" {
		t.Errorf("Cause() = %q", f.Cause())
	}
	bare := &fault.Fault{Op: "copy", Code: fault.CopyRefused}
	if got, want := bare.Cause(), "copy: copy_refused"; got != want {
		t.Errorf("Cause() without a cause = %q, want %q", got, want)
	}
}

func TestEveryCodeHasAHint(t *testing.T) {
	t.Parallel()
	for _, code := range fault.Codes() {
		if code.Hint() == "" {
			t.Errorf("%s has no hint", code)
		}
	}
	own := &fault.Fault{Code: fault.BadHeader, Hint: "own hint"}
	if own.Advice() != "own hint" || (&fault.Fault{Code: fault.BadHeader}).Advice() != fault.BadHeader.Hint() {
		t.Error("Advice returns the wrong hint")
	}
}

type apiError string

func (e apiError) Error() string     { return "api: " + string(e) }
func (e apiError) ErrorCode() string { return string(e) }

func TestAWS(t *testing.T) {
	t.Parallel()
	tests := map[string]fault.Code{
		"AccessDenied":          fault.AccessDenied,
		"AccessDeniedException": fault.AccessDenied,
		"AuthorizationError":    fault.AccessDenied,
		"SlowDown":              fault.StoreAway,
		"NoSuchKey":             fault.StoreAway,
	}
	for code, want := range tests {
		f := fault.AWS("read", fault.StoreAway, fmt.Errorf("operation: %w", apiError(code)))
		if f.Code != want || f.Disposition != fault.RetryAfter {
			t.Errorf("%s: code %s, disposition %s", code, f.Code, f.Disposition)
		}
	}
	if !fault.IsAWS(apiError("NoSuchKey"), "NoSuchVersion", "NoSuchKey") || fault.IsAWS(errCause, "NoSuchKey") {
		t.Error("IsAWS returns a wrong result")
	}
}
