//go:build endtoend

package path_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/firn-data/firn/internal/demo"
	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/journal"
	"github.com/firn-data/firn/internal/object"
	"github.com/firn-data/firn/internal/work"
)

// A refused file causes a mail with the cause. No row is loaded, and `firn status`
// shows the same cause as the mail.
func TestRefusedFileSendsMailAndLoadsNothing(t *testing.T) {
	t.Parallel()
	o := put(t, keyOf(t, "all customers.csv"), []byte("code,name\nAA,fine\n\"BB,never closed\n"))
	entry := awaitStopped(t, o)[0]
	checkState(t, entry, journal.Failed)
	if entry.Code != string(fault.BadQuoting) || entry.Cause == "" || entry.Hint == "" {
		t.Errorf("unexpected code %q, cause %q or hint %q", entry.Code, entry.Cause, entry.Hint)
	}
	if got := rowsOf(t, o); got != 0 {
		t.Errorf("the table has %d rows of a refused file, want 0", got)
	}
	m := awaitMail(t, o)
	for _, part := range []string{entry.Cause, entry.Hint, string(o.ID()), o.Version} {
		if !strings.Contains(m.Body, part) {
			t.Errorf("the mail lacks %q:\n%s", part, m.Body)
		}
	}
	status := firn(t, "status", o.URI())
	for _, part := range []string{"failed", entry.Code, entry.Cause, entry.Hint, "received", "transforming"} {
		if !strings.Contains(status, part) {
			t.Errorf("status lacks %q:\n%s", part, status)
		}
	}
}

// For a loaded object, status shows the time of each state and the counts.
func TestStatusOfLoadedObjectShowsEveryState(t *testing.T) {
	t.Parallel()
	o := put(t, keyOf(t, "customers.csv"), append(customers("status", 20), []byte("TOO LONG,row\n")...))
	checkState(t, awaitStopped(t, o)[0], journal.Loaded)
	status := firn(t, "status", o.URI())
	for _, part := range []string{"loaded", "received", "transforming", "transformed", "21 read, 20 written, 1 rejected, 20 loaded", "code:pattern 1"} {
		if !strings.Contains(status, part) {
			t.Errorf("status lacks %q:\n%s", part, status)
		}
	}
	var entry journal.Entry
	if err := json.Unmarshal([]byte(firn(t, "status", "--json", o.URI())), &entry); err != nil || entry.ID != o.ID() {
		t.Errorf("status --json: %v", err)
	}
	rejects := queryNumber(t, "select count(*) as n from RAW.SHOP_CUSTOMER_REJECTS where _FIRN_OBJECT = ? and _FIRN_RECORD = 21", string(o.ID()))
	if rejects != 1 {
		t.Errorf("the table of rejects has %d rows of the reject, want 1", rejects)
	}
}

// The command in a mail loads the failed object. One command redrives all failed objects
// of a dataset with the same code. The tests follow one another: only the first failure
// of a code gets a mail at once, and the next failures wait for the digest.
func TestRedriveLoadsFailedObjects(t *testing.T) {
	t.Parallel()
	t.Run("command in the mail", func(t *testing.T) {
		o := putAndDeleteData(t, "all customers.csv", customers("redrive", 6))[0]
		checkState(t, awaitStopped(t, o)[0], journal.Failed)
		command := commandIn(t, awaitMail(t, o))
		shell(t, command)
		checkState(t, awaitRetried(t, o), journal.Loaded)
		if got := rowsOf(t, o); got != 6 {
			t.Errorf("%d rows, want 6", got)
		}
		if entries, rows := ledgerOf(t, o); entries != 1 || rows != 6 {
			t.Errorf("the ledger has %d entries with %d rows, want 1 with 6", entries, rows)
		}
	})
	t.Run("command by code", func(t *testing.T) {
		objects := putAndDeleteData(t, "lost.csv", customers("first", 2), customers("second", 3))
		var code string
		for _, entry := range awaitStopped(t, objects...) {
			checkState(t, entry, journal.Failed)
			code = entry.Code
		}
		firn(t, "redrive", "--dataset", "shop.customer", "--code", code)
		for i, o := range objects {
			checkState(t, awaitRetried(t, o), journal.Loaded)
			if got := rowsOf(t, o); got != int64(2+i) {
				t.Errorf("%s has %d rows, want %d", o.Key, got, 2+i)
			}
		}
	})
}

