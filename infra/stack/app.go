package stack

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/jsii-runtime-go"
)

// configuration is the CDK's configuration file, in the root folder of the repository.
const configuration = "cdk.json"

// Root returns the root folder of the repository, the folder with cdk.json. The search
// begins at folder and goes up.
func Root(folder string) (string, error) {
	for {
		_, err := os.Stat(filepath.Join(folder, configuration))
		if err == nil {
			return folder, nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return "", err
		}
		parent := filepath.Dir(folder)
		if parent == folder {
			return "", errors.New("no cdk.json in this folder or a folder above: run the command inside the repository")
		}
		folder = parent
	}
}

// NewApp creates a CDK app with the feature flags of the repository's cdk.json. NewApp
// reads the file, because only the cdk command line passes the flags on. Context from
// the command line (-c) overrides the file. If outdir is empty, the CDK chooses the
// folder.
func NewApp(root, outdir string) (awscdk.App, error) {
	content, err := os.ReadFile(filepath.Join(root, configuration))
	if err != nil {
		return nil, err
	}
	var file struct {
		Context map[string]any `json:"context"`
	}
	if err := json.Unmarshal(content, &file); err != nil {
		return nil, fmt.Errorf("%s: %w", configuration, err)
	}
	props := &awscdk.AppProps{Context: &file.Context, AnalyticsReporting: jsii.Bool(false)}
	if outdir != "" {
		props.Outdir = jsii.String(outdir)
	}
	return awscdk.NewApp(props), nil
}

// Context returns the whole context of an app, from cdk.json and from the command line.
func Context(app awscdk.App) map[string]any {
	context, _ := app.Node().GetAllContext(nil).(map[string]any)
	return context
}
