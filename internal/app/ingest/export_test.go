package ingest

// Redirect exports redirect for tests.
var Redirect = redirect
