package main_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// waitingCDK plays a long synthesis: a program with a child. Its end after a signal
// prints a stack of Node.
const waitingCDK = `#!/bin/sh
trap 'echo "node:internal/process/promises:394"; echo "Error: Subprocess exited with error 1"; exit 1' TERM INT
/bin/sleep 600 &
echo $$ $! >"$PWD/build/synthesizing"
wait
`

// waitingPython plays a stand-in that is never ready.
const waitingPython = "#!/bin/sh\nexec /bin/sleep 600\n"

// startable makes a repository in which `firn up` begins a synthesis and waits. The
// returned pipe gets a line after the begin of the synthesis.
func startable(t *testing.T) (folder, pipe string) {
	t.Helper()
	folder = copyRepository(t)
	for _, name := range []string{"go.mod", "go.sum", "infra/main.go", "functions/load/main.go", "internal/load/load.go", "glue/transform.py", "glue/firn_glue/__init__.py"} {
		write(t, filepath.Join(folder, name), "")
	}
	for name, content := range map[string]string{"node_modules/.bin/cdk": waitingCDK, "build/venv/aws/bin/python": waitingPython, "build/venv/snowflake/bin/python": waitingPython} {
		write(t, filepath.Join(folder, name), content)
		if err := os.Chmod(filepath.Join(folder, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	pipe = filepath.Join(folder, "build/synthesizing")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	return folder, pipe
}

// processesIn returns the ids of the processes whose working directory is a folder, by
// the files of Linux.
func processesIn(t *testing.T, folder string) []int {
	t.Helper()
	links, err := filepath.Glob("/proc/[0-9]*/cwd")
	if err != nil {
		t.Fatal(err)
	}
	var found []int
	for _, link := range links {
		if at, err := os.Readlink(link); err == nil && at == folder {
			pid, err := strconv.Atoi(filepath.Base(filepath.Dir(link)))
			if err != nil {
				t.Fatal(err)
			}
			found = append(found, pid)
		}
	}
	return found
}

// awaitNoProcess waits until no process has the folder as its working directory.
func awaitNoProcess(t *testing.T, folder string) {
	t.Helper()
	limit := time.After(10 * time.Second)
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	for {
		left := processesIn(t, folder)
		if len(left) == 0 {
			return
		}
		select {
		case <-limit:
			t.Fatalf("the processes %v stay", left)
		case <-ticker.C:
		}
	}
}

// TestInterruptedUpLeavesNoProcess interrupts `firn up` during a synthesis. Before the
// interrupt, other commands of the folder are refused.
func TestInterruptedUpLeavesNoProcess(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		signal syscall.Signal
		code   int
	}{{syscall.SIGINT, 130}, {syscall.SIGTERM, 143}} {
		t.Run(test.signal.String(), func(t *testing.T) {
			t.Parallel()
			folder, pipe := startable(t)
			var stderr bytes.Buffer
			up := exec.Command(program, "up")
			up.Dir, up.Stderr, up.Env = folder, &stderr, []string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir()}
			if err := up.Start(); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = up.Process.Kill() })
			if _, err := os.ReadFile(pipe); err != nil { // waits for the writer
				t.Fatal(err)
			}
			if n := len(processesIn(t, folder)); n < 3 && runtime.GOOS == "linux" {
				t.Errorf("%d processes before the signal, want firn, the CDK and its child", n)
			}
			busy := "firn: another command (process " + strconv.Itoa(up.Process.Pid) + ") starts or stops the laptop's cloud in this folder: wait for its end"
			for _, name := range []string{"up", "down"} {
				expectError(t, call{directory: folder, arguments: []string{name}}, busy)
			}
			expectError(t, call{directory: folder, arguments: []string{"query", "select 1"}}, "is half up: `firn up` hasn't finished. Type ")
			if err := up.Process.Signal(test.signal); err != nil {
				t.Fatal(err)
			}
			_ = up.Wait()
			if code := up.ProcessState.ExitCode(); code != test.code {
				t.Errorf("exit code %d, want %d", code, test.code)
			}
			text := stderr.String()
			if !strings.HasSuffix(text, ", interrupted\nfirn: interrupted\n") || strings.Contains(text, "node:") || strings.Count(text, "firn:") != 1 {
				t.Errorf("standard error is\n%s", text)
			}
			awaitNoProcess(t, folder)
			const halfUp = "0 servers stopped\nthe laptop's cloud was half up: `firn up` hasn't finished\n"
			for _, want := range []string{halfUp, "0 servers stopped\n"} {
				if got := (call{directory: folder, arguments: []string{"down"}}).succeed(t); got != want {
					t.Errorf("firn down prints %q, want %q", got, want)
				}
			}
		})
	}
}

// TestUpAfterCrashStopsRest runs `firn up` on a half-up cloud. The new start reaches the
// synthesis, after the rest of the old cloud has ended.
func TestUpAfterCrashStopsRest(t *testing.T) {
	t.Parallel()
	folder, pipe := startable(t)
	_, processes := startCloud(t, folder)
	kill(t, processes["snowflake"])
	var stderr bytes.Buffer
	up := exec.Command(program, "up")
	up.Dir, up.Stderr, up.Env = folder, &stderr, []string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir()}
	if err := up.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = up.Process.Kill() })
	if _, err := os.ReadFile(pipe); err != nil { // waits for the writer
		t.Fatal(err)
	}
	for _, name := range []string{"aws", "fdsn", "mail"} {
		if err := processes[name].Wait(); err == nil || err.Error() != "signal: terminated" {
			t.Errorf("%s ended with %v, want a stop by firn up", name, err)
		}
	}
	if err := up.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	_ = up.Wait()
	if !strings.Contains(stderr.String(), "stop the half-up cloud: snowflake has ended") {
		t.Errorf("standard error is\n%s", stderr.String())
	}
	awaitNoProcess(t, folder)
}
