package journey

import (
	"fmt"
	"os"
	"runtime"
	"strings"
)

// machine returns table rows that describe the machine.
func machine() []string {
	return []string{
		fmt.Sprintf("| processor | %d x %s |", runtime.NumCPU(), processor()),
		fmt.Sprintf("| system | %s %s, %s |", runtime.GOOS, firstLine("/proc/sys/kernel/osrelease"), runtime.GOARCH),
		fmt.Sprintf("| Go | %s |", strings.TrimPrefix(runtime.Version(), "go")),
	}
}

// processor returns the processor's name from Linux. On other systems the result is the
// architecture.
func processor() string {
	info, _ := os.ReadFile("/proc/cpuinfo") // missing on other systems
	for line := range strings.Lines(string(info)) {
		if name, value, found := strings.Cut(line, ":"); found && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return runtime.GOARCH
}

// loadAverage returns the load averages of the last 1, 5 and 15 minutes.
func loadAverage() string {
	fields := strings.Fields(firstLine("/proc/loadavg"))
	return strings.Join(fields[:min(3, len(fields))], " ")
}

func firstLine(path string) string {
	content, _ := os.ReadFile(path) // empty if the file is missing
	line, _, _ := strings.Cut(string(content), "\n")
	return line
}
