package laptop

import (
	"context"
	"time"
)

// Exports for tests.
var (
	FingerprintOf = fingerprintOf
	Names         = names
	Reason        = errorLines
	StopWithin    = stopWithin
	Alive         = isRunning
)

// Claim fills in free ports and refuses busy ports.
func (p *Ports) Claim() error { return p.claim() }

// StartProcess starts a server with the log in the directory.
func StartProcess(ctx context.Context, name, directory string, environment []string, ready func(context.Context) error, command ...string) (int, error) {
	return process{name: name, command: command, environment: environment, directory: directory, ready: ready}.start(ctx)
}

// RunChild runs a program of Up, and waits the given time after SIGTERM.
func RunChild(ctx context.Context, grace time.Duration, command ...string) ([]byte, error) {
	return child{command: command, grace: grace}.run(ctx)
}

// Synthesize synthesizes the stack, unless nothing changed.
func (c *Cloud) Synthesize(ctx context.Context) error { return c.synthesize(ctx) }

// Assembly is the folder of the synthesized stack.
func (c *Cloud) Assembly() string { return c.assembly() }

// Save writes the cloud's state and the environment file.
func (c *Cloud) Save() error { return c.save() }

// AWSEnvironment has the variables of the AWS stand-in.
func (c *Cloud) AWSEnvironment() []string { return c.awsEnvironment(nil) }

// Impatient is too short for a process that ignores SIGTERM.
const Impatient = 50 * time.Millisecond
