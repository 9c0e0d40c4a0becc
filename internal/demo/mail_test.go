package demo_test

import (
	"context"
	"encoding/base64"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/firn-data/firn/internal/demo"
)

const header = "From: firn <no-reply@firn.example>\r\nTo: operator@firn.example\r\n"

// deliver writes a mail like the mail stand-in: under another name first, then with a
// rename. So no reader sees an incomplete mail.
func deliver(t *testing.T, directory, name, content string) {
	t.Helper()
	path := filepath.Join(directory, name)
	if err := os.WriteFile(path+".part", []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".part", path); err != nil {
		t.Fatal(err)
	}
}

func TestReadMails(t *testing.T) {
	t.Parallel()
	long := "firn redrive 's3://landing/" + strings.Repeat("order/", 30) + "a b+c=é.csv'"
	tests := []struct {
		name, mail, subject, body string
	}{
		{
			"plain", header + "Subject: firn: 1 failed\r\n\r\none\r\ntwo\r\n",
			"firn: 1 failed", "one\ntwo\n",
		},
		{
			"quoted-printable, with a folded line and an equals sign",
			header + "Subject: x\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n" +
				"firn redrive 's3://landing/" + strings.Repeat("order/=\r\n", 30) + "a b+c=3D=C3=A9.csv'\r\n",
			"x", long + "\n",
		},
		{
			"base64, in lines", header + "Subject: x\r\nContent-Transfer-Encoding: BASE64\r\n\r\n" +
				strings.Join(chunks(base64.StdEncoding.EncodeToString([]byte(long+"\r\n")), 76), "\r\n") + "\r\n",
			"x", long + "\n",
		},
		{
			"subject in UTF-8, over two lines",
			header + "Subject: =?utf-8?q?firn=3A_1_failed_in_caf=C3=A9?=\r\n =?utf-8?b?LCBvcmRlcg==?=\r\n\r\nbody",
			"firn: 1 failed in café, order", "body",
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			directory := t.TempDir()
			deliver(t, directory, "1.eml", test.mail)
			deliver(t, directory, ".2.eml.part", "half a ma") // an incomplete mail
			got, err := demo.ReadMails(directory)
			want := []demo.Mail{{From: "firn <no-reply@firn.example>", To: "operator@firn.example", Subject: test.subject, Body: test.body}}
			if diff := cmp.Diff(want, got); err != nil || diff != "" {
				t.Errorf("ReadMails: %v (-want +got):\n%s", err, diff)
			}
		})
	}
}

func chunks(text string, width int) []string {
	var lines []string
	for ; len(text) > width; text = text[width:] {
		lines = append(lines, text[:width])
	}
	return append(lines, text)
}

func TestReadMailsRefusesMalformedMail(t *testing.T) {
	t.Parallel()
	directory := t.TempDir()
	deliver(t, directory, "1.eml", "no mail at all")
	if _, err := demo.ReadMails(directory); err == nil || !strings.Contains(err.Error(), "1.eml") {
		t.Errorf("ReadMails = %v, want an error that names the file", err)
	}
}

// TestAwaitMailReturnsMailOfKey delivers the mail during the wait, after another mail.
func TestAwaitMailReturnsMailOfKey(t *testing.T) {
	t.Parallel()
	directory := t.TempDir()
	deliver(t, directory, "1.eml", header+"Subject: other\r\n\r\nabout a.csv\r\n")
	type answer struct {
		mail demo.Mail
		err  error
	}
	got := make(chan answer)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	go func() {
		mail, err := demo.AwaitMail(ctx, directory, "orders broken.csv")
		got <- answer{mail, err}
	}()
	deliver(t, directory, "2.eml", header+"Subject: it\r\n\r\nabout orders broken.csv\r\n")
	if a := <-got; a.err != nil || a.mail.Subject != "it" {
		t.Errorf("AwaitMail = %q, %v", a.mail.Subject, a.err)
	}
}

func TestAwaitMailEndsWithContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("not done within a moment"))
	_, err := demo.AwaitMail(ctx, t.TempDir(), "a.csv")
	if want := "no mail names a.csv: not done within a moment"; err == nil || err.Error() != want {
		t.Errorf("AwaitMail = %v, want %q", err, want)
	}
}
