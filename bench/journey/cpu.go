package journey

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// CPU is user and system time by process: the stand-ins by their names, the
// functions by theirs. Empty on a system without /proc.
type CPU map[string]time.Duration

// since returns what was taken since an earlier reading. What a process took
// that ended in between is missing.
func (c CPU) since(before CPU) CPU {
	taken := make(CPU)
	for name, now := range c {
		if spent := now - before[name]; spent > 0 {
			taken[name] = spent
		}
	}
	return taken
}

// processorTime reads what every process of the cloud has taken so far.
func (b *Runner) processorTime() CPU {
	taken := make(CPU)
	stats, _ := filepath.Glob("/proc/[0-9]*/stat") // the pattern is sound
	servers := make(map[int]string)
	for name, pid := range b.cloud.Servers {
		servers[pid] = name + " stand-in"
	}
	for _, path := range stats {
		stat, err := os.ReadFile(path)
		if err != nil {
			continue // it ended meanwhile
		}
		pid, parent, spent := parseStat(stat)
		switch {
		case servers[pid] != "":
			taken[servers[pid]] += spent
		case parent == b.cloud.Servers["aws"]:
			taken[functionOf(pid)] += spent
		}
	}
	return taken
}

// clockTicksPerSecond is the unit of the kernel's account, a hundredth of a second on
// Linux whatever the machine (man 5 proc_pid_stat, man 7 time).
const clockTicksPerSecond = 100

// parseStat reads a process's id, its parent's and its time from
// /proc/<pid>/stat, whose second field may hold anything.
func parseStat(stat []byte) (pid, parent int, spent time.Duration) {
	end := bytes.LastIndexByte(stat, ')')
	if end < 0 {
		return 0, 0, 0
	}
	before, _, _ := bytes.Cut(stat, []byte(" "))
	fields := strings.Fields(string(stat[end+1:]))
	const fieldParent, fieldUser, fieldSystem = 1, 11, 12
	if len(fields) <= fieldSystem {
		return 0, 0, 0
	}
	pid, _ = strconv.Atoi(string(before)) // the kernel writes numbers
	parent, _ = strconv.Atoi(fields[fieldParent])
	user, _ := strconv.Atoi(fields[fieldUser])
	system, _ := strconv.Atoi(fields[fieldSystem])
	return pid, parent, time.Duration(user+system) * time.Second / clockTicksPerSecond
}

// functionOf names the function that a child of the AWS stand-in runs.
func functionOf(pid int) string {
	environment, _ := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid)) // none: it ended meanwhile
	for variable := range strings.SplitSeq(string(environment), "\x00") {
		name, value, _ := strings.Cut(variable, "=")
		if name == "AWS_LAMBDA_FUNCTION_NAME" {
			return "function " + shortName(value)
		}
	}
	return "other children"
}

// shortName drops what CloudFormation adds to a function's name:
// "Firn-LoadFunction-1A2B" is "load".
func shortName(name string) string {
	_, name, _ = strings.Cut(name, "-")
	name, _, _ = strings.Cut(name, "Function")
	return strings.ToLower(name)
}
