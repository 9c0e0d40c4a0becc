package laptop

import (
	"context"
	"fmt"
	"net"
	"strconv"
)

// Ports are the ports of the servers on 127.0.0.1. A port of 0 becomes a free port.
type Ports struct {
	AWS       int `json:"aws"`
	Snowflake int `json:"snowflake"`
	Mail      int `json:"mail"`
	FDSN      int `json:"fdsn"`
}

// each calls visit with each port and its flag.
func (p *Ports) each(visit func(flag string, port *int) error) error {
	for _, named := range []struct {
		flag string
		port *int
	}{{"--aws-port", &p.AWS}, {"--snowflake-port", &p.Snowflake}, {"--mail-port", &p.Mail}, {"--fdsn-port", &p.FDSN}} {
		if err := visit(named.flag, named.port); err != nil {
			return err
		}
	}
	return nil
}

// claim fills in free ports and refuses busy ports. The listeners stay open until the
// end of claim, so that no free port is taken twice.
func (p *Ports) claim() error {
	var listeners []net.Listener
	defer func() {
		for _, listener := range listeners {
			_ = listener.Close()
		}
	}()
	return p.each(func(flag string, port *int) error {
		listener, err := net.Listen("tcp", address(*port))
		if err != nil {
			return fmt.Errorf("port %d is busy: stop the other program, or choose another port with %s", *port, flag)
		}
		listeners = append(listeners, listener)
		*port = listener.Addr().(*net.TCPAddr).Port
		return nil
	})
}

func address(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

// checkPort returns nil if a server accepts connections on a port.
func checkPort(ctx context.Context, port int) error {
	var dialer net.Dialer
	connection, err := dialer.DialContext(ctx, "tcp", address(port))
	if err != nil {
		return err
	}
	return connection.Close()
}
