// Package outage has tests of what happens while a dependency is away: the real
// consumer, loader, breaker and watcher, on the DynamoDB stand-in, with a clock
// that the test moves.
package outage
