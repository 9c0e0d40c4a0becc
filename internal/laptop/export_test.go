package laptop

import (
	"context"
	"time"
)

// The package's own, for tests.
var (
	FingerprintOf = fingerprintOf
	Names         = names
	Reason        = errorLines
	StopWithin    = stopWithin
	Alive         = isRunning
)

// Claim fills in free ports and refuses busy ones.
func (p *Ports) Claim() error { return p.claim() }

// StartProcess starts a server whose log is in the directory.
func StartProcess(ctx context.Context, name, directory string, environment []string, ready func(context.Context) error, command ...string) (int, error) {
	return process{name: name, command: command, environment: environment, directory: directory, ready: ready}.start(ctx)
}

// Save keeps the cloud's state and leaves its environment file.
func (c *Cloud) Save() error { return c.save() }

// AWSEnvironment is what the AWS stand-in sees.
func (c *Cloud) AWSEnvironment() []string { return c.awsEnvironment(nil) }

// Impatient is shorter than a process needs that doesn't listen.
const Impatient = 50 * time.Millisecond
