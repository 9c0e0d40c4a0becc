package demo

import (
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"mime"
	"mime/quotedprintable"
	"net/mail"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Mail is a decoded mail.
type Mail struct {
	From    string `json:"from"`
	To      string `json:"to"`
	Subject string `json:"subject"`
	Body    string `json:"body"`
}

// mailPollEvery is the interval of the reads of the mail folder.
const mailPollEvery = 50 * time.Millisecond

// awaitMail waits for a mail with the key in its body.
func awaitMail(ctx context.Context, directory, key string) (Mail, error) {
	ticker := time.NewTicker(mailPollEvery)
	defer ticker.Stop()
	for {
		mails, err := ReadMails(directory)
		if err != nil {
			return Mail{}, err
		}
		for _, m := range mails {
			if strings.Contains(m.Body, key) {
				return m, nil
			}
		}
		select {
		case <-ctx.Done():
			return Mail{}, fmt.Errorf("no mail names %s: %w", key, context.Cause(ctx))
		case <-ticker.C:
		}
	}
}

// ReadMails reads every mail in the folder, in the order of arrival.
func ReadMails(directory string) ([]Mail, error) {
	paths, err := filepath.Glob(filepath.Join(directory, "*.eml"))
	if err != nil {
		return nil, err
	}
	mails := make([]Mail, 0, len(paths))
	for _, path := range paths {
		m, err := readMail(path)
		if err != nil {
			return nil, fmt.Errorf("read mail %s: %w", filepath.Base(path), err)
		}
		mails = append(mails, m)
	}
	return mails, nil
}

func readMail(path string) (Mail, error) {
	file, err := os.Open(path)
	if err != nil {
		return Mail{}, err
	}
	defer file.Close()
	message, err := mail.ReadMessage(file)
	if err != nil {
		return Mail{}, err
	}
	subject, err := new(mime.WordDecoder).DecodeHeader(message.Header.Get("Subject"))
	if err != nil {
		return Mail{}, err
	}
	text, err := io.ReadAll(decoded(message))
	return Mail{
		From: message.Header.Get("From"), To: message.Header.Get("To"), Subject: subject,
		Body: strings.ReplaceAll(string(text), "\r\n", "\n"),
	}, err
}

// decoded undoes the transfer encoding of the body (RFC 2045, 6).
func decoded(message *mail.Message) io.Reader {
	switch strings.ToLower(message.Header.Get("Content-Transfer-Encoding")) {
	case "quoted-printable":
		return quotedprintable.NewReader(message.Body)
	case "base64":
		return base64.NewDecoder(base64.StdEncoding, message.Body)
	default:
		return message.Body
	}
}
