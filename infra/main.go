// Command infra synthesizes firn's stack. The cdk command line runs it:
//
//	npx cdk deploy -c firn:alertAddress=you@example.com -c firn:snowflakeAccount=MYORG-ACCOUNT
package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/aws/jsii-runtime-go"

	"github.com/firn-data/firn/infra/bundle"
	"github.com/firn-data/firn/infra/setting"
	"github.com/firn-data/firn/infra/stack"
	"github.com/firn-data/firn/internal/contract"
)

func main() {
	if err := run(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, "firn:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	defer jsii.Close()
	folder, err := os.Getwd()
	if err != nil {
		return err
	}
	root, err := stack.Root(folder)
	if err != nil {
		return err
	}
	app, err := stack.NewApp(root, "")
	if err != nil {
		return err
	}
	settings, err := setting.Read(stack.Context(app))
	if err != nil {
		return err
	}
	// FIRN_DATASETS names a folder of contracts. Default: datasets in the repository.
	datasets := cmp.Or(os.Getenv("FIRN_DATASETS"), filepath.Join(root, "datasets"))
	contracts, err := contract.ReadAll(os.DirFS(datasets))
	if err != nil {
		return err
	}
	functions, err := bundle.Build(ctx, root, datasets, settings.Architecture.GOARCH(), os.Stderr)
	if err != nil {
		return err
	}
	stack.New(app, stack.Props{
		Settings: settings, Contracts: contracts, Functions: functions,
		GlueScript: filepath.Join(root, "glue", "transform.py"),
	})
	app.Synth(nil)
	return nil
}
