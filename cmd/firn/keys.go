package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/firn-data/firn/internal/snowflake/keys"
)

func keysCommand() *cobra.Command {
	command := &cobra.Command{
		Use:   "keys",
		Short: "Show or rotate the key pair of the load function",
		Long: "Show the key pair with which the load function logs in to Snowflake: the fingerprint of the key in the secret,\n" +
			"the age of the key, and the two key slots of the function's user. `rotate` replaces the key pair. Only a stack with\n" +
			"-c firn:snowflakeLogin=keypair has a key pair. In any other stack the function logs in with its AWS role.",
		Args: withHelp(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withRotator(cmd, (*keys.Rotator).Status)
		},
	}
	command.PersistentFlags().Bool("json", false, "print JSON")
	command.AddCommand(&cobra.Command{
		Use:   "rotate",
		Short: "Replace the key pair without a pause of the loads",
		Long: "Make a key pair and put the public key into the free slot of the load function's user. Test a login with the new\n" +
			"key, write the key pair into the secret, and empty the other slot. A running function reads the secret again after\n" +
			"a refused login, so a rotation needs no deployment. After an interruption, run the command again to complete the\n" +
			"rotation. After the first deployment the command fills the empty secret. Your role in Snowflake must own the user.",
		Args: withHelp(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withRotator(cmd, (*keys.Rotator).Rotate)
		},
	})
	return command
}

// withRotator calls do with the key pair of the stack's load function, and prints the
// returned status.
func withRotator(cmd *cobra.Command, do func(*keys.Rotator, context.Context) (keys.Status, error)) error {
	o, err := openOperator(cmd.Context())
	if err != nil {
		return err
	}
	session, err := openSnowflakeAccount(cmd.Context())
	if err != nil {
		return err
	}
	defer session.Close()
	rotator, err := newRotator(cmd.Context(), o.Stack, session)
	if err != nil {
		return err
	}
	status, err := do(rotator, cmd.Context())
	if err != nil {
		return err
	}
	if asJSON(cmd) {
		return printJSON(cmd.OutOrStdout(), status)
	}
	printKeys(cmd.OutOrStdout(), status)
	return nil
}

func printKeys(out io.Writer, status keys.Status) {
	switch {
	case status.Fingerprint == "":
		fmt.Fprintln(out, "the secret holds no key yet: run `firn keys rotate`")
	case status.Slot == 0:
		fmt.Fprintf(out, "the secret's key %s is in no slot of the user, so no login succeeds: run `firn keys rotate`\n", status.Fingerprint)
	default:
		fmt.Fprintf(out, "%s logs in with key %s, created %s\n", status.User, status.Fingerprint, status.Created.Format(time.RFC3339))
	}
	for i, held := range status.Slots {
		switch {
		case held == "":
			held = "empty"
		case i+1 == status.Slot:
			held += " (in force)"
		}
		fmt.Fprintf(out, "slot %d: %s\n", i+1, held)
	}
	if status.Unfinished {
		fmt.Fprintln(out, "a rotation is running or was interrupted: `firn keys rotate` completes the rotation")
	}
}
