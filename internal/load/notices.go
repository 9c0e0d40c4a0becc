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
	return d.send(ctx, h.Encode(), work.DeadLetter{Code: fault.DeliveryHeld, Cause: h.Cause(), Dataset: h.Dataset})
}

// NewColumns implements Notices. The body of the dead letter is the JSON of the columns.
func (d DeadLetters) NewColumns(ctx context.Context, n work.NewColumns) error {
	return d.send(ctx, n.Encode(), work.DeadLetter{Code: fault.ColumnNotLoaded, Cause: n.Cause(), Dataset: n.Dataset})
}

// send sends a notice with the hint of its code.
func (d DeadLetters) send(ctx context.Context, body string, letter work.DeadLetter) error {
	letter.Stage, letter.Hint = string(work.Load), letter.Code.Hint()
	_, err := d.Client.SendMessage(ctx, &sqs.SendMessageInput{
		QueueUrl: aws.String(d.URL), MessageBody: aws.String(body), MessageAttributes: batch.TextAttributes(letter.Encode()),
	})
	if err != nil {
		return fault.AWS("send notice", fault.QueueAway, err)
	}
	return nil
}
