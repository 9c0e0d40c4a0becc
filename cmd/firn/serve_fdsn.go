package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/firn-data/firn/local/fdsn"
)

// serveFDSNCommand serves the FDSN stand-in of the laptop's cloud. `firn up` starts the
// command.
func serveFDSNCommand() *cobra.Command {
	var port int
	var files map[string]string
	command := &cobra.Command{
		Use:    "serve-fdsn",
		Short:  "Answer FDSN event searches from files, on 127.0.0.1",
		Hidden: true,
		Args:   cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			handler, err := eventServices(files)
			if err == nil {
				err = serve(cmd.Context(), port, handler)
			}
			if err != nil {
				return fmt.Errorf("serve FDSN events: %w", err)
			}
			return nil
		},
	}
	command.Flags().IntVar(&port, "port", 0, "port to listen on; 0 takes a free port")
	command.Flags().StringToStringVar(&files, "data", nil, "`source=file`: a GeoJSON FeatureCollection, plain or gzip, served below /source; may be repeated")
	return command
}

// eventServices answers searches below /<source> from the file of each source.
func eventServices(files map[string]string) (http.Handler, error) {
	services := http.NewServeMux()
	for source, name := range files {
		file, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		handler, err := fdsn.NewHandler(file)
		if err := errors.Join(err, file.Close()); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		services.Handle("/"+source+"/", http.StripPrefix("/"+source, handler))
	}
	return services, nil
}

func serve(ctx context.Context, port int, handler http.Handler) error {
	listener, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		return fmt.Errorf("port %d: %w", port, err)
	}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	context.AfterFunc(ctx, func() { _ = server.Close() })
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
