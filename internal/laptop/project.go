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

// project is the folder of the datasets: Project, or the repository.
func (c *Cloud) project() string { return cmp.Or(c.Project, c.Root) }

// datasets is the folder of the contracts.
func (c *Cloud) datasets() string { return filepath.Join(c.project(), "datasets") }

// recording is a sample file that the laptop's cloud serves as a source's API.
type recording struct{ source, file string }

// recordings returns the sample files of the datasets that are fetched from an
// FDSN event service: the GeoJSON file beside the contract. A dataset without
// such a file keeps the address in its contract.
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
		files, err := sampleOf(filepath.Join(c.datasets(), filepath.Dir(d.File)))
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

func sampleOf(folder string) ([]string, error) {
	plain, err := filepath.Glob(filepath.Join(folder, "*.geojson"))
	if err != nil {
		return nil, err
	}
	packed, err := filepath.Glob(filepath.Join(folder, "*.geojson.gz"))
	return append(plain, packed...), err
}

// fdsnCommand serves the recordings.
func (c *Cloud) fdsnCommand(recordings []recording) []string {
	command := []string{c.Program, "serve-fdsn", "--port", fmt.Sprint(c.Ports.FDSN)}
	for _, r := range recordings {
		command = append(command, "--data", r.source+"="+r.file)
	}
	return command
}

// sourceURLs are the variables that send the requests for a source to its
// recording.
func (c *Cloud) sourceURLs(recordings []recording) []string {
	variables := make([]string, len(recordings))
	for i, r := range recordings {
		variables[i] = "FIRN_SOURCE_URL_" + strings.ToUpper(r.source) + "=http://" + address(c.Ports.FDSN) + "/" + r.source + fdsn.QueryPath
	}
	return variables
}
