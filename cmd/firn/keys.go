package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	app "github.com/firn-data/firn/internal/app/operator"
	"github.com/firn-data/firn/internal/snowflake/keys"
)

func keysCommand() *cobra.Command {
	command := &cobra.Command{
		Use:   "keys",
		Short: "Show the key pair by which files are loaded, or rotate it",
		Long: "Show the key pair by which the load function logs in to Snowflake: the fingerprint of the secret's key, its\n" +
			"age, and the two slots of the function's user. `rotate` replaces it. A stack has one if it was deployed with\n" +
			"-c firn:snowflakeLogin=keypair; else its function logs in by its AWS role, and there is nothing to rotate.",
		Args: withHelp(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withRotator(cmd, (*keys.Rotator).Status)
		},
	}
	command.PersistentFlags().Bool("json", false, "print JSON")
	command.AddCommand(&cobra.Command{
		Use:   "rotate",
		Short: "Put a new key pair in place of the one in force, without a pause",
		Long: "Make a key pair, put its public key into the free slot of the load function's user, prove that it logs in,\n" +
			"put it into the secret, and empty the other slot. Functions that run read the secret again when a login is\n" +
			"refused, so nothing is deployed. Safe to interrupt: run it again, and it ends what was begun. After the\n" +
			"first deployment it fills the empty secret. The role that you log in by must own the user.",
		Args: withHelp(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withRotator(cmd, (*keys.Rotator).Rotate)
		},
	})
	return command
}

// withRotator does something with the key pair of the stack's load function, and
// prints how it stands.
func withRotator(cmd *cobra.Command, do func(*keys.Rotator, context.Context) (keys.Status, error)) error {
	o, err := openOperator(cmd.Context())
	if err != nil {
		return err
	}
	session, err := app.OpenSnowflakeAccount(cmd.Context(), os.LookupEnv)
	if err != nil {
		return err
	}
	defer session.Close()
	rotator, err := app.NewRotator(cmd.Context(), os.LookupEnv, o.Stack, session)
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
		fmt.Fprintf(out, "%s logs in by the key %s, made %s\n", status.User, status.Fingerprint, status.Created.Format(time.RFC3339))
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
		fmt.Fprintln(out, "a rotation runs, or was interrupted: `firn keys rotate` ends it")
	}
}
