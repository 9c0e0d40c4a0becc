package laptop

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Condition answers whether a cloud is up.
type Condition int

const (
	// ConditionDown is a cloud without a state file: never started, or stopped by Down.
	ConditionDown Condition = iota
	// ConditionUp is a cloud whose Up succeeded, with all servers running.
	ConditionUp
	// ConditionHalfUp is any other cloud: a server has ended, Up didn't finish, or the
	// folder is a copy or was moved.
	ConditionHalfUp
)

// Condition returns the condition of the cloud, and the reason for ConditionHalfUp.
func (c *Cloud) Condition() (Condition, string) {
	ended := c.Ended()
	switch {
	case !c.hasState():
		return ConditionDown, ""
	case c.isElsewhere():
		return ConditionHalfUp, "its state is from the folder " + c.Folder
	case len(c.Outputs) == 0:
		return ConditionHalfUp, "`firn up` hasn't finished"
	case len(ended) == 1:
		return ConditionHalfUp, ended[0] + " has ended"
	case len(ended) > 0:
		return ConditionHalfUp, strings.Join(ended, ", ") + " have ended"
	case len(c.Servers) == 0:
		return ConditionHalfUp, "its state names no server"
	default:
		return ConditionUp, ""
	}
}

// Running reports whether all servers run.
func (c *Cloud) Running() bool { return len(c.Servers) > 0 && len(c.Ended()) == 0 }

// Ended returns the names of the servers that have ended, in alphabetical order.
func (c *Cloud) Ended() []string {
	ended := []string{}
	for name, pid := range c.Servers {
		if !isRunning(pid) {
			ended = append(ended, name)
		}
	}
	slices.Sort(ended)
	return ended
}

func (c *Cloud) hasState() bool {
	_, err := os.Stat(c.statePath())
	return err == nil
}

// isElsewhere reports whether the state is from another folder: the repository was
// copied or moved after Up. A state of an older version names no folder.
func (c *Cloud) isElsewhere() bool {
	if c.Folder == "" {
		return false
	}
	here, err := os.Stat(c.Root)
	if err != nil {
		return true
	}
	there, err := os.Stat(c.Folder)
	return err != nil || !os.SameFile(here, there)
}

// isCopy reports whether the folder of the state still has its own state file. Then the
// servers belong to that folder.
func (c *Cloud) isCopy() bool {
	within, err := filepath.Rel(c.Root, c.statePath())
	if err != nil || !c.isElsewhere() {
		return false
	}
	_, err = os.Stat(filepath.Join(c.Folder, within))
	return err == nil
}

// forgetServers removes the process ids of servers that don't belong to this cloud.
func (c *Cloud) forgetServers() {
	for name := range c.Servers {
		c.Servers[name] = noProcess
	}
}