// A key without a contract causes a mail.
func TestKeyWithoutContractSendsMail(t *testing.T) {
	t.Parallel()
	o := put(t, "unknown/thing/"+t.Name()+".csv", []byte("a\n1\n"))
	entry := awaitStopped(t, o)[0]
	checkState(t, entry, journal.Failed)
	if entry.Code != string(fault.NoDataset) {
		t.Errorf("code %q, want %q", entry.Code, fault.NoDataset)
	}
	awaitMail(t, o)
}

// putAndDeleteData uploads files and deletes their data files before the load. A number
// from 1 begins the key's name. Loads are paused before the first upload.
func putAndDeleteData(t *testing.T, name string, bodies ...[]byte) []object.Object {
	t.Helper()
	release := pauseLoads(t)
	defer release()
	var objects []object.Object
	for i, body := range bodies {
		objects = append(objects, put(t, keyOf(t, fmt.Sprintf("%d %s", i+1, name)), body))
	}
	for _, o := range objects {
		deleteData(t, o)
	}
	return objects
}

// deleteData deletes the data files of an object that waits for a load.
func deleteData(t *testing.T, o object.Object) {
	t.Helper()
	entry := awaitState(t, o, journal.Transformed)
	output, err := stack.s3.GetObject(t.Context(), &s3.GetObjectInput{Bucket: aws.String(entry.Receipt.Bucket), Key: aws.String(entry.Receipt.Key)})
	if err != nil {
		t.Fatal(err)
	}
	defer output.Body.Close()
	var receipt work.Receipt
	if err := json.NewDecoder(output.Body).Decode(&receipt); err != nil {
		t.Fatal(err)
	}
	for _, file := range receipt.Data {
		if _, err := stack.s3.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: aws.String(entry.Receipt.Bucket), Key: aws.String(file.Key)}); err != nil {
			t.Fatal(err)
		}
	}
}

// awaitRetried waits until a redriven object has an end state or has failed again.
func awaitRetried(t *testing.T, o object.Object) journal.Entry {
	t.Helper()
	var entry journal.Entry
	eventually(t, o.Key+" is loaded or fails again", func() (bool, string) {
		var err error
		if entry, err = stack.journal.Get(t.Context(), o.ID()); err != nil {
			t.Fatal(err)
		}
		return entry.State.Final() || entry.State == journal.Failed && entry.Redrives == 0, string(entry.State) + " " + entry.Cause
	})
	return entry
}

// awaitMail waits for a mail with the object's id.
func awaitMail(t *testing.T, o object.Object) demo.Mail {
	t.Helper()
	var mails []demo.Mail
	eventually(t, "a mail has the id of "+o.Key, func() (bool, string) {
		mails = mailsSoon(t, string(o.ID()))
		return len(mails) > 0, "no mail"
	})
	return mails[0]
}

// commandIn returns the command in a mail.
func commandIn(t *testing.T, m demo.Mail) string {
	t.Helper()
	for line := range strings.Lines(m.Body) {
		if command, found := strings.CutPrefix(line, "Then type"); found {
			return strings.TrimSpace(command)
		}
	}
	t.Fatalf("the mail has no command:\n%s", m.Body)
	return ""
}

// firn runs the operator's command and returns its output.
func firn(t *testing.T, arguments ...string) string {
	t.Helper()
	return output(t, exec.CommandContext(t.Context(), stack.cloud.Program, arguments...))
}

// statusOf returns the status of a dataset. The other tests may leave failed objects, and
// then the exit code is 1.
func statusOf(t *testing.T, dataset string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), stack.cloud.Program, "status", "--dataset", dataset)
	text, err := cmd.Output()
	if exit, ok := errors.AsType[*exec.ExitError](err); err != nil && (!ok || exit.ExitCode() != 1) {
		t.Fatalf("firn status --dataset %s: %v", dataset, err)
	}
	return string(text)
}

// shell runs a command in a shell, like a user who pastes the command.
func shell(t *testing.T, command string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "sh", "-c", command)
	cmd.Env = append(os.Environ(), "PATH="+filepath.Dir(stack.cloud.Program)+":"+os.Getenv("PATH"))
	return output(t, cmd)
}

func output(t *testing.T, cmd *exec.Cmd) string {
	t.Helper()
	text, err := cmd.Output()
	if err != nil {
		message := err.Error()
		if exit, ok := err.(*exec.ExitError); ok {
			message = string(exit.Stderr)
		}
		t.Fatalf("%s: %s", strings.Join(cmd.Args, " "), message)
	}
	return string(text)
}
