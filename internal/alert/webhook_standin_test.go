//go:build standin

package alert_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/firn-data/firn/internal/alert"
)

// adapterPython is the Python of the AWS stand-in.
const adapterPython = "../../build/venv/aws/bin/python"

// adapterHarness reads an event of a function URL and prints the status of the answer.
const adapterHarness = `
import json, sys
import adapter
print(adapter.handler(json.load(sys.stdin), None)["statusCode"])
`

// adapter writes the Python code of the page about the webhook to a folder.
func adapter(t *testing.T) (folder string) {
	t.Helper()
	page, err := os.ReadFile("../../docs/webhook.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(page), "```python\n")
	code, _, closed := strings.Cut(rest, "\n```\n")
	if !found || !closed {
		t.Fatal("the page has no Python code")
	}
	folder = t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, "adapter.py"), []byte(code), 0o600); err != nil {
		t.Fatal(err)
	}
	return folder
}

// TestAdapterChecksSignatureAndPassesMessageOn posts messages of the real webhook to the
// adapter of the page.
func TestAdapterChecksSignatureAndPassesMessageOn(t *testing.T) {
	t.Parallel()
	folder := adapter(t)
	failed, recovered := postedMessages(t)
	tests := []struct {
		name     string
		message  posted
		variable string
		disturb  func(event map[string]any)
		status   string
		want     string
	}{
		{"Slack", failed, "SLACK_URL", nil, "200", `{"text": "firn [test]: shop.order: 1 object failed: bad_header`},
		{"Teams", failed, "TEAMS_URL", nil, "200", `{"type": "message", "attachments": [{"contentType": "application/vnd.microsoft.card.adaptive", "content": {`},
		{
			"PagerDuty", failed, "PAGERDUTY_URL", nil, "200",
			`{"routing_key": "pk", "event_action": "trigger", "dedup_key": "firn test shop.order bad_header", "payload": {"summary": "firn [test]: shop.order: 1 object failed: bad_header",`,
		},
		{
			"PagerDuty after the recovery", recovered, "PAGERDUTY_URL", nil, "200",
			`{"routing_key": "pk", "event_action": "resolve", "dedup_key": "firn test shop.order bad_header", "payload": {"summary": "firn [test]: shop.order: recovered after `,
		},
		{"changed body", failed, "SLACK_URL", func(event map[string]any) {
			event["body"] = strings.Replace(event["body"].(string), "bad_header", "bad_quoting", 1)
		}, "401", ""},
		{"changed timestamp", failed, "SLACK_URL", func(event map[string]any) {
			event["headers"].(map[string]string)["firn-timestamp"] = strconv.FormatInt(time.Now().Unix()+1, 10)
		}, "401", ""},
		{"old request", failed, "SLACK_URL", func(event map[string]any) {
			h, old := event["headers"].(map[string]string), strconv.FormatInt(time.Now().Unix()-600, 10)
			h["firn-timestamp"], h["firn-signature"] = old, "sha256="+alert.Sign(webhookKey, old, failed.body)
		}, "401", ""},
		{"no headers", failed, "SLACK_URL", func(event map[string]any) { event["headers"] = map[string]string{} }, "401", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got := ""
			receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				content, _ := io.ReadAll(r.Body)
				got = string(content)
			}))
			t.Cleanup(receiver.Close)
			lower := make(map[string]string)
			for name := range test.message.headers {
				lower[strings.ToLower(name)] = test.message.headers.Get(name)
			}
			event := map[string]any{"headers": lower, "body": string(test.message.body), "isBase64Encoded": false}
			if test.disturb != nil {
				test.disturb(event)
			}
			input, err := json.Marshal(event)
			if err != nil {
				t.Fatal(err)
			}
			python := exec.CommandContext(t.Context(), adapterPython, "-c", adapterHarness)
			python.Stdin = bytes.NewReader(input)
			python.Env = append(os.Environ(), "PYTHONPATH="+folder, "PYTHONDONTWRITEBYTECODE=1",
				"FIRN_WEBHOOK_KEY="+webhookKey, "PAGERDUTY_KEY=pk", test.variable+"="+receiver.URL)
			output, err := python.CombinedOutput()
			if err != nil || strings.TrimSpace(string(output)) != test.status {
				t.Fatalf("%v, status %s, want %s", err, output, test.status)
			}
			if !strings.HasPrefix(got, test.want) || test.want == "" && got != "" {
				t.Errorf("the receiver got %s\nwant %s", got, test.want)
			}
		})
	}
}
