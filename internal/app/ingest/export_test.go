package ingest

// Redirect is redirect, for tests.
var Redirect = redirect
