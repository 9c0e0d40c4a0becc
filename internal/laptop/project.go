package laptop

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/firn-data/firn/internal/contract"
	"github.com/firn-data/firn/internal/ingest"
	"github.com/firn-data/firn/local/fdsn"
)

// project is the folder of the datasets: Project, or Root.
func (c *Cloud) project() string { return cmp.Or(c.Project, c.Root) }

// datasets is the folder of the contracts.
func (c *Cloud) datasets() string { return filepath.Join(c.project(), "datasets") }

// recording is a sample file. The laptop's cloud serves the file as the API of a
// source.
type recording struct{ source, file string }

// recordings returns the sample files of the datasets with an FDSN event service: the
// GeoJSON file beside the contract. Without such a file, requests go to the address in
// the contract.
func (c *Cloud) recordings() ([]recording, error) {
	contracts, err := contract.ReadAll(os.DirFS(c.datasets()))
	if err != nil {
		return nil, err
	}
	var found []recording
	var faults []error
	for _, d := range contracts {
		if d.Ingest == nil || d.Ingest.API != ingest.FDSNEvent {
			continue
		}
		files, err := geoJSONFiles(filepath.Join(c.datasets(), filepath.Dir(d.File)))
		switch {
		case err != nil:
			faults = append(faults, err)
		case len(files) > 1:
			faults = append(faults, fmt.Errorf("%s: only one GeoJSON file can be served, and %d are beside the contract: %s", d.Dataset(), len(files), strings.Join(files, ", ")))
		case len(files) == 1 && slices.ContainsFunc(found, func(r recording) bool { return r.source == d.Source }):
			faults = append(faults, fmt.Errorf("%s: only one dataset of a source can be served: remove %s, or the file of the other dataset", d.Dataset(), files[0]))
		case len(files) == 1:
			found = append(found, recording{source: d.Source, file: files[0]})
		}
	}
	return found, errors.Join(faults...)
}

func geoJSONFiles(folder string) ([]string, error) {
	plain, err := filepath.Glob(filepath.Join(folder, "*.geojson"))
	if err != nil {
		return nil, err
	}
	packed, err := filepath.Glob(filepath.Join(folder, "*.geojson.gz"))
	return append(plain, packed...), err
}

// fdsnCommand is the command that serves the recordings.
func (c *Cloud) fdsnCommand(recordings []recording) []string {
	command := []string{c.Program, "serve-fdsn", "--port", fmt.Sprint(c.Ports.FDSN)}
	for _, r := range recordings {
		command = append(command, "--data", r.source+"="+r.file)
	}
	return command
}

// sourceURLs are the variables that direct the requests for a source to its recording.
func (c *Cloud) sourceURLs(recordings []recording) []string {
	variables := make([]string, len(recordings))
	for i, r := range recordings {
		variables[i] = "FIRN_SOURCE_URL_" + strings.ToUpper(r.source) + "=http://" + address(c.Ports.FDSN) + "/" + r.source + fdsn.QueryPath
	}
	return variables
}
