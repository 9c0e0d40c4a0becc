package laptop_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/firn-data/firn/internal/laptop"
)

// TestConditionNamesReason changes a complete cloud in each case and opens the cloud
// again.
func TestConditionNamesReason(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		change func(t *testing.T, cloud *laptop.Cloud)
		want   laptop.Condition
		reason string
	}{
		{"complete", func(*testing.T, *laptop.Cloud) {}, laptop.ConditionUp, ""},
		{"after Down", func(t *testing.T, cloud *laptop.Cloud) {
			if err := cloud.Down(); err != nil {
				t.Fatal(err)
			}
		}, laptop.ConditionDown, ""},
		{"killed server", func(t *testing.T, cloud *laptop.Cloud) {
			if err := cloud.Kill("mail"); err != nil {
				t.Fatal(err)
			}
		}, laptop.ConditionHalfUp, "mail has ended"},
		{"two killed servers", func(t *testing.T, cloud *laptop.Cloud) {
			for _, name := range []string{"mail", "aws"} {
				if err := cloud.Kill(name); err != nil {
					t.Fatal(err)
				}
			}
		}, laptop.ConditionHalfUp, "aws, mail have ended"},
		{"other boot of the machine", func(t *testing.T, cloud *laptop.Cloud) {
			editState(t, cloud, func(state map[string]any) { state["boot"] = "another" })
		}, laptop.ConditionHalfUp, "aws, mail have ended"},
		{"unfinished Up", func(t *testing.T, cloud *laptop.Cloud) {
			editState(t, cloud, func(state map[string]any) { state["outputs"] = nil })
		}, laptop.ConditionHalfUp, "`firn up` hasn't finished"},
		{"state without servers", func(t *testing.T, cloud *laptop.Cloud) {
			editState(t, cloud, func(state map[string]any) { state["servers"] = nil })
		}, laptop.ConditionHalfUp, "its state names no server"},
		{"state of another folder", func(t *testing.T, cloud *laptop.Cloud) {
			editState(t, cloud, func(state map[string]any) { state["folder"] = "/nowhere/firn" })
		}, laptop.ConditionHalfUp, "its state is from the folder /nowhere/firn"},
		{"state of an older version", func(t *testing.T, cloud *laptop.Cloud) {
			editState(t, cloud, func(state map[string]any) { delete(state, "folder") })
		}, laptop.ConditionUp, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			cloud := open(t, t.TempDir())
			cloud.Servers = map[string]int{"aws": sleepingProcess(t), "mail": sleepingProcess(t)}
			save(t, cloud)
			test.change(t, cloud)
			if got, reason := open(t, cloud.Root).Condition(); got != test.want || reason != test.reason {
				t.Errorf("condition is %d %q, want %d %q", got, reason, test.want, test.reason)
			}
		})
	}
}

// editState changes the state file.
func editState(t *testing.T, cloud *laptop.Cloud, change func(map[string]any)) {
	t.Helper()
	path := filepath.Join(cloud.Directory, "cloud.json")
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var state map[string]any
	if err := json.Unmarshal(content, &state); err != nil {
		t.Fatal(err)
	}
	change(state)
	if content, err = json.Marshal(state); err != nil {
		t.Fatal(err)
	}
	write(t, path, string(content))
}

// TestDownOfCopyLeavesServers copies the folder of a running cloud. Down in the copy
// removes only the state of the copy.
func TestDownOfCopyLeavesServers(t *testing.T) {
	t.Parallel()
	original := open(t, t.TempDir())
	original.Servers["aws"] = sleepingProcess(t)
	save(t, original)
	folder := filepath.Join(t.TempDir(), "copy")
	if err := os.CopyFS(folder, os.DirFS(original.Root)); err != nil {
		t.Fatal(err)
	}
	copied := open(t, folder)
	if got, reason := copied.Condition(); got != laptop.ConditionHalfUp || reason != "its state is from the folder "+original.Root {
		t.Errorf("condition of the copy is %d %q", got, reason)
	}
	if err := copied.Down(); err != nil {
		t.Fatal(err)
	}
	if got, _ := open(t, folder).Condition(); got != laptop.ConditionDown {
		t.Errorf("condition of the copy after Down is %d", got)
	}
	if got, _ := open(t, original.Root).Condition(); got != laptop.ConditionUp {
		t.Errorf("condition of the original after Down of the copy is %d", got)
	}
}

// TestDownOfMovedCloudStopsServers moves the folder of a running cloud.
func TestDownOfMovedCloudStopsServers(t *testing.T) {
	t.Parallel()
	parent := t.TempDir()
	original := open(t, filepath.Join(parent, "original"))
	server := sleepingProcess(t)
	original.Servers["aws"] = server
	save(t, original)
	folder := filepath.Join(parent, "moved")
	if err := os.Rename(original.Root, folder); err != nil {
		t.Fatal(err)
	}
	if err := open(t, folder).Down(); err != nil {
		t.Fatal(err)
	}
	if laptop.Alive(server) {
		t.Error("the server runs after Down in the moved folder")
	}
}

// TestSecondUpIsRefused begins a second Up, and Down, while the first Up is in a step.
func TestSecondUpIsRefused(t *testing.T) {
	t.Parallel()
	root := repository(t)
	began, goOn := make(chan struct{}), make(chan error)
	blocked := func(string, func() error) error {
		close(began)
		return <-goOn
	}
	first := make(chan error, 1)
	cloud := open(t, root)
	go func() { first <- cloud.Up(t.Context(), blocked) }()
	<-began
	const want = "starts or stops the laptop's cloud in this folder: wait for its end"
	if err := open(t, root).Up(t.Context(), failingStep(t)); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("second Up = %v, want %q", err, want)
	}
	if err := open(t, root).Down(); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("Down during Up = %v, want %q", err, want)
	}
	goOn <- os.ErrDeadlineExceeded
	if err := <-first; err == nil {
		t.Error("the first Up succeeded after a failed step")
	}
	if got, reason := open(t, root).Condition(); got != laptop.ConditionHalfUp || reason != "`firn up` hasn't finished" {
		t.Errorf("condition after a failed Up is %d %q", got, reason)
	}
	if err := open(t, root).Down(); err != nil {
		t.Errorf("Down after the first Up: %v", err)
	}
}

// TestUpReadsStateOfOtherProcess opens a cloud before another process starts it.
func TestUpReadsStateOfOtherProcess(t *testing.T) {
	t.Parallel()
	root := repository(t)
	late, other := open(t, root), open(t, root)
	other.Servers["aws"] = sleepingProcess(t)
	save(t, other)
	if err := late.Up(t.Context(), failingStep(t)); err == nil || !strings.Contains(err.Error(), "already up") {
		t.Errorf("Up = %v, want already up", err)
	}
}
