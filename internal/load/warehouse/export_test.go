package warehouse

// Copied is copied, Literal is literal, for tests.
var (
	Copied  = copied
	Literal = literal
)
