package load

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/firn-data/firn/internal/batch"
	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/work"
)

// SQS is the part of the SQS client for notices.
type SQS interface {
	SendMessage(context.Context, *sqs.SendMessageInput, ...func(*sqs.Options)) (*sqs.SendMessageOutput, error)
}

// DeadLetters sends notices to the dead-letter queue of the stage. The alert function
// turns each into a mail.
type DeadLetters struct {
	Client SQS
	// URL is the address of the dead-letter queue.
	URL string
}

// Held implements Notices. The body of the dead letter is the JSON of the delivery.
func (d DeadLetters) Held(ctx context.Context, h work.HeldDelivery) error {
	letter := work.DeadLetter{
		Stage: string(work.Load), Code: fault.DeliveryHeld, Cause: h.Cause(), Hint: fault.DeliveryHeld.Hint(), Dataset: h.Dataset,
	}
	_, err := d.Client.SendMessage(ctx, &sqs.SendMessageInput{
		QueueUrl: aws.String(d.URL), MessageBody: aws.String(h.Encode()), MessageAttributes: batch.TextAttributes(letter.Encode()),
	})
	if err != nil {
		return fault.AWS("send notice", fault.QueueAway, err)
	}
	return nil
}
