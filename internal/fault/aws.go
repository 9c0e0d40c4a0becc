package fault

import (
	"errors"
	"slices"
	"strings"
)

// AWS returns a dependency fault for an error of an AWS call. The code is AccessDenied
// for a missing grant, else the given code. The client of every service returns errors
// with an ErrorCode (smithy.APIError). The text of the fault is cleaned, see Cleaned.
func AWS(op string, code Code, err error) *Fault {
	if IsAccessDenied(err) {
		code = AccessDenied
	}
	return Dependency(op, code, Cleaned(err, ""))
}

// IsAccessDenied reports whether an AWS service refused a call because of a missing
// grant. The error code depends on the protocol: AccessDenied (S3, SNS),
// AccessDeniedException (DynamoDB), AccessDenied and AWS.SimpleQueueService.* (SQS),
// AuthorizationError (SNS).
func IsAccessDenied(err error) bool {
	code := awsCode(err)
	return strings.Contains(code, "AccessDenied") || code == "AuthorizationError" || code == "Forbidden"
}

// IsAWS reports whether an AWS service answered with an error code in codes.
func IsAWS(err error, codes ...string) bool {
	got := awsCode(err)
	return slices.Contains(codes, got)
}

func awsCode(err error) string {
	var api interface{ ErrorCode() string }
	if errors.As(err, &api) {
		return api.ErrorCode()
	}
	return ""
}
