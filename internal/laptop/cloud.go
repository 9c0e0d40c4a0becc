// Package laptop runs the laptop's cloud: stand-ins for AWS, Snowflake, a mail
// server and FDSN event services, and the same stack that an account gets, deployed to
// them by the CDK's own command.
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

// Cloud is one laptop cloud, running or not.
type Cloud struct {
	// Root is the repository's folder.
	Root string `json:"-"`
	// Project is the folder with datasets/, the scripts in snowflake/ that are
	// generated from the contracts, and dbt/. Defaults to Root.
	Project string `json:"-"`
	// Directory keeps the cloud's state, logs and mails.
	Directory string `json:"-"`
	// Program is the firn binary, which serves the FDSN stand-in.
	Program string `json:"-"`
	// EnvironmentFile is what Up leaves to be sourced by a user's own clients
	// and Down removes. Empty for none.
	EnvironmentFile string `json:"-"`
	// IdleBlocker is after how long Snowflake's stand-in aborts a transaction
	// that sits idle and blocks another. Defaults to 5 minutes, as there.
	IdleBlocker time.Duration `json:"-"`
	// Tied ends the servers when the process that started the servers ends, also
	// by a panic or a signal. For tests. Defaults to servers that stay.
	Tied  bool  `json:"-"`
	Ports Ports `json:"ports"`
	// Servers are the process ids by name.
	Servers map[string]int `json:"servers"`
	// Boot is the boot of the machine in which the servers were started.
	Boot string `json:"boot"`
	// Outputs are the stack's, by name.
	Outputs map[string]string `json:"outputs"`
}

// startTimeout bounds how long a stand-in may take to answer: the first import
// ever of its Python packages takes seconds, on a busy machine many.
const startTimeout = 90 * time.Second

// Step runs each step of Up.
type Step func(name string, run func() error) error

// Open returns the cloud whose state is in the directory; it need not run.
func Open(root, directory, program string) (*Cloud, error) {
	c := &Cloud{Root: root, Directory: directory, Program: program, Servers: make(map[string]int)}
	content, err := os.ReadFile(c.statePath())
	if errors.Is(err, fs.ErrNotExist) {
		return c, nil
	}
	if err != nil {
		return nil, fmt.Errorf("open the laptop's cloud: %w", err)
	}
	if err := json.Unmarshal(content, c); err != nil {
		return nil, fmt.Errorf("open the laptop's cloud: %s: %w", c.statePath(), err)
	}
	if c.Boot != bootID() {
		c.Servers = make(map[string]int)
	}
	return c, nil
}

// Running reports whether all servers live.
func (c *Cloud) Running() bool {
	for _, pid := range c.Servers {
		if !isRunning(pid) {
			return false
		}
	}
	return len(c.Servers) > 0
}

// MailDirectory is where the mails arrive, one .eml file each.
func (c *Cloud) MailDirectory() string { return filepath.Join(c.Directory, "mail") }

func (c *Cloud) statePath() string { return filepath.Join(c.Directory, "cloud.json") }

// Up starts everything and deploys the stack. What is left of an earlier run,
// servers or state, is removed first. On an error all that was started is
// stopped.
func (c *Cloud) Up(ctx context.Context, step Step) (err error) {
	if c.Running() {
		return errors.New("the laptop's cloud is already up: stop it with `firn down`")
	}
	if _, err := contract.ReadAll(os.DirFS(c.datasets())); err != nil {
		return fmt.Errorf("fix the contracts in datasets/ first: %w", err)
	}
	if err := c.prepare("aws", "snowflake", "glue", "jars", "cdk"); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, c.Stop())
		}
	}()
	synthesized := make(chan error, 1)
	go func() { synthesized <- c.synthesize(ctx) }()
	if err := step("start the stand-ins", func() error { return c.StartServers(ctx) }); err != nil {
		return errors.Join(err, <-synthesized)
	}
	if err := c.writeState(); err != nil { // so that a killed command leaves nothing unknown
		return errors.Join(err, <-synthesized)
	}
	if err := step("build and synthesize the stack", func() error { return <-synthesized }); err != nil {
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

// Down stops every server that Up started. Its state stays until the next Up.
func (c *Cloud) Down() error {
	err := c.Stop()
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

// StartOnly prepares and starts some stand-ins without a stack, for tests of
// what needs no more.
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

// StartServers starts the stand-ins that don't run, side by side: after a
// crash of one it brings that one back with its state. Names pick some; none
// picks all.
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
		go func() {
			if pid, known := c.Servers[server.name]; known && isRunning(pid) {
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

// Kill ends one stand-in as a power cut would, for tests.
func (c *Cloud) Kill(name string) error { return killProcess(c.Servers[name]) }

// Stop stops every server; the state of the cloud stays as it is.
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

// writeState writes the state that Open reads.
func (c *Cloud) writeState() error {
	c.Boot = bootID()
	content, err := json.MarshalIndent(c, "", "  ")
	if err != nil {
		return fmt.Errorf("save the laptop's cloud: %w", err)
	}
	if err := os.WriteFile(c.statePath(), append(content, '\n'), 0o644); err != nil {
		return fmt.Errorf("save the laptop's cloud: %w", err)
	}
	return nil
}
