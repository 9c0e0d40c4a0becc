package main_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"
)

var listed = regexp.MustCompile(`(?m)^  (\S+) +(\S.*)$`)

// commands are the commands in `firn --help` with their short descriptions.
func commands(t *testing.T) map[string]string {
	t.Helper()
	help := call{arguments: []string{"--help"}}.succeed(t)
	_, list, there := strings.Cut(help, "Available Commands:\n")
	if !there {
		t.Fatalf("no list of commands in\n%s", help)
	}
	list, _, _ = strings.Cut(list, "\n\n")
	found := make(map[string]string)
	for _, match := range listed.FindAllStringSubmatch(list, -1) {
		found[match[1]] = match[2]
	}
	return found
}

func TestHelpListsEveryCommand(t *testing.T) {
	t.Parallel()
	golden(t, "help", call{arguments: []string{"--help"}}.succeed(t))
	all := commands(t)
	for _, name := range []string{"up", "down", "demo", "migrate", "put", "ingest", "status", "redrive", "reload", "dismiss", "accept", "audit", "sweep", "pause", "resume", "keys", "query", "contract"} {
		if all[name] == "" {
			t.Errorf("command %s is not in %v", name, all)
		}
	}
	if _, listed := all["serve-fdsn"]; listed {
		t.Error("the help shows serve-fdsn, an internal command of firn up")
	}
	for name, short := range all {
		if slices.Contains([]string{"help", "completion"}, name) {
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			help := call{arguments: []string{name, "--help"}}.succeed(t)
			text, _, _ := strings.Cut(help, "\n\nUsage:")
			if text == short && !strings.Contains(help, "\nExamples:\n  firn "+name) {
				t.Errorf("the help has no example and only the description %q:\n%s", short, help)
			}
			if !strings.Contains(help, "--json ") {
				t.Errorf("the help has no --json:\n%s", help)
			}
			if name == "demo" && strings.Contains(help, "before-count") {
				t.Error("the help shows the flag of a test")
			}
		})
	}
}
