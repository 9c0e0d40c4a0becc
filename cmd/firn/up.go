package main

import (
	"fmt"
	"io"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/firn-data/firn/internal/laptop"
)

// laptopDirectory is the folder of the state of `firn up`, below build/.
const laptopDirectory = "local"

// environmentFile is the file with the variables for other clients. `firn up` writes
// the file.
func environmentFile(cloud *laptop.Cloud) string {
	return filepath.Join(cloud.Root, "build", "local.env")
}

func upCommand() *cobra.Command {
	var ports laptop.Ports
	var asJSON bool
	command := &cobra.Command{
		Use:   "up",
		Short: "Start the laptop's cloud and deploy the stack",
		Long:  "Start the laptop's cloud and deploy the stack.\nSource build/local.env to use the cloud with your own AWS and Snowflake clients.",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cloud, err := openCloud(laptopDirectory)
			if err != nil {
				return err
			}
			cloud.Ports = ports
			cloud.EnvironmentFile = environmentFile(cloud)
			steps := &steps{out: cmd.ErrOrStderr()}
			if err := cloud.Up(cmd.Context(), steps.run); err != nil {
				return err
			}
			if asJSON {
				return printJSON(cmd.OutOrStdout(), cloud)
			}
			fmt.Fprintf(cmd.OutOrStdout(), "The laptop's cloud is up: AWS at %s, Snowflake at 127.0.0.1:%d, mails in %s\nFor your own clients: . build/local.env\nTo stop the cloud: firn down\n",
				cloud.Endpoint(), cloud.Ports.Snowflake, cloud.MailDirectory())
			return nil
		},
	}
	flags := command.Flags()
	flags.IntVar(&ports.AWS, "aws-port", 0, "port of the AWS stand-in; 0 takes a free port")
	flags.IntVar(&ports.Snowflake, "snowflake-port", 0, "port of the Snowflake stand-in; 0 takes a free port")
	flags.IntVar(&ports.Mail, "mail-port", 0, "port of the mail stand-in; 0 takes a free port")
	flags.IntVar(&ports.FDSN, "fdsn-port", 0, "port of the stand-in for FDSN event services; 0 takes a free port")
	flags.BoolVar(&asJSON, "json", false, "print JSON")
	return command
}

func downCommand() *cobra.Command {
	var ofDemo, asJSON bool
	command := &cobra.Command{
		Use:   "down",
		Short: "Stop the laptop's cloud",
		Long:  "Stop the laptop's cloud and remove build/local.env.\nLogs, mails and objects stay in build/local until the next `firn up`.",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			directory := laptopDirectory
			if ofDemo {
				directory = demoDirectory
			}
			cloud, err := openCloud(directory)
			if err != nil {
				return err
			}
			condition, reason := cloud.Condition()
			result := downResult{Stopped: len(cloud.Servers) - len(cloud.Ended()), Ended: cloud.Ended()}
			if !ofDemo {
				cloud.EnvironmentFile = environmentFile(cloud)
			}
			if err := cloud.Down(); err != nil {
				return err
			}
			if asJSON {
				return printJSON(cmd.OutOrStdout(), result)
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%d servers stopped\n", result.Stopped)
			if condition == laptop.ConditionHalfUp {
				fmt.Fprintf(cmd.OutOrStdout(), "the laptop's cloud was half up: %s\n", reason)
			}
			return nil
		},
	}
	command.Flags().BoolVar(&ofDemo, "demo", false, "stop the servers of a killed demo")
	command.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return command
}

// downResult is the JSON of down.
type downResult struct {
	// Stopped is the number of stopped servers.
	Stopped int `json:"stopped"`
	// Ended are the names of the servers that had ended before.
	Ended []string `json:"ended"`
}

// steps shows the steps of a command and records their seconds.
type steps struct {
	out   io.Writer
	taken []stepTime
}

type stepTime struct {
	Name    string  `json:"step"`
	Seconds float64 `json:"seconds"`
}

// run runs a step. Run prints a line at the start and a line with the seconds at the
// end. On a terminal a spinner replaces the first line.
func (s *steps) run(name string, do func() error) error {
	started := time.Now()
	if !isTerminal(s.out) {
		fmt.Fprintf(s.out, "%s ...\n", name)
	}
	bar := spinner(s.out, name)
	err := do()
	bar.stop()
	seconds := time.Since(started).Seconds()
	s.taken = append(s.taken, stepTime{Name: name, Seconds: seconds})
	result := ""
	switch {
	case isInterruption(err):
		result = ", interrupted"
	case err != nil:
		result = ", failed"
	}
	fmt.Fprintf(s.out, "%-36s %6.1f s%s\n", name, seconds, result)
	return err
}
