package gluerun

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/work"
)

// SQS is the part of SQS used by Queue.
type SQS interface {
	SendMessage(context.Context, *sqs.SendMessageInput, ...func(*sqs.Options)) (*sqs.SendMessageOutput, error)
}

// Queue is the queue of objects for Glue runs.
type Queue struct {
	Client SQS
	URL    string
}

// Send asks for a Glue run with the object.
func (q Queue) Send(ctx context.Context, w work.Work) error {
	w.Stage, w.Receipt = work.Glue, nil
	_, err := q.Client.SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: aws.String(q.URL), MessageBody: aws.String(w.Encode())})
	if err != nil {
		return fault.AWS("send work to Glue", fault.QueueAway, err)
	}
	logger(ctx, w.Dataset, w.Object).InfoContext(ctx, "sent to Glue")
	return nil
}
