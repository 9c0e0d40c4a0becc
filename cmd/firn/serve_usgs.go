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

	"github.com/firn-data/firn/local/usgs"
)

// serveUSGSCommand serves the laptop's USGS; `firn up` starts it.
func serveUSGSCommand() *cobra.Command {
	var port int
	var data string
	command := &cobra.Command{
		Use:    "serve-usgs",
		Short:  "Answer the USGS event search from a file, on 127.0.0.1",
		Hidden: true,
		Args:   cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			file, err := os.Open(data)
			if err != nil {
				return fmt.Errorf("serve the USGS week: %w", err)
			}
			handler, err := usgs.NewHandler(file)
			if err := errors.Join(err, file.Close()); err != nil {
				return fmt.Errorf("serve the USGS week: %w", err)
			}
			return serve(cmd.Context(), port, handler)
		},
	}
	command.Flags().IntVar(&port, "port", 0, "port to listen on; 0 takes a free one")
	command.Flags().StringVar(&data, "data", "", "GeoJSON FeatureCollection, plain or gzip")
	return command
}

func serve(ctx context.Context, port int, handler http.Handler) error {
	listener, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		return fmt.Errorf("serve the USGS week: port %d: %w", port, err)
	}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	context.AfterFunc(ctx, func() { _ = server.Close() })
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve the USGS week: %w", err)
	}
	return nil
}
