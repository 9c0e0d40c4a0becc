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

// CPU is user and system time by the name of the stand-in or function. Empty on a
// system without /proc.
type CPU map[string]time.Duration

// since returns the time since an earlier reading, without processes that ended in the
// meantime.
func (c CPU) since(before CPU) CPU {
	taken := make(CPU)
	for name, now := range c {
		if spent := now - before[name]; spent > 0 {
			taken[name] = spent
		}
	}
	return taken
}

// processorTime returns the time so far of each process in the cloud.
func (b *Runner) processorTime() CPU {
	taken := make(CPU)
	stats, _ := filepath.Glob("/proc/[0-9]*/stat") // the pattern is valid, so the error is nil
	servers := make(map[int]string)
	for name, pid := range b.cloud.Servers {
		servers[pid] = name + " stand-in"
	}
	for _, path := range stats {
		stat, err := os.ReadFile(path)
		if err != nil {
			continue // the process ended
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

// clockTicksPerSecond is the kernel's unit of processor time. On Linux the value is 100
// on every machine (man 5 proc_pid_stat, man 7 time).
const clockTicksPerSecond = 100

// parseStat returns process id, parent id and processor time from the content of
// /proc/<pid>/stat. The second field is the program's name and may have any characters.
// All results are 0 for an invalid content.
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
	pid, _ = strconv.Atoi(string(before)) // the kernel writes valid numbers
	parent, _ = strconv.Atoi(fields[fieldParent])
	user, _ := strconv.Atoi(fields[fieldUser])
	system, _ := strconv.Atoi(fields[fieldSystem])
	return pid, parent, time.Duration(user+system) * time.Second / clockTicksPerSecond
}

// functionOf returns the name of the function in a child process of the AWS stand-in.
func functionOf(pid int) string {
	environment, _ := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid)) // empty if the process ended
	for variable := range strings.SplitSeq(string(environment), "\x00") {
		name, value, _ := strings.Cut(variable, "=")
		if name == "AWS_LAMBDA_FUNCTION_NAME" {
			return "function " + shortName(value)
		}
	}
	return "other children"
}

// shortName removes CloudFormation's additions to a function's name:
// "Firn-LoadFunction-1A2B" becomes "load".
func shortName(name string) string {
	_, name, _ = strings.Cut(name, "-")
	name, _, _ = strings.Cut(name, "Function")
	return strings.ToLower(name)
}
