package sqsbatch_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/firn-data/firn/internal/sqsbatch"
)

// service answers each message according to the body: "sent", "refused", "unanswered",
// or "away" for the whole request.
type service struct{ requests []*sqs.SendMessageBatchInput }

var errAway = errors.New("no answer")

func (s *service) SendMessageBatch(_ context.Context, in *sqs.SendMessageBatchInput, _ ...func(*sqs.Options)) (*sqs.SendMessageBatchOutput, error) {
	s.requests = append(s.requests, in)
	out := &sqs.SendMessageBatchOutput{
		Successful: []types.SendMessageBatchResultEntry{{Id: aws.String("99")}, {Id: aws.String("x")}, {}},
		Failed:     []types.BatchResultErrorEntry{{Id: aws.String("-1")}},
	}
	for _, e := range in.Entries {
		switch *e.MessageBody {
		case "sent":
			out.Successful = append(out.Successful, types.SendMessageBatchResultEntry{Id: e.Id})
		case "refused":
			out.Failed = append(out.Failed, types.BatchResultErrorEntry{
				Id: e.Id, Code: aws.String("InvalidMessageContents"), Message: aws.String("bad"), SenderFault: true,
			})
		case "away":
			return nil, errAway
		}
	}
	return out, nil
}

func TestSend(t *testing.T) {
	t.Parallel()
	messages := make([]sqsbatch.Message, 25)
	for i := range messages {
		messages[i] = sqsbatch.Message{Body: "sent", Delay: time.Duration(i) * time.Second}
	}
	messages[3].Body, messages[4].Body, messages[12].Body = "refused", "unanswered", "away"
	s := &service{}
	got := sqsbatch.Send(t.Context(), s, "https://sqs.test/1/load", messages)
	if len(got) != len(messages) || len(s.requests) != 3 || len(s.requests[2].Entries) != 5 {
		t.Fatalf("%d errors, %d requests", len(got), len(s.requests))
	}
	for i, err := range got {
		var refused *sqsbatch.Refused
		var ok bool
		switch {
		case i == 3:
			ok = errors.As(err, &refused) && refused.SenderFault && err.Error() == "InvalidMessageContents: bad"
		case i == 4:
			ok = errors.Is(err, sqsbatch.ErrUnanswered)
		case i >= 10 && i < 20:
			ok = errors.Is(err, errAway)
		default:
			ok = err == nil
		}
		if !ok {
			t.Errorf("message %d: %v", i, err)
		}
		request := s.requests[i/sqsbatch.MostEntries]
		if e := request.Entries[i%10]; *request.QueueUrl != "https://sqs.test/1/load" || *e.Id != fmt.Sprint(i%10) || e.DelaySeconds != int32(i) {
			t.Errorf("message %d was sent as %+v", i, e)
		}
	}
	if got := sqsbatch.Send(t.Context(), s, "", nil); len(got) != 0 || len(s.requests) != 3 {
		t.Errorf("Send without messages: errors %v, or a request", got)
	}
}
