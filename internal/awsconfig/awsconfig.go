// Package awsconfig loads the configuration of all AWS clients. It corrects a fault of
// the SDK that loses answers.
package awsconfig

import (
	"context"
	"fmt"
	"io"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// Load returns the configuration of the SDK's default chain. Its clients keep the answer
// that comes before the end of the request (see keepAnswers).
func Load(ctx context.Context, options ...func(*config.LoadOptions) error) (aws.Config, error) {
	cfg, err := config.LoadDefaultConfig(ctx, append(options, config.WithAPIOptions([]func(*middleware.Stack) error{keepAnswers}))...)
	if err != nil {
		return cfg, fmt.Errorf("configure AWS: %w", err)
	}
	return cfg, nil
}

// keepAnswers adds a step to each request. Without the step a client loses an answer now
// and then, above all on a busy machine: the server answers before net/http has asked the
// body for its end. The SDK closes the body then, and the WriteTo of a closed body
// returns io.EOF (smithy-go v1.28.9, safeWriteToReadCloser). io.Copy reports this error,
// and net/http closes the connection during the answer: "use of closed network
// connection" (aws-sdk-go-v2, issues 1825 and 2737). A retry repeats the request, and a
// request that isn't idempotent has its effect twice. The step hides the method WriteTo
// of the body.
func keepAnswers(stack *middleware.Stack) error {
	return stack.Finalize.Add(hideWriteTo{}, middleware.After)
}

// hideWriteTo is the step of keepAnswers. It comes after the signature, in each try.
type hideWriteTo struct{}

// ID implements middleware.FinalizeMiddleware.
func (hideWriteTo) ID() string { return "firn:KeepAnswers" }

// HandleFinalize implements middleware.FinalizeMiddleware.
func (hideWriteTo) HandleFinalize(ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler) (
	middleware.FinalizeOutput, middleware.Metadata, error,
) {
	request, ok := in.Request.(*smithyhttp.Request)
	if !ok {
		return next.HandleFinalize(ctx, in)
	}
	if body := readerOnly(request.GetStream()); body != nil {
		changed, err := request.SetStream(body)
		if err != nil {
			return middleware.FinalizeOutput{}, middleware.Metadata{}, fmt.Errorf("hide WriteTo of a request's body: %w", err)
		}
		in.Request = changed
	}
	return next.HandleFinalize(ctx, in)
}

// readerOnly returns the body without its method WriteTo, or nil for a body without this
// method. The result of a body with the method Seek has the method too.
func readerOnly(body io.Reader) io.Reader {
	if _, ok := body.(io.WriterTo); !ok {
		return nil
	}
	if seeker, ok := body.(io.ReadSeeker); ok {
		return struct{ io.ReadSeeker }{seeker}
	}
	return struct{ io.Reader }{body}
}
