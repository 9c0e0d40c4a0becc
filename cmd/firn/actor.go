package main

import (
	"cmp"
	"os"
	"os/user"
)

// actor names the operator in records: "<user>@<host>". The name is not proved.
func actor() string {
	name := os.Getenv("USER")
	if current, err := user.Current(); err == nil {
		name = current.Username
	}
	host, _ := os.Hostname() // a record without a host is better than none
	return cmp.Or(name, "unknown") + "@" + cmp.Or(host, "unknown")
}
