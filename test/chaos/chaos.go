// Package chaos tests firn on the laptop's cloud under many faults at the same time. An
// oracle apart from firn judges the tables after the run.
package chaos
