// Package laptop runs the laptop's cloud: stand-ins for AWS, Snowflake, a mail server
// and FDSN event services. The command of the CDK deploys the stack of an account to
// the stand-ins.
package laptop

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/firn-data/firn/internal/contract"
)

// Cloud is a laptop's cloud, running or stopped.
type Cloud struct {
	// Root is the repository's folder.
	Root string `json:"-"`
	// Project is the folder with datasets/, dbt/, and snowflake/ with the scripts that
	// are generated from the contracts. Defaults to Root.
	Project string `json:"-"`
	// Directory is the folder of the cloud's state, logs and mails.
	Directory string `json:"-"`
	// Program is the path of the firn binary, which serves the FDSN stand-in.
	Program string `json:"-"`
	// EnvironmentFile is the file with the variables for other clients. Up writes the
	// file, and Down removes the file. Empty for no file.
	EnvironmentFile string `json:"-"`
	// IdleBlocker is the time after which the Snowflake stand-in aborts an idle
	// transaction that blocks another transaction. Defaults to 5 minutes, as in
	// Snowflake.
	IdleBlocker time.Duration `json:"-"`
	// FunctionEndpoint is the address of AWS for the functions, for example a proxy with
	// faults. Only for tests. Defaults to the address of the AWS stand-in.
	FunctionEndpoint string `json:"-"`
	// EndWithProcess ends the servers at the end of the process that started them, also after a
	// panic or a signal. Only for tests: by default the servers stay.
	EndWithProcess bool  `json:"-"`
	Ports          Ports `json:"ports"`
	// Folder is Root at the time of Up, to recognize a copied or moved folder.
	Folder string `json:"folder"`
	// Servers are the process ids by name of the server. 0 is an ended server.
	Servers map[string]int `json:"servers"`
	// Boot is the id of the machine's boot at the start of the servers.
	Boot string `json:"boot"`
	// Outputs are the outputs of the stack by name.
	Outputs map[string]string `json:"outputs"`
}

// startTimeout is the longest wait for an answer of a stand-in. The first import of the
// Python packages takes seconds, and longer on a busy machine.
const startTimeout = 90 * time.Second

// Step runs a step of Up.
type Step func(name string, run func() error) error

// Open returns the cloud with the state in the directory. Without a state, Open returns
// a stopped cloud.
func Open(root, directory, program string) (*Cloud, error) {
	c := &Cloud{Root: root, Directory: directory, Program: program, Servers: make(map[string]int)}
	if err := c.readState(); err != nil {
		return nil, err
	}
	return c, nil
}

// readState reads the state file, if the file exists.
func (c *Cloud) readState() error {
	content, err := os.ReadFile(c.statePath())
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("open the laptop's cloud: %w", err)
	}
	c.Servers, c.Outputs = make(map[string]int), nil
	if err := json.Unmarshal(content, c); err != nil {
		return fmt.Errorf("open the laptop's cloud: %s: %w: end its servers and remove the file", c.statePath(), err)
	}
	if c.Boot != bootID() || c.isCopy() {
		c.forgetServers()
	}
	return nil
}

// MailDirectory is the folder of the mails, with an .eml file for each mail.
func (c *Cloud) MailDirectory() string { return filepath.Join(c.Directory, "mail") }

func (c *Cloud) statePath() string { return filepath.Join(c.Directory, "cloud.json") }

// lockPath is outside of the folder of the state, because Up removes that folder.
func (c *Cloud) lockPath() string { return c.Directory + ".lock" }

// lock keeps Up and Down of other processes away, and reads the state that an earlier
// process left.
func (c *Cloud) lock() (*fileLock, error) {
	lock, err := tryLock(c.lockPath())
	if errors.Is(err, errLocked) {
		return nil, errBusy(holderOf(c.lockPath()))
	}
	if err != nil {
		return nil, err
	}
	wanted := c.Ports
	err = c.readState()
	c.Ports = wanted
	if err != nil {
		lock.release()
		return nil, err
	}
	return lock, nil
}

// Up starts the servers and deploys the stack. Before the start, Up stops servers and
// removes the state of an earlier run. On an error, Up stops the started servers, and
// the cloud stays half up until the next Up or Down. At the end of the context, the
// error is only the cause of the end.
func (c *Cloud) Up(ctx context.Context, step Step) (err error) {
	lock, err := c.lock()
	if err != nil {
		return err
	}
	defer lock.release()
	condition, reason := c.Condition()
	if condition == ConditionUp {
		return errors.New("the laptop's cloud is already up: stop it with `firn down`")
	}
	if _, err := contract.ReadAll(os.DirFS(c.datasets())); err != nil {
		return fmt.Errorf("fix the contracts in datasets/ first: %w", err)
	}
	if condition == ConditionHalfUp {
		if err := step("stop the half-up cloud: "+reason, c.Stop); err != nil {
			return err
		}
	}
	if err := c.prepare("aws", "snowflake", "glue", "jars", "cdk"); err != nil {
		return err
	}
	c.Outputs = nil
	if err := c.writeState(); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = c.giveUp(ctx, err)
		}
	}()
	if err := c.startAndSynthesize(ctx, step); err != nil {
		return err
	}
	if err := step("bootstrap the account", func() error { return c.bootstrap(ctx) }); err != nil {
		return err
	}
	if err := step("deploy the stack", func() error { return c.deploy(ctx) }); err != nil {
		return err
	}
	if err := step("migrate Snowflake", func() error { return c.migrate(ctx) }); err != nil {
		return err
	}
	return c.save()
}

