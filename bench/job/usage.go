package job

import (
	"bufio"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// Usage is the resource usage of this process since its start.
type Usage struct {
	// CPUSeconds is user and system time of all threads, in seconds.
	CPUSeconds float64 `json:"cpu_seconds"`
	// PeakBytes is VmHWM, the largest resident memory.
	PeakBytes int64 `json:"peak_bytes"`
}

func ownUsage() (Usage, error) {
	var spent syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &spent); err != nil {
		return Usage{}, fmt.Errorf("read own usage: %w", err)
	}
	peak, err := peakBytes()
	const second = 1e9
	return Usage{CPUSeconds: float64(spent.Utime.Nano()+spent.Stime.Nano()) / second, PeakBytes: peak}, err
}

// peakBytes reads VmHWM (man 5 proc_pid_status). The maximum of rusage isn't used,
// because the value would include the parent process.
func peakBytes() (int64, error) {
	const name = "VmHWM:"
	file, err := os.Open("/proc/self/status")
	if err != nil {
		return 0, err
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		if rest, found := strings.CutPrefix(lines.Text(), name); found {
			kilobytes, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			return kilobytes << 10, err
		}
	}
	return 0, fmt.Errorf("no %s in /proc/self/status", name)
}
