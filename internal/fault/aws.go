package fault

import (
	"errors"
	"slices"
	"strings"
)

// AWS classifies an error of an AWS call as a dependency fault: AccessDenied
// where the service says so, else the given code. Every service's client
// returns errors with an ErrorCode (smithy.APIError).
func AWS(op string, away Code, err error) *Fault {
	if IsAccessDenied(err) {
		return Dependency(op, AccessDenied, err)
	}
	return Dependency(op, away, err)
}

// IsAccessDenied reports whether an AWS service refused the caller's grants.
// The codes differ by protocol: AccessDenied (S3, SNS), AccessDeniedException
// (DynamoDB), AccessDenied and AWS.SimpleQueueService.* (SQS), AuthorizationError (SNS).
func IsAccessDenied(err error) bool {
	code := awsCode(err)
	return strings.Contains(code, "AccessDenied") || code == "AuthorizationError" || code == "Forbidden"
}

// IsAWS reports whether an AWS service answered with one of the error codes.
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