// startAndSynthesize starts the servers and synthesizes the stack at the same time. If
// one of them fails, the other ends too.
func (c *Cloud) startAndSynthesize(ctx context.Context, step Step) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	synthesized := make(chan error, 1)
	go func() { synthesized <- c.synthesize(ctx) }()
	err := step("start the stand-ins", func() error { return c.StartServers(ctx) })
	if err == nil {
		err = c.writeState() // so that Down finds the servers of a killed command
	}
	if err != nil {
		cancel(err)
		<-synthesized
		return err
	}
	return step("build and synthesize the stack", func() error { return <-synthesized })
}

// giveUp stops the servers after the error of Up and returns the error of Up.
func (c *Cloud) giveUp(ctx context.Context, err error) error {
	if errors.Is(ctx.Err(), context.Canceled) {
		err = context.Cause(ctx)
	}
	c.Outputs = nil
	return errors.Join(err, c.Stop(), c.writeState())
}

// Down stops every server of Up. The cloud's folder stays until the next Up.
func (c *Cloud) Down() error {
	lock, err := c.lock()
	if err != nil {
		return err
	}
	defer lock.release()
	err = c.Stop()
	for _, path := range []string{c.statePath(), c.EnvironmentFile} {
		if path == "" {
			continue
		}
		if removal := os.Remove(path); removal != nil && !errors.Is(removal, fs.ErrNotExist) {
			err = errors.Join(err, removal)
		}
	}
	return err
}

// StartOnly starts the named stand-ins without a stack, with empty state. Only for
// tests.
func (c *Cloud) StartOnly(ctx context.Context, names ...string) error {
	if err := c.prepare(names...); err != nil {
		return err
	}
	return c.StartServers(ctx, names...)
}

func (c *Cloud) prepare(needs ...string) error {
	if err := c.require(needs); err != nil {
		return err
	}
	if err := c.Stop(); err != nil {
		return err
	}
	if err := c.Ports.claim(); err != nil {
		return err
	}
	if err := os.RemoveAll(c.Directory); err != nil {
		return fmt.Errorf("clear the laptop's cloud: %w", err)
	}
	for _, folder := range []string{"mail", "aws/s3", "aws/state", "aws/tmp", "snowflake", "cdk"} {
		if err := os.MkdirAll(filepath.Join(c.Directory, folder), 0o755); err != nil {
			return fmt.Errorf("prepare the laptop's cloud: %w", err)
		}
	}
	return nil
}

// StartServers starts the servers that don't run, concurrently. A server that crashed
// continues with its state. Names select servers; without names, StartServers starts
// all servers.
func (c *Cloud) StartServers(ctx context.Context, only ...string) error {
	ctx, cancel := context.WithTimeoutCause(ctx, startTimeout, fmt.Errorf("no answer within %s", startTimeout))
	defer cancel()
	type started struct {
		name string
		pid  int
		err  error
	}
	recordings, err := c.recordings()
	if err != nil {
		return fmt.Errorf("read the sample files: %w", err)
	}
	servers := c.servers(recordings)
	if len(only) > 0 {
		servers = slices.DeleteFunc(servers, func(p process) bool { return !slices.Contains(only, p.name) })
	}
	results := make(chan started, len(servers))
	for _, server := range servers {
		pid := c.Servers[server.name]
		go func() {
			if isRunning(pid) {
				results <- started{server.name, pid, nil}
				return
			}
			pid, err := server.start(ctx)
			results <- started{server.name, pid, err}
		}()
	}
	var faults []error
	for range servers {
		result := <-results
		if result.err != nil {
			faults = append(faults, result.err)
			continue
		}
		c.Servers[result.name] = result.pid
	}
	return errors.Join(faults...)
}

// Kill ends a server with SIGKILL, like a power cut. Only for tests.
func (c *Cloud) Kill(name string) error { return killProcess(c.Servers[name]) }

// StopServer ends a server with SIGTERM, and keeps its state for StartServers. Only for
// tests.
func (c *Cloud) StopServer(name string) error { return stopProcess(c.Servers[name]) }

// Stop stops every server and keeps the state of the cloud.
func (c *Cloud) Stop() error {
	var faults []error
	for name, pid := range c.Servers {
		if err := stopProcess(pid); err != nil {
			faults = append(faults, fmt.Errorf("stop %s: %w", name, err))
			continue
		}
		delete(c.Servers, name)
	}
	return errors.Join(faults...)
}

func (c *Cloud) save() error {
	if err := c.writeState(); err != nil || c.EnvironmentFile == "" {
		return err
	}
	return c.writeEnvironment()
}

// writeState writes the state for Open. A kill leaves the old state or the new state.
func (c *Cloud) writeState() error {
	c.Boot, c.Folder = bootID(), c.Root
	content, err := json.MarshalIndent(c, "", "  ")
	if err != nil {
		return fmt.Errorf("save the laptop's cloud: %w", err)
	}
	partial := c.statePath() + ".partial"
	if err := os.WriteFile(partial, append(content, '\n'), 0o644); err != nil {
		return fmt.Errorf("save the laptop's cloud: %w", err)
	}
	if err := os.Rename(partial, c.statePath()); err != nil {
		return fmt.Errorf("save the laptop's cloud: %w", err)
	}
	return nil
}
