// Package outage tests the outage of a dependency. The real consumer, loader, breaker
// and watcher run on the DynamoDB stand-in, with a clock that the test moves.
package outage
