package gluerun

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/work"
)

// SQS is what a Queue needs of the queue service.
type SQS interface {
	SendMessage(context.Context, *sqs.SendMessageInput, ...func(*sqs.Options)) (*sqs.SendMessageOutput, error)
}

// Queue is where objects wait for a Glue run.
type Queue struct {
	Client SQS
	URL    string
}

// Send asks for a run that has the object.
func (q Queue) Send(ctx context.Context, w work.Work) error {
	w.Stage, w.Receipt = work.Glue, nil
	_, err := q.Client.SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: aws.String(q.URL), MessageBody: aws.String(w.Encode())})
	if err != nil {
		return fault.AWS("send work to Glue", fault.QueueAway, err)
	}
	logger(ctx, w.Dataset, w.Object).InfoContext(ctx, "sent to glue")
	return nil
}
