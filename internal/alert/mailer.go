package alert

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sns"

	"github.com/firn-data/firn/internal/fault"
)

// Topic publishes messages on an SNS topic.
type Topic interface {
	Publish(context.Context, *sns.PublishInput, ...func(*sns.Options)) (*sns.PublishOutput, error)
}

// Mailer publishes mails on the Alerts topic.
type Mailer struct {
	Topic Topic
	ARN   string
}

func (m Mailer) send(ctx context.Context, mail mail) error {
	_, err := m.Topic.Publish(ctx, &sns.PublishInput{
		TopicArn: aws.String(m.ARN), Subject: aws.String(mail.subject), Message: aws.String(mail.body),
	})
	if err != nil {
		f := fault.AWS("publish alert", fault.TopicAway, err)
		f.Subject = m.ARN
		return f
	}
	return nil
}
